// Notes of a record: events of a run that are not boxes of the chart. One shape for each topic.
import * as z from 'zod';
import { bytes, domid, errno, guestKind, list, node, nodes, pages, vcpu } from './fields.js';

/** The CPUs where one vCPU may run, those that it prefers, and their nodes. */
const vcpuPlace = z.strictObject({ vcpu, hard: list, soft: list, nodes });

const populated = z.union([
  z.strictObject({
    domid,
    /** null if the host does not report it for one domain. */
    pages: pages.nullable(),
    pagesByNode: z.array(pages).nullable(),
    nodeAffinity: list,
    /** Extents by size. */
    counts: z.strictObject({ gib: z.int(), mib2: z.int(), kib4: z.int() }),
    onDemand: z.boolean(),
    specialPages: z.int(),
  }),
  z.strictObject({
    domid,
    pages: pages.nullable(),
    pagesByNode: z.array(pages).nullable(),
    nodeAffinity: list,
    failed: z.string(),
  }),
]);

export const NOTE_SCHEMAS = {
  domain: z.strictObject({ domid, kind: guestKind, vcpus: z.int() }),
  libxl: z.strictObject({ cpus: z.boolean(), cpusSoft: z.boolean() }),
  /** Memory of the whole host, before a build. */
  'free memory': z.strictObject({ wantedBytes: bytes, freeBytes: bytes, waitedSeconds: z.int() }),
  'paging pool': z.strictObject({ domid, bytes }),
  'hard by toolstack': z.strictObject({ domid, masks: z.array(list) }),
  'no numa': z.strictObject({ domid }),
  /** `node`: null = anywhere on the host; `errno`: null = granted. */
  claim: z.strictObject({ domid, node: node.nullable(), pages, errno: errno.nullable() }),
  'soft affinity failed': z.strictObject({ domid, vcpu, errno }),
  /** libxl: the scheduler of the domain's pool has neither. */
  'no weight or cap': z.strictObject({ domid, scheduler: z.string() }),
  /** xenguest: weight and cap are the credit scheduler's. */
  'no credit scheduler': z.strictObject({ errno }),
  'memory on one node only': z.strictObject({ node, because: z.enum(['-mem_pnode', '-keep_on_node']) }),
  /**
   * vNUMA: the memory of each virtual node comes only from its physical node. `by`: who decided on
   * them; runs that were kept earlier do not say.
   */
  'virtual nodes': z.strictObject({
    domid,
    by: z.enum(['libxl', 'tight']).default('libxl'),
    nodes: z.array(z.strictObject({ node, mib: z.number(), vcpus: list })),
  }),
  'memory not kept on one node': z.union([
    /** The node affinity is not a single node with memory. */
    z.strictObject({ nodes: list }),
    z.strictObject({ node, freeMib: z.int(), wantedMib: z.int() }),
  ]),
  populated,
  /** Index of `pages` and `freePages` = node. */
  landed: z.strictObject({
    domid,
    pages: z.array(pages),
    nodeAffinity: nodes,
    vcpus: z.array(vcpuPlace),
    freePages: z.array(pages),
  }),
  migrate: z.strictObject({ from: domid, pages: z.array(pages) }),
  /** `bytes`: of the file that holds the guest. */
  suspended: z.strictObject({ domid, bytes }),
  /** `from`: the domain beside it; null = a file. */
  restored: z.strictObject({ domid, from: domid.nullable() }),
  /** `failure`: why the guest stays suspended; null when it goes on. */
  'suspend called off': z.strictObject({ domid, failure: z.string().nullable() }),
  ended: z.strictObject({ domid, ending: z.enum(['poweroff', 'reboot', 'crash', 'gone']) }),
  'device model': z.strictObject({ domid, pid: z.int().min(1) }),
  destroyed: z.strictObject({ domid }),
  'node affinity': z.strictObject({ domid, asked: z.union([nodes, z.literal('all')]), stored: nodes }),
  pool: z.strictObject({ domid, pool: z.int(), nodeAffinityBefore: nodes, nodeAffinity: nodes }),
  failed: z.strictObject({ step: z.string(), message: z.string(), errno: errno.nullable() }),
  'state not kept': z.strictObject({ message: z.string() }),
  'not cleaned up': z.strictObject({ message: z.string() }),
} as const;
