// Hand-made runs for the tests of the renderings and of explain: domain 7 on a host of four nodes
// with 8 CPUs each.
import { formatList } from '../../src/base/bitset.js';
import { FlowRecord, type NodeValues, type NoteValues } from '../../src/flow/record.js';

const DOMID = 7;
const GIB = 2 ** 30;

/** A placement of one vCPU and 1 GiB on two equal nodes. */
export function placement(
  change: Partial<Extract<NodeValues['numa_placement'], { numa: true }>> = {},
): Extract<NodeValues['numa_placement'], { numa: true }> {
  return {
    domid: DOMID,
    numa: true,
    vcpus: 1,
    cores: 0,
    memoryBytes: GIB,
    freeBytes: [4 * GIB, 4 * GIB],
    claimedBytes: [0, 0],
    availableBytes: [4 * GIB, 4 * GIB],
    usageBefore: [0, 0],
    weighed: [],
    nodes: [1],
    cpus: '8-15',
    ...change,
  };
}

/** One vCPU on node 0 and 1 GiB there. */
export function landingNote(change: Partial<NoteValues['landed']> = {}): NoteValues['landed'] {
  return {
    domid: DOMID,
    pages: [262_144, 0, 0],
    nodeAffinity: [0],
    vcpus: [{ vcpu: 0, hard: '0-15', soft: '0-3', nodes: [0] }],
    freePages: [0, 0, 0],
    ...change,
  };
}

/** A call of xc_vcpu_setaffinity that Xen accepted unchanged. */
export function affinityCall(vcpu: number, requested: string, change: Partial<NodeValues['XEN_VCPUAFFINITY_HARD']> = {}) {
  return { domid: DOMID, vcpu, requested, effective: requested, force: false, ...change };
}

/** The end of every affinity call: do_domctl to the node affinity. */
function intoXen(record: FlowRecord, vcpu: number, kind: 'soft' | 'hard', mask: string, nodes: string, unseen: boolean): void {
  const inferred = unseen ? { inferred: true as const } : {};
  record.node('do_domctl', { domid: DOMID, cmd: 9, command: 'setvcpuaffinity', ...inferred });
  record.edge('do_domctl -> vcpu_set_affinity', unseen);
  const [hard, soft] = kind === 'hard' ? [mask, '0-31'] : ['0-31', mask];
  record.node('vcpu_set_affinity', { domid: DOMID, vcpu, kind, requested: mask, hard, soft, pinned: false, ...inferred });
  record.edge('vcpu_set_affinity -> domain_update_node_aff', unseen);
  record.node('domain_update_node_aff', { domid: DOMID, vcpus: 4, ...inferred });
  record.edge('domain_update_node_aff -> check_auto_node', unseen);
  record.node('check_auto_node', { domid: DOMID, auto: true, ...inferred });
  record.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities', unseen);
  record.node('set_node_affinity_from_vcpu_affinities', { domid: DOMID, nodeAffinity: nodes, ...inferred });
  record.edge('set_node_affinity_from_vcpu_affinities -> domain_node_affinity', unseen);
  record.node('domain_node_affinity', { domid: DOMID, before: '0-3', after: nodes, auto: true, ...inferred });
}

function xenguest(record: FlowRecord, vcpus: number, mask: readonly number[], nodes: string, unseen: boolean): void {
  record.node('exec_xenguest', {
    mode: 'pvh_build',
    domid: DOMID,
    image: '/boot/vmlinuz',
    memMaxMib: 4096,
    memStartMib: 4096,
    memPnode: null,
  });
  record.edge('exec_xenguest -> stub_xc_hvm_build');
  record.node('stub_xc_hvm_build', { domid: DOMID, kind: 'pvh', memMaxMib: 4096, memStartMib: 4096 });
  record.edge('stub_xc_hvm_build -> configure_vcpus');
  record.node('configure_vcpus', { vcpus, weight: 256, cap: 0 });
  record.edge('configure_vcpus -> set_hard_affinity?');
  const affinity = Array.from({ length: 32 }, (_, cpu) => (mask.includes(cpu) ? '1' : '0')).join('');
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    record.node('set_hard_affinity?', { vcpu, affinity });
    record.edge('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD');
    record.node('XEN_VCPUAFFINITY_HARD', affinityCall(vcpu, formatList([...mask])));
    record.edge('XEN_VCPUAFFINITY_HARD -> do_domctl');
    intoXen(record, vcpu, 'hard', formatList([...mask]), nodes, unseen);
  }
  const pagesByNode = [0, 0, 1_048_576, 0];
  const counts = { gib: 3, mib2: 512, kib4: 0 };
  record.note('populated', { domid: DOMID, pages: 1_048_576, pagesByNode, nodeAffinity: nodes, counts, onDemand: false, specialPages: 8 });
}

/** best_effort places a VM without a mask on node 2 of 4. */
export function placedRun(vcpus = 4, unseen = false, title = 'Start of web-1: 4 vCPUs, 4 GiB, best_effort'): FlowRecord {
  const record = new FlowRecord(title);
  record.node('is_xe_vCPUparams_mask_set?', { mask: null, hostMask: null, set: false, affinity: [] });
  record.edge('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
  record.node('is_Host.numa_affinity_policy_set?', { policy: 'best_effort', means: 'best_effort', profile: 'xapi-25.6' });
  record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
  record.node('has_hard_affinity?', { hardAffinity: false });
  record.edge('has_hard_affinity? -> numa_placement');
  record.node('numa_placement', placement({ vcpus, memoryBytes: 4 * GIB, nodes: [2], cpus: '16-19' }));
  record.surprise('ratchet', { domid: DOMID, nodes: [{ node: 2, freeBytes: 60 * GIB, seenBytes: 40 * GIB }] });
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    record.edge('numa_placement -> XEN_VCPUAFFINITY_SOFT');
    record.node('XEN_VCPUAFFINITY_SOFT', affinityCall(vcpu, '16-19'));
    record.edge('XEN_VCPUAFFINITY_SOFT -> do_domctl');
    intoXen(record, vcpu, 'soft', '16-19', '2', unseen);
  }
  record.edge('numa_placement -> exec_xenguest');
  xenguest(record, vcpus, [0, 1, 2, 3], '2', unseen);
  return record;
}

/** A mask given: hard affinity through XenStore, no placement. */
export function maskedRun(title = 'Start of pinned: mask 1,2,3'): FlowRecord {
  const record = new FlowRecord(title);
  record.node('is_xe_vCPUparams_mask_set?', { mask: '1,2,3', hostMask: null, set: true, affinity: [[1, 2, 3]] });
  record.edge('is_xe_vCPUparams_mask_set? -> set_hard_affinity');
  record.node('set_hard_affinity', { where: 'XenStore', masks: ['1-3', '1-3'], source: 'VM' });
  record.edge('set_hard_affinity -> is_Host.numa_affinity_policy_set?');
  record.node('is_Host.numa_affinity_policy_set?', { policy: 'best_effort', means: 'best_effort', profile: 'xapi-25.6' });
  record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
  record.node('has_hard_affinity?', { hardAffinity: true });
  record.edge('has_hard_affinity? -> exec_xenguest');
  xenguest(record, 2, [1, 2, 3], '0', false);
  return record;
}
