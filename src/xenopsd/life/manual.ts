// Manual changes of a running domain: node affinity, pins, moves between CPU pools, and what of
// them people do not expect.
import { InputError } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostDoors } from '../api/host-doors.js';
import { noteLanding, pagesByNode } from '../start/landing.js';

export interface RunningVm {
  readonly doors: HostDoors;
  readonly vm: VmSpec;
  readonly domid: number;
  readonly record: FlowRecord;
}

/** @throws XenError as Xen answers */
export function setNodeAffinityManually({ doors, domid, record }: RunningVm, nodes: readonly number[] | 'all'): void {
  const xc = doors.xc.withFlow(record);
  xc.domainNodeSetAffinity(domid, nodes);
  const stored = xc.domainNodeGetAffinity(domid);
  record.note('node affinity', { domid, asked: nodes === 'all' ? 'all' : [...nodes], stored });
  if (nodes === 'all') return;
  const all = doors.xc.numaInfo().nodes.every((_, node) => nodes.includes(node));
  record.surprise(all ? 'all-nodes-is-not-all' : 'manual-node-affinity', { domid, nodes: [...nodes] });
}

/**
 * @throws InputError when the VM has no such vCPU
 * @throws XenError as Xen answers; the vCPUs before the one refused keep their new masks
 */
export function pinManually(running: RunningVm, vcpu: number | 'all', masks: { hard?: readonly number[]; soft?: readonly number[] }): void {
  const { doors, vm, domid, record } = running;
  if (vcpu !== 'all' && !(Number.isInteger(vcpu) && vcpu >= 0 && vcpu < vm.vcpusMax)) {
    throw new InputError(`VM '${vm.name}' has no vCPU ${vcpu}`, { path: vm.name }, `choose 0 to ${vm.vcpusMax - 1}, or all`);
  }
  const xc = doors.xc.withFlow(record);
  const vcpus = vcpu === 'all' ? Array.from({ length: vm.vcpusMax }, (_, id) => id) : [vcpu];
  for (const id of vcpus) xc.vcpuSetAffinity(domid, id, masks);
  const pages = pagesByNode(doors, domid);
  const nodeAffinity = doors.xc.domainNodeGetAffinity(domid);
  const elsewhere = pages.flatMap((count, node) => (count > 0 && !nodeAffinity.includes(node) ? [node] : []));
  if (elsewhere.length > 0) record.surprise('pin-moves-no-memory', { domid, nodes: elsewhere, pages: [...pages], nodeAffinity });
  else if (vcpus.length < vm.vcpusMax && nodeAffinity.length > 1) record.surprise('one-unrestricted-vcpu', { domid, nodeAffinity });
  noteLanding(doors, vm, domid, record, false);
}

/** @throws XenError as Xen answers */
export function moveToPoolManually({ doors, vm, domid, record }: RunningVm, pool: number): void {
  const { xc } = doors;
  const before = xc.domainNodeGetAffinity(domid);
  xc.withFlow(record).cpupoolMoveDomain(pool, domid);
  const after = xc.domainNodeGetAffinity(domid);
  record.note('pool', { domid, pool, nodeAffinityBefore: before, nodeAffinity: after });
  record.surprise('pool-move-resets-masks', { domid, pool });
  const ofPool = new Set(xc.cpupoolList().find((one) => one.id === pool)!.cpus);
  const nodes = new Set(xc.cpuTopology().flatMap((cpu, id) => (cpu !== null && ofPool.has(id) ? [cpu.node] : [])));
  if (after.some((node) => !nodes.has(node))) record.surprise('manual-node-affinity', { domid, nodes: after });
  noteLanding(doors, vm, domid, record, false);
}
