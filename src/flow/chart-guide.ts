// The guide to each box and edge of the chart: its action, the real source, the file here that
// implements it, and the test that covers it. docs/flowchart.md is generated from it. A test checks
// that each file named here names the box or edge too.
import { type EdgeId, NODES, type NodeId } from './chart.js';

export interface GuideEntry {
  readonly what: string;
  /** A link with commit and lines. */
  readonly source: string;
  /** Path from the project's root. */
  readonly file: string;
  /** A test that covers it, as a path from the project's root. */
  readonly test: string;
}

const XEN = 'https://github.com/xen-project/xen/blob/7cf163879';
const XEN_API = 'https://github.com/xapi-project/xen-api/blob/90ef043c1f3a3bc20f1c5d3ccaaf6affadc07983/ocaml';

/** Boxes that the chart itself links to no source. */
const SOURCES: Readonly<Partial<Record<NodeId, string>>> = {
  exec_xenguest: `${XEN_API}/xenopsd/xc/domain.ml#L1041-L1043`,
  xc_domain_node_setaffinity: `${XEN}/tools/libs/ctrl/xc_domain.c#L122-L197`,
  domain_node_affinity: `${XEN}/xen/include/xen/sched.h#L602`,
};
const sourceOf = (id: NodeId): string => NODES.find((node) => node.id === id)?.source ?? SOURCES[id] ?? '';

const VM_CREATE = 'src/xenopsd/start/vm-create.ts';
const VM_BUILD = 'src/xenopsd/start/vm-build.ts';
const PLACEMENT = 'src/xenopsd/start/numa-placement.ts';
const BUILDER = 'src/xenguest/embedded.ts';
const CONFIGURE = 'src/xenguest/configure-vcpus.ts';
const CALLS = 'src/xenctrl/flow/flow-calls.ts';
const DOMCTL = 'src/xen/ops/do-domctl.ts';
const VCPU_AFFINITY = 'src/xen/ops/vcpu-set-affinity.ts';
const UPDATE = 'src/xen/ops/domain-update-node-affinity.ts';
const SET_NODES = 'src/xen/ops/domain-set-node-affinity.ts';

const WAYS_TEST = 'src/xenopsd/start/chart.test.ts';
const BUILDER_TEST = 'src/xenguest/embedded.test.ts';
const CALLS_TEST = 'test/support/xenctrl-contract.ts';

const box = (id: NodeId, what: string, file: string, test = WAYS_TEST): GuideEntry => ({ what, source: sourceOf(id), file, test });

export const NODE_GUIDE: Readonly<Record<NodeId, GuideEntry>> = {
  'is_xe_vCPUparams_mask_set?': box(
    'is_xe_vCPUparams_mask_set?',
    "xapi parses `VCPUs-params:mask` of the VM and the host's mask, and passes one affinity list to xenopsd. An invalid item makes the whole mask count as not set.",
    VM_CREATE,
  ),
  set_hard_affinity: box(
    'set_hard_affinity',
    'xenopsd writes `platform/vcpu/<vCPU>/affinity` for each vCPU, a string of 0 and 1 with one character for each CPU of the host.',
    VM_CREATE,
  ),
  'is_Host.numa_affinity_policy_set?': box(
    'is_Host.numa_affinity_policy_set?',
    "The host's NUMA policy decides whether VMs are placed at all. What `default_policy` means depends on the version.",
    VM_BUILD,
  ),
  'has_hard_affinity?': box(
    'has_hard_affinity?',
    "A VM whose affinity list is not empty is not placed. The list comes from the VM's metadata, not from XenStore.",
    VM_BUILD,
  ),
  numa_placement: box(
    'numa_placement',
    'The planner chooses the nodes, and all vCPUs get the CPUs of these nodes as soft affinity.',
    PLACEMENT,
    'src/xenopsd/start/paths.test.ts',
  ),
  exec_xenguest: box(
    'exec_xenguest',
    'xenopsd starts the domain builder and waits for its result on a control file descriptor.',
    'src/xenguest/process.ts',
    'src/xenguest/process.test.ts',
  ),
  stub_xc_hvm_build: box(
    'stub_xc_hvm_build',
    'The builder reads its settings from XenStore, configures the vCPUs, then populates the memory.',
    BUILDER,
    BUILDER_TEST,
  ),
  configure_vcpus: box(
    'configure_vcpus',
    'Affinity, weight and cap of each vCPU, before any memory is populated.',
    CONFIGURE,
    BUILDER_TEST,
  ),
  'set_hard_affinity?': box(
    'set_hard_affinity?',
    'Is there an affinity key for this vCPU? Without one, the vCPU is left alone.',
    CONFIGURE,
    BUILDER_TEST,
  ),
  XEN_VCPUAFFINITY_SOFT: box(
    'XEN_VCPUAFFINITY_SOFT',
    'libxenctrl makes the hypercall with the soft mask; Xen answers with the effective one.',
    CALLS,
    CALLS_TEST,
  ),
  XEN_VCPUAFFINITY_HARD: box(
    'XEN_VCPUAFFINITY_HARD',
    'libxenctrl makes the hypercall with the hard mask; Xen refuses one without a CPU of the pool (EINVAL).',
    CALLS,
    CALLS_TEST,
  ),
  xc_domain_node_setaffinity: box(
    'xc_domain_node_setaffinity',
    'libxenctrl sets or reads the node affinity of a domain. xenopsd does not use it; libxl does.',
    CALLS,
    CALLS_TEST,
  ),
  do_domctl: box('do_domctl', 'Xen checks the interface version and the domain, then dispatches on the command.', DOMCTL),
  vcpu_set_affinity: box(
    'vcpu_set_affinity',
    'Xen stores the mask as given, then derives the node affinity again.',
    VCPU_AFFINITY,
    CALLS_TEST,
  ),
  domain_update_node_aff: box(
    'domain_update_node_aff',
    'Entry of the derivation: after each change of a vCPU mask and of the node affinity. Nothing happens before the domain has vCPUs.',
    UPDATE,
    CALLS_TEST,
  ),
  check_auto_node: box(
    'check_auto_node',
    'A node affinity that was set explicitly stays as it is; otherwise it is derived.',
    UPDATE,
    CALLS_TEST,
  ),
  set_node_affinity_from_vcpu_affinities: box(
    'set_node_affinity_from_vcpu_affinities',
    'The nodes of the union of all soft masks within the hard ones; of the hard masks if that union is empty.',
    UPDATE,
    CALLS_TEST,
  ),
  'is_new_affinity_all_nodes?': box(
    'is_new_affinity_all_nodes?',
    'Only a mask with all 64 node bits counts as "all". A mask without an online node is refused (EINVAL).',
    SET_NODES,
  ),
  enable_auto_node_affinity: box('enable_auto_node_affinity', 'Automatic node affinity is on again.', SET_NODES),
  disable_auto_node_affinity: box(
    'disable_auto_node_affinity',
    'Automatic node affinity is off, and the mask is stored as given.',
    SET_NODES,
  ),
  domain_node_affinity: box(
    'domain_node_affinity',
    'The nodes that memory of the domain is allocated from; other nodes are used only when these are full.',
    UPDATE,
    CALLS_TEST,
  ),
};

const edge = (what: string, source: string, file: string, test = WAYS_TEST): GuideEntry => ({ what, source, file, test });

const AFFINITY_LIST = `${XEN_API}/xenopsd/xc/xenops_server_xen.ml#L1300-L1370`;
const POLICY = `${XEN_API}/xenopsd/xc/domain.ml#L951-L962`;
const HVM_BUILD = `${XEN_API}/xenopsd/xc/domain.ml#L1128-L1148`;

export const EDGE_GUIDE: Readonly<Record<EdgeId, GuideEntry>> = {
  'is_xe_vCPUparams_mask_set? -> set_hard_affinity': edge(
    'The affinity list is not empty: a mask of the VM or of the host.',
    AFFINITY_LIST,
    VM_CREATE,
    'src/xenopsd/start/paths.test.ts',
  ),
  'set_hard_affinity -> is_Host.numa_affinity_policy_set?': edge('VM.build follows VM.create.', HVM_BUILD, VM_CREATE),
  'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?': edge(
    'No mask is set, or none that xapi can parse.',
    AFFINITY_LIST,
    VM_CREATE,
    'src/xenopsd/start/paths.test.ts',
  ),
  'is_Host.numa_affinity_policy_set? -> has_hard_affinity?': edge(
    'The policy is best_effort, or means it in this version.',
    POLICY,
    VM_BUILD,
  ),
  'has_hard_affinity? -> exec_xenguest': edge('The VM has a hard affinity, so it is not placed.', POLICY, VM_BUILD),
  'has_hard_affinity? -> numa_placement': edge('The VM has none, so it is placed.', POLICY, VM_BUILD),
  'numa_placement -> exec_xenguest': edge('With a plan or without one, the build goes on.', HVM_BUILD, VM_BUILD),
  'is_Host.numa_affinity_policy_set? -> exec_xenguest': edge('The policy is off (`any`).', POLICY, VM_BUILD),
  'exec_xenguest -> stub_xc_hvm_build': edge(
    'The builder starts with its command line.',
    sourceOf('stub_xc_hvm_build'),
    BUILDER,
    BUILDER_TEST,
  ),
  'stub_xc_hvm_build -> configure_vcpus': edge(
    'The first step that changes the domain, so that the memory follows the affinity.',
    sourceOf('stub_xc_hvm_build'),
    BUILDER,
    BUILDER_TEST,
  ),
  'configure_vcpus -> set_hard_affinity?': edge('For each vCPU of the domain.', sourceOf('configure_vcpus'), CONFIGURE, BUILDER_TEST),
  'numa_placement -> XEN_VCPUAFFINITY_SOFT': edge(
    'One call for each vCPU, with the CPUs of the plan.',
    `${XEN_API}/xenopsd/xc/domain.ml#L892-L897`,
    PLACEMENT,
    'src/xenopsd/start/paths.test.ts',
  ),
  'XEN_VCPUAFFINITY_SOFT -> do_domctl': edge(
    'The hypercall XEN_DOMCTL_setvcpuaffinity.',
    `${XEN}/tools/libs/ctrl/xc_domain.c#L231-L243`,
    CALLS,
  ),
  'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD': edge(
    'The key is there: at 90ef043c always, all ones without a mask.',
    sourceOf('set_hard_affinity?'),
    CONFIGURE,
    BUILDER_TEST,
  ),
  'XEN_VCPUAFFINITY_HARD -> do_domctl': edge(
    'The hypercall XEN_DOMCTL_setvcpuaffinity.',
    `${XEN}/tools/libs/ctrl/xc_domain.c#L231-L243`,
    CALLS,
    CALLS_TEST,
  ),
  'xc_domain_node_setaffinity -> do_domctl': edge(
    'The hypercalls XEN_DOMCTL_setnodeaffinity and XEN_DOMCTL_getnodeaffinity, and their answers.',
    `${XEN}/tools/libs/ctrl/xc_domain.c#L145-L189`,
    CALLS,
  ),
  'domain_update_node_aff -> check_auto_node': edge(
    'The domain has vCPUs.',
    `${XEN}/xen/common/sched/core.c#L1809-L1840`,
    UPDATE,
    CALLS_TEST,
  ),
  'check_auto_node -> set_node_affinity_from_vcpu_affinities': edge(
    'Automatic node affinity is on, as it is by default.',
    `${XEN}/xen/common/sched/core.c#L1840-L1869`,
    UPDATE,
    CALLS_TEST,
  ),
  'do_domctl -> vcpu_set_affinity': edge(
    'The command is XEN_DOMCTL_setvcpuaffinity.',
    `${XEN}/xen/common/domctl.c#L532-L535`,
    VCPU_AFFINITY,
    CALLS_TEST,
  ),
  'vcpu_set_affinity -> domain_update_node_aff': edge(
    'After the mask is stored.',
    `${XEN}/xen/common/sched/core.c#L1386`,
    VCPU_AFFINITY,
    CALLS_TEST,
  ),
  'do_domctl -> is_new_affinity_all_nodes?': edge(
    'The command is XEN_DOMCTL_setnodeaffinity.',
    `${XEN}/xen/common/domctl.c#L516-L525`,
    SET_NODES,
  ),
  'is_new_affinity_all_nodes? -> enable_auto_node_affinity': edge(
    'All 64 node bits are set.',
    `${XEN}/xen/common/domain.c#L955-L958`,
    SET_NODES,
  ),
  'enable_auto_node_affinity -> domain_update_node_aff': edge(
    'The node affinity is derived from the vCPUs at once.',
    `${XEN}/xen/common/domain.c#L964-L967`,
    SET_NODES,
  ),
  'is_new_affinity_all_nodes? -> disable_auto_node_affinity': edge(
    'Any other mask, including one that names every node of the host.',
    `${XEN}/xen/common/domain.c#L961-L962`,
    SET_NODES,
  ),
  'disable_auto_node_affinity -> domain_update_node_aff': edge(
    'The call is made in any case; it changes nothing while automatic node affinity is off.',
    `${XEN}/xen/common/domain.c#L964-L967`,
    SET_NODES,
  ),
  'disable_auto_node_affinity -> domain_node_affinity': edge('The mask is stored as given.', `${XEN}/xen/common/domain.c#L962`, SET_NODES),
  'set_node_affinity_from_vcpu_affinities -> domain_node_affinity': edge(
    'The derived nodes are stored.',
    `${XEN}/xen/common/sched/core.c#L1867-L1869`,
    UPDATE,
    CALLS_TEST,
  ),
  'domain_node_affinity -> do_domctl': edge(
    'The command is XEN_DOMCTL_getnodeaffinity: the mask is read.',
    `${XEN}/xen/common/domctl.c#L527-L530`,
    DOMCTL,
  ),
};
