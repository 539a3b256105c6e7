// The values noted with each box of the chart: one shape for each of the 21 nodes.
import * as z from 'zod';
import type { NodeId } from '../chart.js';
import { bytes, domid, errno, guestKind, inferred, list, node, nodes, vcpu } from './fields.js';

/** xc_vcpu_setaffinity: `effective` is what Xen can use of the mask, null when the call failed. */
const affinityCall = z.strictObject({
  domid,
  vcpu,
  requested: list,
  effective: list.nullable(),
  force: z.boolean(),
  errno: errno.exactOptional(),
});

/** One set of nodes that the planner weighed. */
const weighed = z.strictObject({
  nodes,
  averageDistance: z.number(),
  freeBytes: bytes,
  cpus: z.int(),
  verdict: z.enum(['chosen', 'too little memory', 'too few CPUs', 'too few cores', 'used more', 'farther']),
});

const placement = z.discriminatedUnion('numa', [
  z.strictObject({ domid, numa: z.literal(false) }),
  z.strictObject({
    domid,
    numa: z.literal(true),
    vcpus: z.int(),
    /** 0 = physical cores are not counted. */
    cores: z.int(),
    memoryBytes: bytes,
    /** Free memory by node according to Xen. */
    freeBytes: z.array(bytes),
    claimedBytes: z.array(bytes),
    /** Free memory by node according to the planner. */
    availableBytes: z.array(bytes),
    /** Number of earlier plans that counted each node as used. */
    usageBefore: z.array(z.number()),
    weighed: z.array(weighed),
    /** null = no plan. */
    nodes: nodes.nullable(),
    cpus: list.nullable(),
  }),
]);

const builder = z.union([
  z.strictObject({
    mode: z.string(),
    domid,
    image: z.string(),
    memMaxMib: z.int(),
    memStartMib: z.int(),
    memPnode: node.nullable(),
  }),
  /** A builder in a process of its own: its command line. */
  z.strictObject({ mode: z.string(), domid, command: z.string() }),
]);

const nodeAffinity = z.union([
  /** True if changed, false if computed again with the same result. */
  z.strictObject({ domid, before: list, after: list, auto: z.boolean(), inferred }),
  /** Read; null when it could not be read a second time. */
  z.strictObject({ domid, read: list.nullable(), auto: z.boolean().exactOptional(), inferred }),
]);

export const NODE_SCHEMAS = {
  'is_xe_vCPUparams_mask_set?': z.strictObject({
    mask: z.string().nullable(),
    hostMask: z.string().nullable(),
    set: z.boolean(),
    affinity: z.array(z.array(z.int())),
  }),
  set_hard_affinity: z.strictObject({
    where: z.enum(['XenStore', "xenopsd's metadata", "the guest's config"]),
    /** By vCPU. */
    masks: z.array(list),
    source: z.enum(['VM', 'host']),
  }),
  /** `means`: the effective policy in this profile. */
  'is_Host.numa_affinity_policy_set?': z.strictObject({ policy: z.string(), means: z.string(), profile: z.string() }),
  'has_hard_affinity?': z.strictObject({
    hardAffinity: z.boolean(),
    /** libxl: whether cpus= (as a list) and cpus_soft= are given. */
    cpus: z.boolean().exactOptional(),
    cpusSoft: z.boolean().exactOptional(),
  }),
  numa_placement: placement,
  exec_xenguest: builder,
  stub_xc_hvm_build: z.strictObject({ domid, kind: guestKind, memMaxMib: z.int(), memStartMib: z.int() }),
  configure_vcpus: z.strictObject({ vcpus: z.int(), weight: z.int(), cap: z.int() }),
  /** The key's text; null without a key. */
  'set_hard_affinity?': z.strictObject({ vcpu, affinity: z.string().nullable() }),
  XEN_VCPUAFFINITY_SOFT: affinityCall,
  XEN_VCPUAFFINITY_HARD: affinityCall,
  xc_domain_node_setaffinity: z.discriminatedUnion('call', [
    z.strictObject({ call: z.literal('set'), domid, requested: list, errno: errno.exactOptional() }),
    z.strictObject({ call: z.literal('get'), domid, nodes: list.nullable(), errno: errno.exactOptional() }),
  ]),
  /** `command`: null for a number that has no name here. */
  do_domctl: z.strictObject({ domid, cmd: z.int(), command: z.string().nullable(), inferred }),
  /** `pinned`: the vCPU is under a temporary pin, so the mask was not stored. */
  vcpu_set_affinity: z.strictObject({
    domid,
    vcpu,
    kind: z.enum(['hard', 'soft']),
    requested: list,
    hard: list,
    soft: list,
    pinned: z.boolean(),
    inferred,
  }),
  domain_update_node_aff: z.strictObject({ domid, vcpus: z.int(), inferred }),
  check_auto_node: z.strictObject({ domid, auto: z.boolean(), inferred }),
  set_node_affinity_from_vcpu_affinities: z.union([
    z.strictObject({ domid, hardUnion: list, softUnion: list, decidedBy: z.enum(['hard', 'soft']), nodeAffinity: list }),
    z.strictObject({ domid, nodeAffinity: list, inferred }),
  ]),
  'is_new_affinity_all_nodes?': z.strictObject({ domid, requested: list, all: z.boolean(), inferred }),
  enable_auto_node_affinity: z.strictObject({ domid, inferred }),
  disable_auto_node_affinity: z.strictObject({ domid, inferred }),
  domain_node_affinity: nodeAffinity,
} as const satisfies Record<NodeId, z.ZodType>;
