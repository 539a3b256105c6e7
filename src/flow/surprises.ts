// Catalogue of the defects and surprises of the real systems: the common expectation, the reality,
// the profiles, the advice and the source. Runs name them by code (FlowSink.surprise); explain and
// plan print them.

export interface Surprise {
  /** A clause: "the mask is ignored by xapi". */
  readonly title: string;
  readonly expected: string;
  readonly happens: string;
  /** The profiles or parts of Xen that it holds for. */
  readonly where: string;
  /** The advice, as a sentence; null if the surprise is harmless or cannot be avoided. */
  readonly advice: string | null;
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
    expected: 'a mask that cannot be parsed is refused, or at least reported',
    happens: 'one invalid item, even a space, makes xapi treat the mask as not set, without a message',
    where: ALL_XAPI,
    advice:
      "Write the mask as plain CPU numbers: 0,1,2 for all vCPUs, or one such list for each vCPU with ';' between them, without blanks or ranges.",
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'host-mask-ignored': {
    title: "The host's mask is ignored by xapi",
    expected: 'a host mask that cannot be parsed is refused, or at least reported',
    happens: 'one invalid item (here a semicolon is one) makes xapi treat the host as having no mask, without a message',
    where: ALL_XAPI,
    advice: "Write the host's mask as plain CPU numbers with commas between them.",
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'host-mask-stops-placement': {
    title: "The host's mask turns NUMA placement off for every VM",
    expected: 'a mask for the whole host limits where VMs are placed',
    happens: 'it counts as a hard affinity of each VM, and a VM with a hard affinity is not placed',
    where: ALL_XAPI,
    advice: "Remove the host's mask (guest_VCPUs_params:mask) if VMs are to be placed.",
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'priority-ignored': {
    title: 'The weight or cap is ignored by xapi',
    expected: 'a value that is not a number is refused',
    happens: 'xapi logs it and uses the default: weight 256, cap 0',
    where: ALL_XAPI,
    advice: 'Give weight and cap as whole numbers.',
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'xl-cpus-ignored': {
    title: 'cpus= and cpus_soft= mean nothing to xapi',
    expected: "the affinity in the guest's xl config is kept",
    happens: 'only VCPUs-params:mask counts for xapi',
    where: ALL_XAPI,
    advice: 'Set VCPUs-params:mask instead.',
    source: `${XAPI}/xapi/xapi_xenops.ml#L1115-L1185`,
  },
  'vnuma-needs-tight': {
    title: 'The number of virtual nodes is ignored',
    expected: 'the guest sees so many nodes',
    happens: 'xapi gives no guest vNUMA, and xl only one whose config lists its virtual nodes; policy tight of xennuma decides on a number',
    where: ALL,
    advice: 'Use --policy tight, or profile xl with a list of virtual nodes.',
    source: `${LIBXL}/libxl_vnuma.c`,
  },
  'xe-mask-ignored': {
    title: 'VCPUs-params:mask means nothing to xl',
    expected: 'the mask pins the vCPUs',
    happens: "xl reads only cpus= and cpus_soft= of the guest's config",
    where: 'xl',
    advice: "Set cpus= in the guest's config instead.",
    source: `${LIBXL}/libxl_dom.c#L161-L202`,
  },
  'all-ones-hard': {
    title: 'A hard affinity of all CPUs is always set',
    expected: 'without a mask the hard affinity is left alone',
    happens: 'the key is written with all ones, and the builder makes the HARD call for every vCPU; a pin set before that is lost',
    where: 'xapi-25.6',
    advice: null,
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1300-L1370`,
  },
  'affinity-key-too-long': {
    title: 'The affinity key of a vCPU is longer than a request to XenStore may be',
    expected: 'a VM starts on a host of any size',
    happens:
      'the key has a character for each CPU, path and value must fit in 4,096 bytes, and from about 4,056 CPUs they do not: XenStore closes the connection or answers E2BIG, and no VM starts',
    where: 'xapi-25.6',
    advice: 'Use a profile that keeps masks out of XenStore (xapi-25.33 or later), or start Xen with maxcpus=4000.',
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1300-L1370`,
  },
  'empty-mask': {
    title: 'A mask that names no CPU of the host fails the build',
    expected: 'such a mask is refused when it is set, or ignored',
    happens: 'the key is all zeros, Xen answers EINVAL, and the VM does not start',
    where: ALL_XAPI,
    advice: 'Name at least one CPU of this host for each vCPU in the mask.',
    source: `${XENGUEST}#L1297-L1348`,
  },
  'cpus-beyond-host': {
    title: 'CPUs that the host does not have are dropped',
    expected: 'a mask that names them is refused',
    happens: 'they are left out without a message',
    where: ALL_XAPI,
    advice: 'Remove the CPU numbers that this host does not have from the mask.',
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1320-L1330`,
  },
  'masks-surplus': {
    title: 'More masks than vCPUs',
    expected: 'a warning',
    happens: 'the surplus masks are dropped without a message',
    where: ALL_XAPI,
    advice: 'Give one mask for each vCPU.',
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1310-L1320`,
  },
  'first-mask-reused': {
    title: 'vCPUs without a mask of their own get the first one',
    expected: 'the remaining vCPUs are free, or get the last mask',
    happens: 'they all share the first mask',
    where: ALL_XAPI,
    advice: 'Give one mask for each vCPU, or a single one for all.',
    source: `${XAPI}/xenopsd/xc/xenops_server_xen.ml#L1310-L1320`,
  },
  ratchet: {
    title: 'The planner sees less free memory than there is',
    expected: 'memory of stopped VMs counts as free again',
    happens:
      'the planner keeps the lowest reading it ever made of each node until xenopsd is restarted; after enough VMs have come and gone, nothing fits',
    where: 'xapi-25.6 to xapi-25.39 and xapi-26.2 (fixed in 7153d5dde2)',
    advice: 'Restart xenopsd (xe-toolstack-restart): it then reads the free memory anew.',
    source: `${XAPI}/xenopsd/xc/domain.ml#L862-L897`,
  },
  'plan-not-deducted': {
    title: 'Two starts at once see the same free memory',
    expected: "a plan sets its VM's memory aside",
    happens:
      'nothing is set aside between the plan and the build, so VMs that start together can be sent to a node that has room for only one of them',
    where: 'xapi-25.6 to xapi-25.39',
    advice: 'Start VMs one after another when nodes are nearly full.',
    source: `${XAPI}/xenopsd/xc/domain.ml#L862-L897`,
  },
  'usage-never-falls': {
    title: 'Nodes count as used by VMs that are gone',
    expected: 'a stopped VM no longer counts',
    happens:
      'node_usage is raised by every plan, of failed builds too, and never lowered: the order of starts long past decides between nodes',
    where: ALL_XAPI,
    advice: null,
    source: `${XAPI}/xenopsd/lib/softaffinity.ml`,
  },
  'multi-node-plan-sets-nothing': {
    title: 'A plan over several nodes sets no affinity',
    expected: 'the VM is kept on the nodes of its plan',
    happens:
      'memory can be claimed on one node only, so the plan is dropped (though its nodes count as used) and the VM spreads over the host',
    where: 'xapi-26.1 to xapi-26.3',
    advice: 'Make the VM small enough for one node, or give it a mask.',
    source: `${NEW}/xenopsd/xc/domain.ml#L1053-L1066`,
  },
  'claim-refused': {
    title: 'The node could not reserve the memory',
    expected: 'another node is tried',
    happens: 'no other node is tried',
    where: 'xapi-25.33 to xapi-26.3',
    advice: 'Free memory on the node, or start the VM again later.',
    source: `${NEW}/xenopsd/xc/domain.ml#L1067-L1085`,
  },
  'no-node-claims': {
    title: 'This Xen has no memory claims on a node',
    expected: 'the memory is set aside on the node before the build',
    happens:
      "claims on a node exist in XenServer's Xen only; here the memory is only preferred there, and may be gone when the build allocates it",
    where: 'xapi-25.33 to xapi-26.3 on upstream Xen',
    advice: null,
    source: `${NEW}/xenopsd/xc/domain.ml#L1067-L1085`,
  },
  'more-vcpus-than-cpus': {
    title: 'A VM with more vCPUs than the host has CPUs is never placed',
    expected: 'it is placed by its memory',
    happens: 'no set of nodes has enough CPUs, so there is no plan',
    where: ALL_XAPI,
    advice: 'Give the VM no more vCPUs than the host has CPUs.',
    source: `${XAPI}/xenopsd/lib/softaffinity.ml`,
  },
  'single-nodes-only': {
    title: 'On more than 16 nodes only single nodes are considered',
    expected: 'a VM that needs two nodes gets two near ones',
    happens: 'it gets no plan at all',
    where: ALL_XAPI,
    advice: 'Make the VM small enough for one node, or give it a mask.',
    source: `${XAPI}/xenopsd/lib/topology.ml`,
  },
  'soft-is-a-preference': {
    title: 'Soft affinity is a preference',
    expected: 'the vCPUs stay on these CPUs',
    happens: 'the scheduler runs them elsewhere when these CPUs are busy; the memory stays where it is',
    where: `${ALL}; the schedulers credit, credit2 and null honour it, rtds and arinc653 do not`,
    advice: null,
    source: `${XEN}/xen/common/sched/core.c#L1353-L1393`,
  },
  'one-unrestricted-vcpu': {
    title: 'One unrestricted vCPU makes the domain span every node',
    expected: 'node affinity follows most of the vCPUs',
    happens: 'Xen takes the union of all vCPUs, so node affinity narrows only with the last of them',
    where: ALL,
    advice: 'Pin every vCPU, not only some of them.',
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'pool-before-placement': {
    title: 'The paging memory is allocated before the placement',
    expected: 'all memory of the VM comes from its nodes',
    happens: 'its shadow or paging pool is allocated while the domain still spans every node',
    where: ALL_XAPI,
    advice: null,
    source: `${XAPI}/xenopsd/xc/domain.ml#L940-L950`,
  },
  'memory-spilled': {
    title: 'Memory lies outside the node affinity',
    expected: 'node affinity says where the memory is',
    happens: 'when its nodes are full, Xen takes memory from other nodes, and the node affinity still names the first ones',
    where: ALL,
    advice: 'Free memory on its nodes and restart the VM, or place it on nodes with more room.',
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'memory-alternates': {
    title: 'Memory alternates between the nodes of the affinity',
    expected: 'one node is filled, then the next',
    happens: "extents go to the nodes in turn, whatever their size, so part of every vCPU's memory is remote",
    where: ALL,
    advice: null,
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'hard-narrower-than-memory': {
    title: 'The vCPUs may not run where the memory is',
    expected: 'hard affinity and memory go together',
    happens:
      'the memory was placed by another mask, or spilled over, and the hard mask keeps the vCPUs away from it: every access there is remote',
    where: ALL,
    advice: 'Widen the hard mask to the nodes that hold the memory, or restart the VM so that its memory follows the mask.',
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'gigabyte-extents': {
    title: 'Memory was allocated in pieces of 1 GiB, on other nodes',
    expected: 'a node with enough free memory is used first',
    happens:
      'the builder requests 1 GiB at a time; a node without a free, aligned GiB is skipped although it has the memory in smaller pieces',
    where: `${ALL}; HVM and PVH`,
    advice: 'Start large VMs before small ones fragment the node, or start it with vm start --keep-on-node.',
    source: `${XEN}/tools/libs/guest/xg_dom_x86.c#L1348-L1648`,
  },
  'dma-memory-last': {
    title: "The first node's low memory was held back",
    expected: 'free memory of the node is used before another node',
    happens: 'memory below the DMA boundary is taken only when all nodes have nothing else left',
    where: ALL,
    advice: 'Count up to 4 GiB less on node 0, or place the VM on another node.',
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'dirty-memory': {
    title: 'Some free memory is not scrubbed yet',
    expected: 'all free memory is equal',
    happens:
      'Xen takes clean pieces of other nodes before unscrubbed ones here: a VM started right after another was destroyed can end up on other nodes',
    where: ALL,
    advice: 'Wait until Xen has scrubbed the memory of destroyed VMs before starting the next one.',
    source: `${XEN}/xen/common/page_alloc.c#L855-L958`,
  },
  'pin-moves-no-memory': {
    title: 'A later pin moves no memory',
    expected: 'memory follows the vCPUs',
    happens: 'memory stays where the build put it; only pages allocated later follow the node affinity',
    where: ALL,
    advice: 'Restart the VM with the same affinity in its settings: memory moves only with a new build.',
    source: `${XEN}/xen/common/sched/core.c#L1809-L1876`,
  },
  'manual-node-affinity': {
    title: 'Node affinity set explicitly no longer follows the vCPUs',
    expected: 'it is one more preference',
    happens: 'automatic node affinity is off from then on, whatever the vCPU masks are; this even survives a move to another CPU pool',
    where: ALL,
    advice: 'Set the node affinity to all to make it automatic again.',
    source: `${XEN}/xen/common/domain.c#L943-L970`,
  },
  'all-nodes-is-not-all': {
    title: 'Naming every node of the host is not "all"',
    expected: 'it brings automatic node affinity back',
    happens: "only a mask with all 64 bits set does; a mask of the host's nodes is stored as an explicit choice",
    where: ALL,
    advice: "Use all instead of a list of the host's nodes.",
    source: `${XEN}/xen/common/domain.c#L943-L970`,
  },
  'pool-move-resets-masks': {
    title: 'A move to another pool resets the vCPU masks',
    expected: 'masks are kept, or reduced to the pool',
    happens: 'hard and soft affinity become "all"; the memory stays where it is',
    where: ALL,
    advice: 'Set the masks again after the move.',
    source: `${XEN}/xen/common/sched/core.c`,
  },
  'cap-zero-keeps': {
    title: 'cap 0 cannot clear a cap',
    expected: 'cap 0 means no cap, and sets it',
    happens:
      'the builder takes 0 for "leave it alone", so a cap set on the running domain outlives a change of the VM until it is built again',
    where: ALL_XAPI,
    advice: null,
    source: `${XENGUEST}#L1297-L1348`,
  },
  'chart-path': {
    title: 'The key belongs to the vCPU, not to the domain',
    expected: 'platform/vcpu/#domid/affinity, as the chart says',
    happens: 'the path is /local/domain/<domid>/platform/vcpu/<vCPU>/affinity, one key for each vCPU',
    where: 'xapi-25.6',
    advice: null,
    source: `${XAPI}/xenopsd/xc/domain.ml#L502`,
  },
  'policy-changes-later-builds': {
    title: 'A new policy, mask or profile changes nothing that runs',
    expected: 'running VMs are placed again',
    happens: 'it is read when a domain is built: at the next start, reboot or migration',
    where: ALL_XAPI,
    advice: 'Restart or migrate the VM to apply the new setting.',
    source: `${XAPI}/xenopsd/xc/domain.ml#L951-L962`,
  },
  'xl-cpus-string': {
    title: 'cpus= as a string does not stop automatic placement',
    expected: 'memory comes from the nodes of cpus=',
    happens:
      'placement chooses its own nodes for the memory, and the hard mask keeps the vCPUs away from them; the list form, cpus=["..."], avoids that',
    where: 'xl',
    advice: 'Write cpus= as a list: cpus=["..."].',
    source: `${LIBXL}/libxl_dom.c#L161-L202`,
  },
} as const satisfies Record<string, Surprise>;

export type SurpriseCode = keyof typeof SURPRISES;

/** The title as a clause within a sentence: "the mask is ignored by xapi". */
export function surpriseClause(code: SurpriseCode): string {
  const { title } = SURPRISES[code];
  return /^[A-Z][a-z]* /.test(title) ? `${title.slice(0, 1).toLowerCase()}${title.slice(1)}` : title;
}
