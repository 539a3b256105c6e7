// Catalogue of the named defects and surprises of the real systems: what people expect, what happens, in which profiles, and where to
// read it. Runs name them by code (FlowSink.surprise); explain and plan print them.

export interface Surprise {
  readonly title: string;
  readonly expected: string;
  readonly happens: string;
  /** Where it holds: profiles, or what of Xen. */
  readonly where: string;
  readonly source: string;
}

const XAPI = 'https://github.com/xapi-project/xen-api/blob/90ef043c1f3a3bc20f1c5d3ccaaf6affadc07983/ocaml';
const NEW = 'https://github.com/xapi-project/xen-api/blob/e2ee48d688/ocaml';
const XEN = 'https://github.com/xen-project/xen/blob/7cf163879';
const XENGUEST = 'https://github.com/xenserver/xen.pg/blob/65c0438b/patches/xenguest.patch';
const LIBXL = 'https://github.com/xen-project/xen/blob/RELEASE-4.17.0/tools/libs/light';

const ALL_XAPI = 'all xapi profiles';
const ALL = 'all profiles';

export const SURPRISES = {
  'mask-ignored': {
    title: 'The mask is ignored by xapi',
    expected: 'a mask that cannot be read is refused, or at least reported',
    happens: 'one bad item, a space even, and xapi takes the whole mask as not given, without a word',
    where: ALL_XAPI,
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'host-mask-ignored': {
    title: "The host's mask is ignored by xapi",
    expected: 'a host mask that cannot be read is refused, or at least reported',
    happens: 'one bad item (a semicolon is one, here) and xapi takes the host to have no mask, without a word',
    where: ALL_XAPI,
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'host-mask-stops-placement': {
    title: "The host's mask turns NUMA placement off for every VM",
    expected: 'a mask for the whole host bounds where VMs are placed',
    happens: 'it counts as a hard affinity of each VM, and a VM with a hard affinity is not placed',
    where: ALL_XAPI,
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'priority-ignored': {
    title: 'The weight or cap is ignored by xapi',
    expected: 'a value that is no number is refused',
    happens: 'xapi logs it and goes on with the default: weight 256, cap 0',
    where: ALL_XAPI,
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'xl-cpus-ignored': {
    title: 'cpus= and cpus_soft= mean nothing to xapi',
    expected: "the affinity of the guest's xl config is kept",
    happens: 'only VCPUs-params:mask counts for xapi',
    where: ALL_XAPI,
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'xe-mask-ignored': {
    title: 'VCPUs-params:mask means nothing to xl',
    expected: 'the mask pins the vCPUs',
    happens: "xl reads cpus= and cpus_soft= of the guest's config only",
    where: 'xl',
    source: `${LIBXL}/libxl_dom.c#L161-L202`,
  },
  'all-ones-hard': {
    title: 'A hard affinity of all CPUs is always set',
    expected: 'without a mask no hard affinity is touched',
    happens: 'the key is written with all ones, and the builder makes the HARD call for every vCPU; a pin set before it would be lost',
    where: 'xapi-25.6',
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1300-L1370`,
  },
  'empty-mask': {
    title: 'A mask without a CPU of the host fails the build',
    expected: 'such a mask is refused when it is set, or ignored',
    happens: 'the key is all zeros, Xen answers EINVAL, and the VM does not start',
    where: ALL_XAPI,
    source: `${XENGUEST}#L1297-L1348`,
  },
  'cpus-beyond-host': {
    title: 'CPUs that the host has not are dropped',
    expected: 'a mask that names them is refused',
    happens: 'they are left out without a word',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1320-L1330`,
  },
  'masks-surplus': {
    title: 'More masks than vCPUs',
    expected: 'a warning',
    happens: 'the surplus masks are dropped without a word',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1310-L1320`,
  },
  'first-mask-reused': {
    title: 'vCPUs past the last mask get the first one',
    expected: 'the remaining vCPUs are free, or get the last mask',
    happens: 'they all share the first mask',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1310-L1320`,
  },
  ratchet: {
    title: 'The planner believes in less free memory than there is',
    expected: 'memory of stopped VMs counts as free again',
    happens:
      'the planner keeps the lowest reading it ever made of each node, until xenopsd is restarted; after enough VMs came and went nothing fits',
    where: 'xapi-25.6 to xapi-25.39 and xapi-26.2 (mended in 7153d5dde2, 26.3, and in the 26.1 line)',
    source: `${XAPI}/xenopsd/xc/domain.ml#L862-L897`,
  },
  'plan-not-deducted': {
    title: 'Two starts at once see the same free memory',
    expected: "a plan sets its VM's memory aside",
    happens:
      'nothing is set aside between the plan and the build, so VMs that start together can be sent to a node that holds only one of them',
    where: 'xapi-25.6 to xapi-25.39, and xapi-26.2',
    source: `${XAPI}/xenopsd/xc/domain.ml#L862-L897`,
  },
  'usage-never-falls': {
    title: 'Nodes count as used by VMs that are gone',
    expected: 'a stopped VM no longer counts',
    happens:
      'node_usage is raised by every plan, of failed builds as well, and never lowered: the order of starts long past decides between nodes',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/lib/softaffinity.ml`,
  },
  'multi-node-plan-sets-nothing': {
    title: 'A plan over several nodes sets no affinity',
    expected: 'the VM is kept on the nodes of its plan',
    happens:
      'a memory claim can be on one node only, so the plan is dropped (the nodes count as used all the same) and the VM spreads over the host',
    where: 'xapi-26.1 and later',
    source: `${NEW}/xenopsd/xc/domain.ml#L1053-L1066`,
  },
  'claim-refused': {
    title: 'The node could not promise the memory',
    expected: 'another node is tried',
    happens: 'no other node is tried',
    where: 'xapi-25.33 and later',
    source: `${NEW}/xenopsd/xc/domain.ml#L1067-L1085`,
  },
  'no-node-claims': {
    title: 'This Xen has no memory claims on a node',
    expected: 'the memory is set aside on the node before the build',
    happens: "claims on a node come with XenServer's Xen only; here the memory is only asked for, and may be gone when the build takes it",
    where: 'xapi-25.33 and later, on upstream Xen',
    source: `${NEW}/xenopsd/xc/domain.ml#L1067-L1085`,
  },
  'more-vcpus-than-cpus': {
    title: 'A VM with more vCPUs than the host has CPUs is never placed',
    expected: 'it is placed by its memory',
    happens: 'no set of nodes has enough CPUs, so there is no plan',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/lib/softaffinity.ml`,
  },
  'single-nodes-only': {
    title: 'On more than 16 nodes only single nodes are considered',
    expected: 'a VM that needs two nodes gets two near ones',
    happens: 'it gets no plan at all',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/lib/topology.ml`,
  },
  'soft-is-a-preference': {
    title: 'Soft affinity is a preference',
    expected: 'the vCPUs stay on these CPUs',
    happens: 'the scheduler runs them elsewhere when these CPUs are busy; the memory stays where it is',
    where: `${ALL}; schedulers credit, credit2 and null look at it, rtds and arinc653 do not`,
    source: `${XEN}/xen/common/sched/core.c#L1353-L1393`,
  },
  'one-unrestricted-vcpu': {
    title: 'One unrestricted vCPU makes the domain span every node',
    expected: 'node affinity follows most of the vCPUs',
    happens: 'Xen takes the union of all vCPUs, so that node affinity narrows only with the last of them',
    where: ALL,
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'pool-before-placement': {
    title: 'The paging memory is taken before the placement',
    expected: 'all memory of the VM comes from its nodes',
    happens: 'its shadow or paging pool is allocated while the domain still spans every node',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/xc/domain.ml#L940-L950`,
  },
  'memory-spilled': {
    title: 'Memory lies outside the node affinity',
    expected: 'node affinity says where the memory is',
    happens: 'when its nodes are full Xen takes memory from the others, and the node affinity goes on naming the first ones',
    where: ALL,
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'memory-alternates': {
    title: 'Memory alternates between the nodes of the affinity',
    expected: 'one node is filled, then the next',
    happens: "extents go to the nodes in turn, whatever their size, so that every vCPU's memory is partly remote",
    where: ALL,
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'hard-narrower-than-memory': {
    title: 'The vCPUs may not run where the memory is',
    expected: 'hard affinity and memory go together',
    happens:
      'memory was placed by another mask, or spilled over, and the hard mask keeps the vCPUs away from it: every access there is remote',
    where: ALL,
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'gigabyte-extents': {
    title: 'Memory was taken in pieces of 1 GiB, and went elsewhere',
    expected: 'a node with enough free memory is used first',
    happens:
      'the builder asks for 1 GiB at a time; a node without a free, aligned GiB is passed over although it has the memory in smaller pieces',
    where: `${ALL}; HVM and PVH`,
    source: `${XEN}/tools/libs/guest/xg_dom_x86.c#L1348-L1648`,
  },
  'dma-memory-last': {
    title: "The first node's low memory was kept back",
    expected: 'free memory of the node is used before another node',
    happens: 'memory below the DMA boundary is taken only when all nodes have nothing else left',
    where: ALL,
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'dirty-memory': {
    title: 'Some free memory is not scrubbed yet',
    expected: 'free memory is free memory',
    happens:
      'Xen takes clean pieces of other nodes before dirty ones here: a VM started right after another was destroyed can land elsewhere',
    where: ALL,
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'pin-moves-no-memory': {
    title: 'A later pin moves no memory',
    expected: 'memory follows the vCPUs',
    happens: 'memory stays where the build put it; only pages allocated later follow the node affinity',
    where: ALL,
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'manual-node-affinity': {
    title: 'Node affinity set by hand no longer follows the vCPUs',
    expected: 'it is one more preference',
    happens: 'automatic node affinity is off from now on, whatever vCPU masks do; it even survives a move to another CPU pool',
    where: ALL,
    source: `${XEN}/xen/common/domain.c#L943-L970`,
  },
  'all-nodes-is-not-all': {
    title: 'Naming every node of the host is not "all"',
    expected: 'it brings automatic node affinity back',
    happens: "only a mask with all 64 bits set does; a mask of the host's nodes is stored as a choice by hand",
    where: ALL,
    source: `${XEN}/xen/common/domain.c#L943-L970`,
  },
  'pool-move-resets-masks': {
    title: 'A move to another pool resets the vCPU masks',
    expected: 'masks are kept, or cut down to the pool',
    happens: 'hard and soft affinity become "all"; the memory stays where it is',
    where: ALL,
    source: `${XEN}/xen/common/sched/core.c`,
  },
  'cap-zero-keeps': {
    title: 'cap 0 cannot clear a cap',
    expected: 'cap 0 means no cap, and sets it',
    happens:
      'the builder takes 0 for "leave it alone", so that a cap set on the running domain outlives a change of the VM until it is built again',
    where: ALL_XAPI,
    source: `${XENGUEST}#L1297-L1348`,
  },
  'chart-path': {
    title: 'The key is of the vCPU, not of the domain',
    expected: 'platform/vcpu/#domid/affinity, as the chart says',
    happens: '/local/domain/<domid>/platform/vcpu/<vCPU>/affinity, one key a vCPU',
    where: 'xapi-25.6',
    source: `${XAPI}/xenopsd/xc/domain.ml#L502`,
  },
  'policy-changes-later-builds': {
    title: 'A policy, mask or profile set now changes nothing that runs',
    expected: 'running VMs are placed anew',
    happens: 'it is read when a domain is built: at the next start, reboot or migration',
    where: ALL_XAPI,
    source: `${XAPI}/xenopsd/xc/domain.ml#L951-L962`,
  },
  'xl-cpus-string': {
    title: 'cpus= as a string does not stop automatic placement',
    expected: 'memory comes from the nodes of cpus=',
    happens:
      'placement chooses its own nodes for the memory, and the hard mask keeps the vCPUs away from them; the list form, cpus=["..."], does not do that',
    where: 'xl',
    source: `${LIBXL}/libxl_dom.c#L161-L202`,
  },
} as const satisfies Record<string, Surprise>;

export type SurpriseCode = keyof typeof SURPRISES;
