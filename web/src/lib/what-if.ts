// A plan on the embedded host, in a browser's worker or in Node: what `xennuma plan` answers for
// the same host, VMs and settings.

import type { PlanAnswer } from '../../../src/cli/answers/answers.js';
import { planAnswer } from '../../../src/cli/answers/summary.js';
import { userWarnings } from '../../../src/cli/output/warnings.js';
import type { Host } from '../../../src/machine/model.js';
import { FIRST_POOL } from '../../../src/machine/pools.js';
import type { VmSpec } from '../../../src/machine/vm.js';
import { encodeMap, type PageMap } from '../../../src/page/page-map.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';
import { effectivePolicy, type PolicyName, type ProfileName, profileOf } from '../../../src/xenopsd/api/profiles.js';
import { embeddedHost } from '../../../src/xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../../src/xenopsd/life/toolstack.js';

export interface Change {
  readonly profile?: ProfileName;
  readonly policy?: PolicyName;
  /** null = without one. */
  readonly hostMask?: string | null;
  /** VCPUs-params:mask by name of the VM; null = without one. */
  readonly masks: Readonly<Record<string, string | null>>;
  readonly added: readonly { readonly name: string; readonly vcpus: number; readonly memoryBytes: number }[];
  /** Nodes that give neither memory nor CPUs. */
  readonly drained: readonly number[];
}

export interface WhatIfAnswer {
  readonly plan: PlanAnswer;
  readonly map: PageMap;
}

export interface WhatIfRequest {
  readonly version: string;
  readonly workload: PageWorkload;
  readonly change: Change;
}

/**
 * @param progress VMs that were started so far
 * @throws InputError for a policy that the profile does not have, and for VMs that cannot be
 */
export async function whatIf({ version, workload, change }: WhatIfRequest, progress?: (started: number) => void): Promise<WhatIfAnswer> {
  const settings = settingsOf(workload, change);
  effectivePolicy(profileOf(settings.profile), settings.policy);
  const doors = await embeddedHost(withoutNodes(workload.host, change.drained), {
    profile: settings.profile,
    ...(workload.xenVersion === undefined ? {} : { xenVersion: workload.xenVersion }),
    ...(workload.scheduler === undefined ? {} : { scheduler: workload.scheduler }),
  });
  const toolstack = await createToolstack(doors, settings);
  const vms = changedVms(workload.vms, change);
  for (const vm of vms) await toolstack.add(vm);
  const warnings = userWarnings(toolstack);
  for (const [index, { name }] of vms.entries()) {
    await toolstack.start(name);
    progress?.(index + 1);
  }
  const { answer, summary } = planAnswer(version, { settings, toolstack, warnings });
  return { plan: answer, map: encodeMap(summary.map) };
}

function settingsOf({ settings }: PageWorkload, { profile, policy, hostMask }: Change): PageWorkload['settings'] {
  const mask = hostMask === undefined ? settings.hostMask : (hostMask ?? undefined);
  return {
    ...{ profile: profile ?? settings.profile, policy: policy ?? settings.policy, seed: settings.seed },
    ...(mask === undefined ? {} : { hostMask: mask }),
  };
}

export function changedVms(vms: readonly VmSpec[], { masks, added }: Pick<Change, 'masks' | 'added'>): VmSpec[] {
  const kept = vms.map((vm) => {
    const mask = Object.hasOwn(masks, vm.name) ? masks[vm.name] : undefined;
    if (mask === undefined) return vm;
    const { mask: _, ...others } = vm.vcpusParams;
    return { ...vm, vcpusParams: mask === null ? others : { ...others, mask } };
  });
  const fresh = added.map(({ name, vcpus, memoryBytes }): VmSpec => {
    const size = { vcpusMax: vcpus, vcpusAtStartup: vcpus, memoryStaticMaxBytes: memoryBytes, memoryTargetBytes: memoryBytes };
    const mask = Object.hasOwn(masks, name) ? (masks[name] ?? null) : null;
    return { name, kind: 'hvm', ...size, vcpusParams: mask === null ? {} : { mask } };
  });
  return [...kept, ...fresh];
}

/**
 * Their memory is taken already, and their CPUs are in no pool, as `xl cpupool-cpu-remove` leaves
 * them: they keep their node, without which xapi's planner would fail. The boot CPU cannot leave
 * its pool.
 */
function withoutNodes(host: Host, drained: readonly number[]): Host {
  if (drained.length === 0) return host;
  const nodes = host.nodes.map((node, at) => (drained.includes(at) ? { ...node, freeBytes: 0 } : node));
  const boot = host.cpus[0]?.id;
  const gone = new Set(host.cpus.flatMap(({ id, node }) => (drained.includes(node) && id !== boot ? [id] : [])));
  const pools = host.pools ?? [{ name: FIRST_POOL, cpus: host.cpus.map(({ id }) => id) }];
  return { ...host, nodes, pools: pools.map((pool) => ({ ...pool, cpus: pool.cpus.filter((cpu) => !gone.has(cpu)) })) };
}
