// Opens libxenctrl's calls over any hypercall door: finds the version of Xen, and combines the
// calls of each concern.
import { type FlowSink, NO_FLOW } from '../flow/record.js';
import { affinityCalls, namesEveryNode } from './calls/affinity-calls.js';
import { CallBuffers } from './calls/call-buffers.js';
import { cpupoolCalls } from './calls/cpupool-calls.js';
import { domainCalls } from './calls/domain-calls.js';
import { domainMemoryCalls } from './calls/domain-memory.js';
import { guestCalls } from './calls/guest-calls.js';
import { hostCalls, physInfo } from './calls/host-calls.js';
import { memoryCalls } from './calls/memory-calls.js';
import { probeVersions } from './calls/probe-versions.js';
import { vnumaCalls } from './calls/vnuma-calls.js';
import type { HypercallDoor } from './doors/door.js';
import { flowCalls, seenInside } from './flow/flow-calls.js';
import { InferredInside } from './flow/infer-inside.js';
import type { Xenctrl } from './xenctrl.js';

/**
 * The door stays the caller's: `close` of what is returned gives back the buffers kept for its
 * calls, not the door.
 * @throws InputError when Xen's interface versions are not known here
 * @throws XenError when Xen does not answer this caller (EPERM)
 */
export function openXenctrl(door: HypercallDoor): Xenctrl {
  const abi = probeVersions(door);
  const calls = new CallBuffers(door, abi);
  try {
    return assemble(calls);
  } catch (error) {
    calls.close();
    throw error;
  }
}

function assemble(calls: CallBuffers): Xenctrl {
  const { door, abi, inspection } = calls;
  const cpuBits = physInfo(calls).maxCpuId + 1;
  const host = hostCalls(calls);
  const domains = domainCalls(calls);
  const affinity = affinityCalls(calls, cpuBits);
  /**
   * Domains whose node affinity was set here, and whether that made it automatic: for concluding
   * what cannot be read.
   */
  const ownSettings = new Map<number, boolean>();
  const base: Xenctrl = {
    door,
    version: { xen: `${abi.major}.${abi.minor}`, domctl: abi.domctl, sysctl: abi.sysctl },
    ...host,
    ...domains,
    ...affinity,
    ...memoryCalls(calls),
    ...guestCalls(calls),
    ...cpupoolCalls(calls, cpuBits),
    ...vnumaCalls(calls),
    ...domainMemoryCalls(calls, () => host.physInfo().nodes),
    domainCreate(config) {
      const domid = domains.domainCreate(config);
      ownSettings.delete(domid);
      return domid;
    },
    domainNodeSetAffinity(domid, nodes) {
      affinity.domainNodeSetAffinity(domid, nodes);
      ownSettings.set(domid, namesEveryNode(nodes));
    },
    withFlow(sink: FlowSink): Xenctrl {
      if (sink === NO_FLOW) return base;
      const inside = inspection === null ? new InferredInside(base, ownSettings) : seenInside(inspection);
      return { ...base, ...flowCalls(base, sink, inside) };
    },
    close: () => calls.close(),
  };
  return base;
}
