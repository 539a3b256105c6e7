// `xennuma verify --pool`: for each VM that runs on a host of a pool, what was asked by policy and masks against where the host says
// that its memory is. Box of the chart: domain_node_affinity, where all of them led.
import { formatList } from '../base/bitset.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Host } from '../machine/model.js';
import { nodeCounts } from '../map/numa-metrics.js';
import type { PoolVm } from '../xapi-client/pool.js';
import type { ProfileName } from '../xenopsd/api/profiles.js';
import { effectivePolicy, profileOf } from '../xenopsd/api/profiles.js';
import { parseHostMask, parseVmMask } from '../xenopsd/start/mask.js';
import type { PoolAccess } from './access.js';
import { hardOf, nodesOf, poolPolicy } from './workload.js';

export interface PoolVerdict {
  readonly vm: string;
  readonly uuid: string;
  /** "mask 1,2", "best_effort", "nothing". */
  readonly asked: string;
  /** Nodes that hold more of its memory than XenServer ignores; null where the host does not tell. */
  readonly nodes: readonly number[] | null;
  readonly state: 'ok' | 'drift' | 'unknown';
  readonly why: string;
}

/** @param profile what default_policy means on the host */
export function verifyPool({ host, told, running }: PoolAccess, profile: ProfileName): PoolVerdict[] {
  const policy = effectivePolicy(profileOf(profile), poolPolicy(told.policy)).name;
  return running.map((vm) => {
    const nodes =
      vm.numa === null ? null : [...vm.numa.memoryBytes].flatMap(([node, bytes]) => (nodeCounts(bytes / PAGE_BYTES) ? [node] : []));
    const found = judge(vm, nodes, host, told.mask, policy);
    return { vm: vm.spec.name, uuid: vm.uuid, nodes, ...found };
  });
}

function judge(
  vm: PoolVm,
  nodes: readonly number[] | null,
  host: Host,
  hostMask: string | null,
  policy: string,
): Pick<PoolVerdict, 'asked' | 'state' | 'why'> {
  const { mask } = vm.spec.vcpusParams;
  const ignored = parseVmMask(mask).ignored;
  if (mask !== undefined && ignored !== null) {
    return { asked: `mask '${mask}'`, state: 'drift', why: `xapi ignores the mask: ${ignored}` };
  }
  const hard = hardOf(vm.spec, hostMask, Math.max(-1, ...host.cpus.map((cpu) => cpu.id)) + 1);
  if (hard !== null) {
    const asked = mask === undefined ? `host mask '${hostMask}'` : `mask '${mask}'`;
    if (nodes === null) return { asked, state: 'unknown', why: untold };
    const wanted = nodesOf(host, hard.flat());
    const astray = nodes.filter((node) => !wanted.includes(node));
    if (astray.length === 0) return { asked, state: 'ok', why: '' };
    return {
      asked,
      state: 'drift',
      why: `vCPUs are pinned to node ${formatList(wanted)}, memory is on node ${formatList(astray)} as well; a mask moves no memory, and counts from the next start`,
    };
  }
  if (policy === 'any') return { asked: 'nothing', state: 'ok', why: '' };
  if (nodes === null) return { asked: policy, state: 'unknown', why: untold };
  const least = leastNodes(vm.spec.memoryTargetBytes, vm.spec.vcpusMax, host);
  if (nodes.length <= least) return { asked: policy, state: 'ok', why: '' };
  const hostMaskNote = parseHostMask(hostMask ?? undefined).ignored === null ? '' : '; xapi ignores the host mask';
  return { asked: policy, state: 'drift', why: `memory is on ${nodes.length} nodes, and ${least} could hold it${hostMaskNote}` };
}

const untold = 'the host does not tell on which nodes its memory is';

/** The fewest nodes whose memory and CPUs would hold it on an empty host. */
export function leastNodes(memoryBytes: number, vcpus: number, host: Host): number {
  const cpus = host.nodes.map((_, node) => host.cpus.filter((cpu) => cpu.node === node).length);
  const sizes = host.nodes.map((node) => node.memoryBytes).sort((a, b) => b - a);
  const counts = [...cpus].sort((a, b) => b - a);
  let memory = 0;
  let count = 0;
  for (let nodes = 1; nodes <= sizes.length; nodes++) {
    memory += sizes[nodes - 1]!;
    count += counts[nodes - 1]!;
    if (memory >= memoryBytes && count >= vcpus) return nodes;
  }
  return host.nodes.length;
}
