// The state of a toolstack as the plain data that --json prints and the tables show.
import { formatList } from '../../base/bitset.js';
import { PAGE_BYTES } from '../../base/units.js';
import { virtualNodesInPlace } from '../../flow/explain/summary.js';
import type { FlowRecord } from '../../flow/record.js';
import { surpriseClause } from '../../flow/surprises.js';
import { UNREACHABLE } from '../../machine/model.js';
import { type DomainFigures, type HostFigures, hostFigures } from '../../map/figures.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import type { Toolstack, ToolstackOptions, VmState } from '../../xenopsd/api/toolstack.js';
import type { UserWarning } from '../output/warnings.js';
import type { HostAnswer, PlanAnswer, TotalsAnswer, VmAnswer } from './answers.js';

export interface Summary {
  readonly map: HostMap;
  readonly host: HostAnswer;
  /** In the order in which they were added to the toolstack. */
  readonly vms: readonly VmAnswer[];
  readonly totals: TotalsAnswer;
}

/** Domains of other toolstacks are on the map, but not among the VMs nor in the totals. */
export function summarise(toolstack: Toolstack): Summary {
  const map = toolstack.snapshot();
  const ours = new Set(toolstack.vms().map((vm) => vm.domid));
  const figures = hostFigures(map);
  const { others } = toolstack.doors;
  const counted = others === undefined ? figures : hostFigures({ ...map, domains: map.domains.filter(({ domid }) => ours.has(domid)) });
  const at = new Map(map.domains.map((domain, index) => [domain.domid, index]));
  const vms = toolstack.vms().map((vm) => {
    const index = vm.domid === null ? undefined : at.get(vm.domid);
    return index === undefined ? haltedVm(vm, map) : vmAnswer(vm, map.domains[index]!, figures.domains[index]!);
  });
  return {
    map,
    host: hostAnswer(map),
    vms,
    totals: {
      running: vms.filter((vm) => vm.domid !== null).length,
      failed: vms.filter((vm) => vm.failure !== null).length,
      ...totalsOf(counted),
    },
  };
}

/** The summary of a map alone: every domain but Domain-0 is a VM, and its history is unknown. */
export function summariseMap(map: HostMap): Summary {
  const figures = hostFigures(map);
  const vms = map.domains.flatMap((domain, index): VmAnswer[] => {
    if (domain.domid === 0) return [];
    return [{ name: domain.name, state: powerOf(domain), ...placeAnswer(domain, figures.domains[index]!), ...NO_OPERATION }];
  });
  return { map, host: hostAnswer(map), vms, totals: { running: vms.length, failed: 0, ...totalsOf(figures) } };
}

function powerOf({ state }: MapDomain): VmAnswer['state'] {
  if (state === 'paused') return 'paused';
  return state === 'shutdown' || state === 'dying' ? 'halted' : 'running';
}

function totalsOf(figures: HostFigures): Omit<TotalsAnswer, 'running' | 'failed'> {
  return {
    onOneNode: figures.vmsOnOneNode,
    remotePages: figures.remotePages,
    meanDistance: figures.meanDistance,
    worstDistance: figures.worstDistance,
  };
}

export function hostAnswer(map: HostMap): HostAnswer {
  return {
    name: map.name,
    hypervisor: map.hypervisor,
    nodes: map.nodes.map((node) => ({
      id: node.id,
      memoryBytes: node.memoryBytes,
      freeBytes: node.freePages * PAGE_BYTES,
      claimedBytes: node.claimedPages * PAGE_BYTES,
      cpus: formatList(map.cpus.flatMap((cpu) => (cpu?.online === true && cpu.node === node.id ? [cpu.id] : []))),
    })),
    distances: map.distances.map((row) => row.map((value) => (value === UNREACHABLE ? 'unreachable' : value))),
  };
}

type OperationFields = Pick<VmAnswer, 'virtualNodesInPlace' | 'failure' | 'surprises' | 'path'>;

const NO_OPERATION: OperationFields = { virtualNodesInPlace: null, failure: null, surprises: [], path: [] };

function lastOperation(vm: VmState): OperationFields {
  const outcome = vm.outcomes.at(-1);
  if (outcome === undefined) return NO_OPERATION;
  const { failure, record } = outcome;
  return {
    virtualNodesInPlace: failure === null ? virtualNodesInPlace(record) : null,
    failure,
    surprises: surprisesOf(record),
    path: record.edgesTaken(),
  };
}

/** The surprises of a run, each once. */
export function surprisesOf(record: FlowRecord): { code: string; text: string }[] {
  return record.surprises().map((code) => ({ code, text: surpriseClause(code) }));
}

function haltedVm(vm: VmState, map: HostMap): VmAnswer {
  return {
    name: vm.spec.name,
    state: vm.power,
    domid: null,
    vcpus: vm.spec.vcpusMax,
    memoryBytes: vm.spec.memoryTargetBytes,
    hard: [],
    soft: [],
    nodeAffinity: [],
    autoNodeAffinity: null,
    pagesByNode: map.nodes.map(() => 0),
    onOneNode: null,
    remotePages: 0,
    meanDistance: null,
    worstDistance: null,
    numa_nodes: 0,
    numa_optimised: false,
    ...lastOperation(vm),
  };
}

function vmAnswer(vm: VmState, domain: MapDomain, figures: DomainFigures): VmAnswer {
  return { name: vm.spec.name, state: vm.power, ...placeAnswer(domain, figures), ...lastOperation(vm) };
}

function placeAnswer(
  domain: MapDomain,
  figures: DomainFigures,
): Omit<VmAnswer, 'name' | 'state' | keyof OperationFields> & { domid: number } {
  const known = domain.pagesUnknown !== true;
  const placed = domain.masksUnknown !== true && domain.poolUnknown !== true;
  return {
    domid: domain.domid,
    vcpus: domain.vcpus.length,
    memoryBytes: known ? figures.totalPages * PAGE_BYTES : null,
    hard: domain.masksUnknown === true ? null : masksOf(domain.vcpus.map((vcpu) => vcpu.hard)),
    soft: domain.masksUnknown === true ? null : masksOf(domain.vcpus.map((vcpu) => vcpu.soft)),
    nodeAffinity: domain.nodeAffinityInferred === true && !placed ? null : [...domain.nodeAffinity],
    autoNodeAffinity: domain.autoNodeAffinity,
    pagesByNode: known ? [...domain.pages] : null,
    onOneNode: known && placed ? figures.onOneNode : null,
    remotePages: known && placed ? figures.remotePages : null,
    meanDistance: placed ? figures.meanDistance : null,
    worstDistance: placed ? figures.worstDistance : null,
    numa_nodes: known ? figures.xenserver.numa_nodes : null,
    numa_optimised: known ? figures.xenserver.numa_optimised : null,
  };
}

/** One entry when all vCPUs have the same mask. */
export function masksOf(masks: readonly (readonly number[])[]): string[] {
  const first = masks[0];
  if (first === undefined) return [];
  const same = masks.every((mask) => mask === first || (mask.length === first.length && mask.every((cpu, index) => cpu === first[index])));
  return same ? [formatList(first)] : masks.map((mask) => formatList(mask));
}

export interface PlanRun {
  readonly settings: ToolstackOptions;
  readonly toolstack: Toolstack;
  readonly warnings: readonly UserWarning[];
}

/** What `plan --json` prints. The page's what-if makes the same answer in a browser. */
export function planAnswer(
  version: string,
  { settings, toolstack, warnings }: PlanRun,
): { readonly answer: PlanAnswer; readonly summary: Summary } {
  const summary = summarise(toolstack);
  const answer: PlanAnswer = {
    command: 'plan',
    version,
    profile: settings.profile,
    policy: settings.policy,
    seed: settings.seed,
    host: summary.host,
    vms: [...summary.vms],
    totals: summary.totals,
    warnings: [...warnings],
  };
  return { answer, summary };
}
