// `xennuma verify --pool`: for each running VM of a pool's host, the requested policy and masks
// compared with the nodes that hold its memory.
import { PAGE_BYTES } from '../base/units.js';
import type { Host } from '../machine/model.js';
import type { DriftCode, Expected } from '../map/drift.js';
import { type Judgement, judge } from '../map/judge.js';
import { countedNodes } from '../map/numa-metrics.js';
import type { PoolHost, PoolVm } from '../xapi-client/pool.js';
import { effectivePolicy, type ProfileName, profileOf } from '../xenopsd/api/profiles.js';
import { parseHostMask, parseVmMask } from '../xenopsd/start/mask.js';
import type { PoolAccess } from './access.js';
import { hardOf, mapOfPool, poolPolicy } from './workload.js';

export interface PoolVerdict {
  readonly vm: string;
  readonly uuid: string;
  /** The request: "mask '1,2'", "best_effort", "nothing". */
  readonly asked: string;
  /**
   * Nodes with more of its memory than XenServer ignores; null if the host does not report them.
   */
  readonly nodes: readonly number[] | null;
  /** Whether one node holds all memory that counts; null if the host does not report it. */
  readonly onOneNode: boolean | null;
  readonly state: 'ok' | 'drift' | 'unknown';
  readonly drifts: readonly DriftCode[];
  /** The reasons, as clauses; [] if there are none. */
  readonly why: string;
}

/**
 * @param profile how the host's toolstack behaves (releases.ts)
 * @param vms running on the host, including Domain-0, which no policy places
 */
export function verifyPool(access: PoolAccess, profile: ProfileName, vms: readonly PoolVm[]): PoolVerdict[] {
  const { host, record } = access;
  const policy = effectivePolicy(profileOf(profile), poolPolicy(record.policy)).name;
  const { map } = mapOfPool(access);
  return vms.map((vm) => {
    const pages = vm.numa === null ? null : host.nodes.map((_, node) => Math.floor((vm.numa!.memoryBytes.get(node) ?? 0) / PAGE_BYTES));
    const { asked, expected } = requestOf(vm, host, record, policy, map.cpus.length);
    const judgement = judge(map, expected, { pool: 0, vcpus: null, nodeAffinity: null, pages });
    const nodes = pages === null ? null : countedNodes(pages);
    const onOneNode = nodes === null ? null : nodes.length <= 1;
    return { vm: vm.spec.name, uuid: vm.uuid, asked, nodes, onOneNode, ...verdictOf(judgement, vm) };
  });
}

/** Masks that xapi ignores without a message, for all VMs of the host. */
export function hostMaskNotes({ name, mask }: PoolHost): string[] {
  const { ignored } = parseHostMask(mask ?? undefined);
  return ignored === null ? [] : [`xapi ignores the mask '${mask}' of ${name}: ${ignored}`];
}

/** A mask wins over the policy: a VM with a mask is not placed. */
function requestOf(
  { spec, controlDomain }: PoolVm,
  host: Host,
  record: PoolHost,
  policy: string,
  cpuCount: number,
): { readonly asked: string; readonly expected: Expected } {
  if (controlDomain) return { asked: 'nothing', expected: { source: 'XAPI', hard: null, soft: null } };
  const { mask } = spec.vcpusParams;
  const { ignored } = parseVmMask(mask);
  const hard = hardOf(spec, record.mask, cpuCount);
  const expected: Expected = {
    source: 'XAPI',
    hard,
    soft: null,
    ...(mask !== undefined && ignored !== null ? { ignoredMask: { mask, reason: ignored } } : {}),
    ...(hard === null && policy !== 'any' ? { fewestNodes: leastNodes(spec.memoryTargetBytes, spec.vcpusMax, host) } : {}),
  };
  if (mask !== undefined) return { asked: `mask '${mask}'`, expected };
  if (hard !== null) return { asked: `host mask '${record.mask}'`, expected };
  return { asked: policy === 'any' ? 'nothing' : policy, expected };
}

function verdictOf({ drifts, unknown }: Judgement, vm: PoolVm): Pick<PoolVerdict, 'state' | 'drifts' | 'why'> {
  const codes = drifts.map(({ code }) => code);
  if (codes.length > 0) {
    const text = drifts.map((one) => one.text).join('; ');
    const pinned = codes.includes('memory-unreachable') && vm.host !== null;
    return { state: 'drift', drifts: codes, why: pinned ? `${text}; a mask takes effect at the next start, and moves no memory` : text };
  }
  if (unknown) return { state: 'unknown', drifts: [], why: 'the host does not report its memory by node' };
  return { state: 'ok', drifts: [], why: '' };
}

/** The fewest nodes whose memory and CPUs can hold a VM on an empty host. */
export function leastNodes(memoryBytes: number, vcpus: number, host: Host): number {
  const descending = (a: number, b: number) => b - a;
  const sizes = host.nodes.map((node) => node.memoryBytes).sort(descending);
  const counts = host.nodes.map((_, node) => host.cpus.filter((cpu) => cpu.node === node).length).sort(descending);
  let memory = 0;
  let count = 0;
  for (let nodes = 1; nodes <= sizes.length; nodes++) {
    memory += sizes[nodes - 1]!;
    count += counts[nodes - 1]!;
    if (memory >= memoryBytes && count >= vcpus) return nodes;
  }
  return host.nodes.length;
}
