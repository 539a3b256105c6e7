// The chart as data: "Flowchart of the use of xc_vcpu_setaffinity() by xenopsd". 21 nodes, 28
// edges, 6 subgraphs. Ids are those of the chart; labels are our own. Every step of a run names one
// of these nodes, so no step is off the chart.

export const SUBGRAPHS = [
  { id: 'VM.create', label: 'xenopsd VM.create', parent: null },
  { id: 'VM.build', label: 'xenopsd VM.build', parent: null },
  { id: 'xenguest', label: 'xenguest, the domain builder', parent: null },
  { id: 'xen', label: 'Xen hypervisor', parent: null },
  { id: 'domain_update_node_affinity', label: 'domain_update_node_affinity()', parent: 'xen' },
  { id: 'domain_set_node_affinity', label: 'domain_set_node_affinity()', parent: 'xen' },
] as const;

export type SubgraphId = (typeof SUBGRAPHS)[number]['id'];

const XAPI = 'https://github.com/xapi-project/xen-api/blob/90ef043c1f3a3bc20f1c5d3ccaaf6affadc07983/ocaml';
const XEN = 'https://github.com/xen-project/xen/blob/7cf163879';
const XENGUEST = 'https://github.com/xenserver/xen.pg/blob/65c0438b/patches/xenguest.patch';

/**
 * A node: its box (subgraph), whether it is a decision, our own label, and the real source (null:
 * the chart links none).
 */
export const NODES = [
  node('is_xe_vCPUparams_mask_set?', 'VM.create', true, 'Is VCPUs-params:mask set for the VM?', `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`),
  node('set_hard_affinity', 'VM.create', false, 'Write the hard affinity of each vCPU to XenStore', `${XAPI}/xenopsd/xc/domain.ml#L502`),
  node(
    'is_Host.numa_affinity_policy_set?',
    'VM.build',
    true,
    "What is the host's NUMA affinity policy?",
    `${XAPI}/xenopsd/xc/domain.ml#L951-L962`,
  ),
  node('has_hard_affinity?', 'VM.build', true, 'Does the VM have a hard affinity already?', `${XAPI}/xenopsd/xc/domain.ml#L951-L962`),
  node('numa_placement', 'VM.build', false, 'NUMA placement: choose nodes for the VM', `${XAPI}/xenopsd/xc/domain.ml#L862-L897`),
  node('exec_xenguest', 'xenguest', false, 'Start xenguest', null),
  node('stub_xc_hvm_build', 'xenguest', false, 'stub_xc_hvm_build(): build the guest', `${XENGUEST}#L2329-L2436`),
  node('configure_vcpus', 'xenguest', false, 'configure_vcpus(): settings of each vCPU', `${XENGUEST}#L1297-L1348`),
  node('set_hard_affinity?', 'xenguest', true, 'Is the hard affinity key of the vCPU in XenStore?', `${XENGUEST}#L1305-L1326`),
  node('XEN_VCPUAFFINITY_SOFT', null, false, 'xc_vcpu_setaffinity(SOFT)', `${XEN}/tools/libs/ctrl/xc_domain.c#L199-L250`),
  node('XEN_VCPUAFFINITY_HARD', null, false, 'xc_vcpu_setaffinity(HARD)', `${XEN}/tools/libs/ctrl/xc_domain.c#L199-L250`),
  node('xc_domain_node_setaffinity', null, false, 'xc_domain_node_setaffinity() and _getaffinity()', null),
  node('do_domctl', 'xen', true, 'do_domctl(): which command?', `${XEN}/xen/common/domctl.c#L282-L894`),
  node('vcpu_set_affinity', 'xen', false, "vcpu_set_affinity(): store the vCPU's mask", `${XEN}/xen/common/sched/core.c#L1353-L1393`),
  node(
    'domain_update_node_aff',
    'domain_update_node_affinity',
    false,
    'domain_update_node_aff(): derive the nodes again',
    `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  ),
  node(
    'check_auto_node',
    'domain_update_node_affinity',
    true,
    'Is auto_node_affinity on for the domain?',
    `${XEN}/xen/common/sched/core.c#L1840-L1870`,
  ),
  node(
    'set_node_affinity_from_vcpu_affinities',
    'domain_update_node_affinity',
    false,
    'Node affinity = nodes of the union of the vCPU masks',
    `${XEN}/xen/common/sched/core.c#L1867-L1869`,
  ),
  node(
    'is_new_affinity_all_nodes?',
    'domain_set_node_affinity',
    true,
    'Does the new node affinity name every node?',
    `${XEN}/xen/common/domain.c#L943-L970`,
  ),
  node('enable_auto_node_affinity', 'domain_set_node_affinity', false, 'auto_node_affinity = 1', `${XEN}/xen/common/domain.c#L943-L970`),
  node('disable_auto_node_affinity', 'domain_set_node_affinity', false, 'auto_node_affinity = 0', `${XEN}/xen/common/domain.c#L943-L970`),
  node('domain_node_affinity', 'xen', false, "The domain's node affinity: its memory comes from these nodes", null),
] as const;

function node<const Id extends string>(id: Id, subgraph: SubgraphId | null, decision: boolean, label: string, source: string | null) {
  return { id, subgraph, decision, label, source } as const;
}

export type NodeId = (typeof NODES)[number]['id'];

/**
 * An edge: `label` is empty where the chart's is; `thick` = the usual way; `both` = drawn with two
 * heads.
 */
export const EDGES = [
  edge('is_xe_vCPUparams_mask_set?', 'set_hard_affinity', 'yes'),
  edge('set_hard_affinity', 'is_Host.numa_affinity_policy_set?', ''),
  edge('is_xe_vCPUparams_mask_set?', 'is_Host.numa_affinity_policy_set?', 'no', { thick: true }),
  edge('is_Host.numa_affinity_policy_set?', 'has_hard_affinity?', 'best_effort'),
  edge('has_hard_affinity?', 'exec_xenguest', 'yes'),
  edge('has_hard_affinity?', 'numa_placement', 'no'),
  edge('numa_placement', 'exec_xenguest', ''),
  edge('is_Host.numa_affinity_policy_set?', 'exec_xenguest', 'off', { thick: true }),
  edge('exec_xenguest', 'stub_xc_hvm_build', '', { thick: true }),
  edge('stub_xc_hvm_build', 'configure_vcpus', '', { thick: true }),
  edge('configure_vcpus', 'set_hard_affinity?', '', { thick: true }),
  edge('numa_placement', 'XEN_VCPUAFFINITY_SOFT', 'the placement as soft affinity'),
  edge('XEN_VCPUAFFINITY_SOFT', 'do_domctl', '', { thick: true }),
  edge('set_hard_affinity?', 'XEN_VCPUAFFINITY_HARD', 'yes'),
  edge('XEN_VCPUAFFINITY_HARD', 'do_domctl', ''),
  edge('xc_domain_node_setaffinity', 'do_domctl', '', { both: true }),
  edge('domain_update_node_aff', 'check_auto_node', '', { thick: true }),
  edge('check_auto_node', 'set_node_affinity_from_vcpu_affinities', 'yes, the default', { thick: true }),
  edge('do_domctl', 'vcpu_set_affinity', 'XEN_DOMCTL_setvcpuaffinity', { thick: true }),
  edge('vcpu_set_affinity', 'domain_update_node_aff', '', { thick: true }),
  edge('do_domctl', 'is_new_affinity_all_nodes?', 'XEN_DOMCTL_setnodeaffinity'),
  edge('is_new_affinity_all_nodes?', 'enable_auto_node_affinity', 'all'),
  edge('enable_auto_node_affinity', 'domain_update_node_aff', ''),
  edge('is_new_affinity_all_nodes?', 'disable_auto_node_affinity', 'not all'),
  edge('disable_auto_node_affinity', 'domain_update_node_aff', ''),
  edge('disable_auto_node_affinity', 'domain_node_affinity', 'node_affinity = the new one'),
  edge('set_node_affinity_from_vcpu_affinities', 'domain_node_affinity', '', { thick: true }),
  edge('domain_node_affinity', 'do_domctl', 'XEN_DOMCTL_getnodeaffinity'),
] as const;

function edge<const From extends NodeId, const To extends NodeId>(
  from: From,
  to: To,
  label: string,
  style: { thick?: true; both?: true } = {},
) {
  return { id: `${from} -> ${to}` as const, from, to, label, thick: style.thick === true, both: style.both === true } as const;
}

export type EdgeId = (typeof EDGES)[number]['id'];
