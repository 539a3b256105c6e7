// The path through the chart in one line: the decisions of xenopsd and of the builder, in order.
import type { EdgeId } from '../chart.js';
import type { FlowRecord } from '../record.js';

/** The words for an edge. Edges without a decision have none. */
const WORDS: Readonly<Partial<Record<EdgeId, string>>> = {
  'is_xe_vCPUparams_mask_set? -> set_hard_affinity': 'mask set: yes',
  'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?': 'mask set: no',
  'is_Host.numa_affinity_policy_set? -> has_hard_affinity?': 'placement wanted: yes',
  'is_Host.numa_affinity_policy_set? -> exec_xenguest': 'placement wanted: no',
  'has_hard_affinity? -> exec_xenguest': 'affinity of its own: yes',
  'has_hard_affinity? -> numa_placement': 'affinity of its own: no',
  'numa_placement -> XEN_VCPUAFFINITY_SOFT': 'SOFT calls',
  'exec_xenguest -> stub_xc_hvm_build': 'builder',
  'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD': 'hard affinity key: yes, HARD calls',
  'do_domctl -> is_new_affinity_all_nodes?': 'node affinity set',
  'is_new_affinity_all_nodes? -> enable_auto_node_affinity': 'all nodes: yes, automatic again',
  'is_new_affinity_all_nodes? -> disable_auto_node_affinity': 'all nodes: no, explicit from now on',
};

export function pathSentence(record: FlowRecord): string | null {
  const steps = record.edgesTaken().flatMap((edge) => WORDS[edge] ?? []);
  return steps.length === 0 ? null : `Path through the chart: ${steps.join(' > ')}.`;
}
