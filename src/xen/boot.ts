// The boot of the embedded hypervisor: the state of a machine, with Domain-0 running on it.
import { Bitset } from '../base/bitset.js';
import { domainUpdateNodeAffinity } from './ops/domain-update-node-affinity.js';
import { Domain, MAX_NUMNODES } from './state/domain.js';
import type { XenMachine, XenNode } from './state/machine.js';
import { XenState } from './state/xen-state.js';

/** @throws InputError when the machine's version is not known */
export function boot(machine: XenMachine): XenState {
  const xen = new XenState(machine);
  const { dom0, nodes } = machine;
  const config = {
    id: 0,
    hvm: false,
    hap: false,
    xenstoreDomain: false,
    maxVcpus: dom0.vcpus,
    handle: new Uint8Array(16),
    ssidref: 0,
  };
  const domain = new Domain(config, xen.pools[0]!, nodes.length);
  domain.createVcpus(xen.nrCpuIds);
  domain.pauseCount = 0;
  if (dom0.hardAffinity !== undefined) {
    for (const vcpu of domain.vcpus) vcpu.hard.copyFrom(Bitset.of(xen.nrCpuIds, dom0.hardAffinity));
  }
  if (dom0.nodes !== undefined) {
    domain.autoNodeAffinity = false;
    domain.nodeAffinity.copyFrom(Bitset.of(MAX_NUMNODES, dom0.nodes));
  }
  xen.domains.set(0, domain);
  domain.pool.domains++;
  xen.affinityGroups.changed(0);
  domainUpdateNodeAffinity(xen, domain);
  giveMemory(domain, machine);
  domain.maxPages = dom0.maxPages ?? Number.MAX_SAFE_INTEGER;
  return xen;
}

/** Domain-0's memory is part of the used memory; it comes first from the nodes of its affinity. */
function giveMemory(domain: Domain, { dom0, nodes }: XenMachine): void {
  const preferred = (node: number) => Number(domain.nodeAffinity.has(node));
  const order = [...nodes.keys()].sort((a, b) => preferred(b) - preferred(a) || a - b);
  let left = dom0.pages;
  for (const node of order) {
    for (const [start, end] of usedFrames(nodes[node]!)) {
      const pages = Math.min(left, end - start);
      if (pages > 0) domain.pages[node]!.add(end - pages, end);
      left -= pages;
    }
  }
  domain.totPages = domain.pages.reduce((sum, runs) => sum + runs.pages, 0);
}

/**
 * Frames of a node's span that are not free at the start, as [first, one past the last), ascending;
 * some of them may be empty.
 */
function usedFrames({ startMfn, endMfn, freePages, freeRanges }: XenNode): [number, number][] {
  const free = freeRanges ?? [[endMfn - freePages, endMfn] as const];
  const used: [number, number][] = [];
  let from = startMfn;
  for (const [start, end] of free) {
    used.push([from, start]);
    from = end;
  }
  used.push([from, endMfn]);
  return used;
}
