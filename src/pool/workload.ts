// A host of a pool as the commands need it: its VMs as a workload, its own settings unless others are given, its map as far as XAPI
// tells it.
import type { Command } from 'commander';
import { InputError } from '../base/errors.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Origin, readVms } from '../cli/input/open-host.js';
import type { WorkloadOptions } from '../cli/input/workload-options.js';
import type { Host } from '../machine/model.js';
import type { VmSpec } from '../machine/vm.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import type { PoolVm } from '../xapi-client/pool.js';
import { POLICIES, type PolicyName } from '../xenopsd/api/profiles.js';
import { hardMasks } from '../xenopsd/start/mask.js';
import type { PoolAccess } from './access.js';

/** The host's own policy and mask, unless the command line says otherwise. */
export function poolSettings<T extends WorkloadOptions>(options: T, command: Command, { told }: PoolAccess): T {
  const given = command.getOptionValueSource('policy') === 'cli';
  return {
    ...options,
    policy: given ? options.policy : poolPolicy(told.policy),
    ...(options.hostMask === undefined && told.mask !== null ? { hostMask: told.mask } : {}),
  };
}

export function poolPolicy(told: string | null): PolicyName {
  return POLICIES.find((policy) => policy === told) ?? 'default_policy';
}

export const originOf = (host: Host): Origin => ({ host, live: null });

/** Those of --vms, else the guests of the pool that are off. */
export function poolVms(options: Pick<WorkloadOptions, 'vms'>, { halted, host, view }: PoolAccess): readonly VmSpec[] {
  if (options.vms !== undefined) return readVms(options.vms, host);
  if (halted.length === 0) {
    throw new InputError(
      `no VM of the pool '${view.name}' is off`,
      { path: '--pool' },
      'describe VMs with --vms FILE, or see xennuma verify',
    );
  }
  return halted.map(({ spec }) => spec);
}

/** The host as it would be with no guest on it: only what is neither free nor a guest's stays in use, shared over the nodes. */
export function emptied({ host, told, running }: PoolAccess): Host {
  const guests = running.reduce((sum, { spec }) => sum + spec.memoryTargetBytes, 0);
  const reserved = Math.max(0, told.memoryTotalBytes - told.memoryFreeBytes - guests);
  const share = told.memoryTotalBytes > 0 ? reserved / told.memoryTotalBytes : 0;
  return {
    ...host,
    nodes: host.nodes.map((node) => ({
      ...node,
      freeBytes: Math.floor((node.memoryBytes * (1 - share)) / PAGE_BYTES) * PAGE_BYTES,
    })),
  };
}

/** The hard affinity that xapi makes of the masks, by vCPU; null = every CPU. */
export function hardOf(spec: VmSpec, hostMask: string | null, cpuCount: number): readonly (readonly number[])[] | null {
  return hardMasks({ vm: spec.vcpusParams.mask, host: hostMask ?? undefined }, spec.vcpusMax, cpuCount);
}

/**
 * What XAPI tells of the host as a map. Soft affinity it does not tell: it is shown as every CPU. Memory by node is there for the VMs
 * whose metrics have it.
 */
export function mapOfPool(access: PoolAccess): { map: HostMap; notes: string[] } {
  const { host, told, running } = access;
  const width = Math.max(-1, ...host.cpus.map((cpu) => cpu.id)) + 1;
  const all = host.cpus.map((cpu) => cpu.id);
  const cpus = Array.from({ length: width }, (_, id) => {
    const cpu = host.cpus.find((one) => one.id === id);
    return cpu === undefined ? null : { id, node: cpu.node, core: cpu.core ?? id, socket: cpu.socket ?? 0, online: true, pool: 0 };
  });
  const ordered = running.map((vm, index) => ({ vm, domid: vm.domid ?? 1_000_000 + index })).sort((a, b) => a.domid - b.domid);
  const domains = ordered.map(({ vm, domid }): MapDomain => {
    const hard = hardOf(vm.spec, told.mask, width);
    return {
      domid,
      name: vm.spec.name,
      kind: vm.spec.kind,
      state: vm.power === 'Paused' ? 'paused' : 'running',
      pool: 0,
      vcpus: Array.from({ length: vm.spec.vcpusMax }, (_, id) => ({
        id,
        online: id < vm.spec.vcpusAtStartup,
        hard: hard === null ? all : hard[id]!,
        soft: all,
      })),
      nodeAffinity: nodesOf(host, hard === null ? all : hard.flat()),
      autoNodeAffinity: null,
      pages: host.nodes.map((_, node) => Math.floor((vm.numa?.memoryBytes.get(node) ?? 0) / PAGE_BYTES)),
    };
  });
  const untold = running.filter((vm) => vm.numa === null).length;
  return {
    map: {
      name: told.name,
      hypervisor: 'Xen, by XAPI',
      nodes: host.nodes.map((node, id) => ({
        id,
        memoryBytes: node.memoryBytes,
        freePages: Math.floor(node.freeBytes / PAGE_BYTES),
        claimedPages: 0,
      })),
      cpus,
      distances: host.distances,
      domains,
    },
    notes: [
      ...host.notes,
      ...(running.length === 0 ? [] : ['XAPI does not tell soft affinity: it is shown as every CPU']),
      ...(untold === 0 ? [] : [`XAPI does not tell on which nodes the memory of ${untold} VM${untold === 1 ? ' is' : 's is'}`]),
    ],
  };
}

/** Nodes of these CPUs, ascending. */
export function nodesOf(host: Host, cpus: readonly number[]): number[] {
  const wanted = new Set(cpus);
  return [...new Set(host.cpus.filter((cpu) => wanted.has(cpu.id)).map((cpu) => cpu.node))].sort((a, b) => a - b);
}

/** Guests of the pool by name or uuid. @throws InputError for one that is not there */
export function namedVms(vms: readonly PoolVm[], names: readonly string[]): PoolVm[] {
  return names.map((name) => {
    const found = vms.find((vm) => vm.spec.name === name || vm.uuid === name);
    if (found === undefined) {
      throw new InputError(
        `there is no VM '${name}'`,
        {},
        `it knows ${
          vms
            .map((vm) => vm.spec.name)
            .join(', ')
            .slice(0, 300) || 'none'
        }`,
      );
    }
    return found;
  });
}
