// A host of a pool in the model's terms: policy, hard affinity of its VMs, and its map as far as
// XAPI reports it.

import { unknownName } from '../base/nearest-word.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Host } from '../machine/model.js';
import type { VmSpec } from '../machine/vm.js';
import { type HostMap, type MapDomain, unclaimedNodes } from '../map/host-map.js';
import type { PoolVm } from '../xapi-client/pool.js';
import { POLICIES, type PolicyName } from '../xenopsd/api/profiles.js';
import { hardMasks } from '../xenopsd/start/mask.js';
import type { PoolAccess } from './access.js';

/** Host.numa_affinity_policy; hosts older than the field never place a VM by themselves. */
export function poolPolicy(policy: string | null): PolicyName {
  if (policy === null) return 'any';
  return POLICIES.find((one) => one === policy) ?? 'default_policy';
}

/** The hard affinity that xapi derives from the masks, by vCPU; null = every CPU. */
export function hardOf(spec: VmSpec, hostMask: string | null, cpuCount: number): readonly (readonly number[])[] | null {
  return hardMasks({ vm: spec.vcpusParams.mask, host: hostMask ?? undefined }, spec.vcpusMax, cpuCount);
}

/**
 * The host as a map. XAPI does not report soft affinity, so it is shown as every CPU. Memory by
 * node is known for the VMs whose metrics have it.
 */
export function mapOfPool(access: PoolAccess): { map: HostMap; notes: string[] } {
  const { host, record, running } = access;
  const width = Math.max(-1, ...host.cpus.map((cpu) => cpu.id)) + 1;
  const all = host.cpus.map((cpu) => cpu.id);
  const cpus = Array.from({ length: width }, (_, id) => {
    const cpu = host.cpus.find((one) => one.id === id);
    return cpu === undefined ? null : { id, node: cpu.node, core: cpu.core ?? id, socket: cpu.socket ?? 0, online: true, pool: 0 };
  });
  const ordered = running.map((vm, index) => ({ vm, domid: vm.domid ?? 1_000_000 + index })).sort((a, b) => a.domid - b.domid);
  const domains = ordered.map(({ vm, domid }): MapDomain => {
    const hard = hardOf(vm.spec, record.mask, width);
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
  const unknown = running.filter((vm) => vm.numa === null).length;
  return {
    map: {
      name: record.name,
      hypervisor: 'Xen, over XAPI',
      nodes: unclaimedNodes(host),
      cpus,
      distances: host.distances,
      domains,
    },
    notes: [
      ...host.notes,
      ...(running.length === 0 ? [] : ['XAPI does not report soft affinity: it is shown as every CPU']),
      ...(unknown === 0 ? [] : [`XAPI does not report memory by node for ${unknown} VM${unknown === 1 ? '' : 's'}`]),
    ],
  };
}

/** Nodes of these CPUs, ascending. */
export function nodesOf(host: Host, cpus: readonly number[]): number[] {
  const wanted = new Set(cpus);
  return [...new Set(host.cpus.filter((cpu) => wanted.has(cpu.id)).map((cpu) => cpu.node))].sort((a, b) => a - b);
}

/** Guests of the pool by name or uuid. @throws InputError for an unknown one */
export function namedVms(vms: readonly PoolVm[], names: readonly string[]): PoolVm[] {
  return names.map((name) => {
    const found = vms.find((vm) => vm.spec.name === name || vm.uuid === name);
    if (found === undefined) {
      throw unknownName(
        'VM',
        name,
        vms.map((vm) => vm.spec.name),
        'the pool has none',
      );
    }
    return found;
  });
}
