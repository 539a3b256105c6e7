// The node affinity of a domain, derived from its vCPUs' masks (xen/common/sched/core.c:1809-1876).
// Boxes of the chart: `domain_update_node_aff`, `check_auto_node`,
// `set_node_affinity_from_vcpu_affinities`, `domain_node_affinity`.
import type { Bitset } from '../../base/bitset.js';
import { NO_FLOW } from '../../flow/record.js';
import type { Domain } from '../state/domain.js';
import type { XenState } from '../state/xen-state.js';

/**
 * Unions over all vCPUs, so one unrestricted vCPU makes an automatic domain span every node of its
 * pool. Nothing happens before the domain has vCPUs.
 */
export function domainUpdateNodeAffinity(xen: XenState, domain: Domain): void {
  const { flow } = xen;
  const recorded = flow !== NO_FLOW;
  if (recorded) flow.node('domain_update_node_aff', { domid: domain.id, vcpus: domain.vcpus.length });
  if (domain.vcpus.length === 0) return;
  if (recorded) {
    flow.edge('domain_update_node_aff -> check_auto_node');
    flow.node('check_auto_node', { domid: domain.id, auto: domain.autoNodeAffinity });
  }
  if (!domain.autoNodeAffinity) return;
  const before = recorded ? domain.nodeAffinity.toString() : '';
  nodesOfVcpus(xen, domain, domain.nodeAffinity);
  if (!recorded) return;
  const nodeAffinity = domain.nodeAffinity.toString();
  flow.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities');
  flow.node('set_node_affinity_from_vcpu_affinities', {
    domid: domain.id,
    hardUnion: xen.scratch.hardUnion.toString(),
    softUnion: xen.scratch.softUnion.toString(),
    decidedBy: xen.scratch.softUnion.isEmpty ? 'hard' : 'soft',
    nodeAffinity,
  });
  flow.edge('set_node_affinity_from_vcpu_affinities -> domain_node_affinity');
  flow.node('domain_node_affinity', { domid: domain.id, before, after: nodeAffinity, auto: true });
}

/**
 * The union rule by itself: `into` = nodes of the soft union within the hard one, or of the hard
 * union when that is empty.
 */
export function nodesOfVcpus(xen: XenState, domain: Domain, into: Bitset): void {
  const { hardUnion, softUnion } = xen.scratch;
  const hard = hardUnion.words.fill(0);
  const soft = softUnion.words.fill(0);
  const pool = domain.pool.cpus.words;
  for (const vcpu of domain.vcpus) {
    const hardOfVcpu = vcpu.hard.words;
    const softOfVcpu = vcpu.soft.words;
    for (let i = 0; i < hard.length; i++) {
      hard[i]! |= hardOfVcpu[i]!;
      soft[i]! |= softOfVcpu[i]!;
    }
  }
  let softEmpty = true;
  for (let i = 0; i < hard.length; i++) {
    hard[i]! &= pool[i]!;
    soft[i]! &= hard[i]!;
    if (soft[i] !== 0) softEmpty = false;
  }
  nodesOf(xen, softEmpty ? hard : soft, into);
}

function nodesOf(xen: XenState, cpus: Uint32Array, into: Bitset): void {
  const nodes = into.words.fill(0);
  const { nodeOfCpu } = xen;
  for (let i = 0; i < cpus.length; i++) {
    for (let word = cpus[i]!; word !== 0; word &= word - 1) {
      const node = nodeOfCpu[i * 32 + 31 - Math.clz32(word & -word)]!;
      nodes[node >>> 5]! |= 1 << (node & 31);
    }
  }
}
