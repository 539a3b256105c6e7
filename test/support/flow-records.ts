// Runs made by hand for the tests of the renderings. Box of the chart: all of them.
import { FlowRecord } from '../../src/flow/record.js';

/** The end of every affinity call: do_domctl to the node affinity. */
function intoXen(
  record: FlowRecord,
  vcpu: number,
  kind: 'soft' | 'hard',
  mask: readonly number[],
  nodes: readonly number[],
  inferred: boolean,
): void {
  record.node('do_domctl', { cmd: 'XEN_DOMCTL_setvcpuaffinity' });
  record.edge('do_domctl -> vcpu_set_affinity', inferred);
  record.node('vcpu_set_affinity', { vcpu, [kind]: mask });
  record.edge('vcpu_set_affinity -> domain_update_node_aff', inferred);
  record.node('domain_update_node_aff');
  record.edge('domain_update_node_aff -> check_auto_node', inferred);
  record.node('check_auto_node', { auto_node_affinity: true });
  record.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities', inferred);
  record.node('set_node_affinity_from_vcpu_affinities', { nodes });
  record.edge('set_node_affinity_from_vcpu_affinities -> domain_node_affinity', inferred);
  record.node('domain_node_affinity', { nodes });
}

function xenguest(record: FlowRecord, vcpus: number, mask: readonly number[], nodes: readonly number[], inferred: boolean): void {
  record.node('exec_xenguest', { domid: 7 });
  record.edge('exec_xenguest -> stub_xc_hvm_build');
  record.node('stub_xc_hvm_build');
  record.edge('stub_xc_hvm_build -> configure_vcpus');
  record.node('configure_vcpus', { vcpus });
  record.edge('configure_vcpus -> set_hard_affinity?');
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    record.node('set_hard_affinity?', { path: `/local/domain/7/platform/vcpu/${vcpu}/affinity` });
    record.edge('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD');
    record.node('XEN_VCPUAFFINITY_HARD', { vcpu, cpus: mask });
    record.edge('XEN_VCPUAFFINITY_HARD -> do_domctl');
    intoXen(record, vcpu, 'hard', mask, nodes, inferred);
  }
  record.note('memory populated', { pages: [0, 0, 1048576, 0], order: '1 GiB, then 2 MiB' });
}

/** best_effort places a VM without a mask on node 2 of 4. */
export function placedRun(vcpus = 4, inferred = false, title = 'Start of web-1: 4 vCPUs, 4 GiB, best_effort'): FlowRecord {
  const record = new FlowRecord(title);
  record.node('is_xe_vCPUparams_mask_set?', { mask: '' });
  record.edge('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
  record.node('is_Host.numa_affinity_policy_set?', { policy: 'best_effort' });
  record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
  record.node('has_hard_affinity?', { affinity: [] });
  record.edge('has_hard_affinity? -> numa_placement');
  record.node('numa_placement', { nodes: [2], memory: '4 GiB' });
  record.surprise('ratchet', { node: 2, free: '60 GiB', known: '40 GiB' });
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    record.edge('numa_placement -> XEN_VCPUAFFINITY_SOFT');
    record.node('XEN_VCPUAFFINITY_SOFT', { vcpu, cpus: [16, 17, 18, 19] });
    record.edge('XEN_VCPUAFFINITY_SOFT -> do_domctl');
    intoXen(record, vcpu, 'soft', [16, 17, 18, 19], [2], inferred);
  }
  record.edge('numa_placement -> exec_xenguest');
  xenguest(record, vcpus, [0, 1, 2, 3], [2], inferred);
  return record;
}

/** A mask given: hard affinity through XenStore, no placement. */
export function maskedRun(title = 'Start of pinned: mask 1,2,3'): FlowRecord {
  const record = new FlowRecord(title);
  record.node('is_xe_vCPUparams_mask_set?', { mask: '1,2,3' });
  record.edge('is_xe_vCPUparams_mask_set? -> set_hard_affinity');
  record.node('set_hard_affinity', { vcpus: 2 });
  record.edge('set_hard_affinity -> is_Host.numa_affinity_policy_set?');
  record.node('is_Host.numa_affinity_policy_set?', { policy: 'best_effort' });
  record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
  record.node('has_hard_affinity?', { affinity: [[1, 2, 3]] });
  record.edge('has_hard_affinity? -> exec_xenguest');
  xenguest(record, 2, [1, 2, 3], [0], false);
  return record;
}
