// The numbers of each surprise of the catalogue (flow/surprises.ts): one shape for each code.
import * as z from 'zod';
import type { SurpriseCode } from '../surprises.js';
import { bytes, domid, errno, list, node, nodes, pages } from './fields.js';

const ignoredMask = z.strictObject({ mask: z.string(), reason: z.string() });
const maskCount = z.strictObject({ given: z.int(), vcpus: z.int() });
const claim = z.strictObject({ domid, node, pages, errno });
const none = z.strictObject({});

export const SURPRISE_SCHEMAS = {
  'mask-ignored': ignoredMask,
  'host-mask-ignored': ignoredMask,
  'host-mask-stops-placement': z.strictObject({ hostMask: z.string().nullable() }),
  'priority-ignored': z.strictObject({ parameter: z.enum(['weight', 'cap']), value: z.string() }),
  'xl-cpus-ignored': none,
  'vnuma-needs-tight': z.strictObject({ virtualNodes: z.union([z.int(), z.literal('auto')]) }),
  'xe-mask-ignored': z.strictObject({ mask: z.string() }),
  'all-ones-hard': z.strictObject({ domid, vcpus: z.int() }),
  /** `bytes`: of the longest request; more than `mostBytes` is refused. */
  'affinity-key-too-long': z.strictObject({ bytes: z.int(), mostBytes: z.int(), pcpus: z.int() }),
  'empty-mask': z.strictObject({ vcpus: z.array(z.int()) }),
  'cpus-beyond-host': z.strictObject({ cpus: z.array(z.int()), pcpus: z.int() }),
  'masks-surplus': maskCount,
  'first-mask-reused': maskCount,
  ratchet: z.strictObject({ domid, nodes: z.array(z.strictObject({ node, freeBytes: bytes, seenBytes: bytes })) }),
  'plan-not-deducted': z.strictObject({ domid, others: z.array(domid), nodes }),
  'usage-never-falls': z.strictObject({ domid, nodes: z.array(z.strictObject({ node, count: z.int(), living: z.int() })) }),
  'multi-node-plan-sets-nothing': z.strictObject({ domid, nodes }),
  'claim-refused': claim,
  'no-node-claims': claim,
  'more-vcpus-than-cpus': z.strictObject({ domid, vcpus: z.int(), cpus: z.int() }),
  /** `nodes`: how many the host has. */
  'single-nodes-only': z.strictObject({ domid, nodes: z.int() }),
  'soft-is-a-preference': z.strictObject({ domid, cpus: list }),
  'one-unrestricted-vcpu': z.strictObject({ domid, nodeAffinity: nodes }),
  'pool-before-placement': z.strictObject({ domid, bytes }),
  'memory-spilled': z.strictObject({ domid, nodes, pages, affinity: nodes }),
  'memory-alternates': z.strictObject({ domid, nodes }),
  'hard-narrower-than-memory': z.strictObject({ domid, nodes, pages, vcpuNodes: nodes }),
  'gigabyte-extents': z.union([
    /**
     * Noted by the builder before it allocates the memory; freeMib and freeGibExtentsAtMost are by
     * node.
     */
    z.strictObject({
      domid,
      asked: z.int(),
      nodes,
      freeMib: z.array(z.int()),
      freeGibExtentsAtMost: z.array(z.int()),
      elsewhereGib: z.int(),
    }),
    /** Observed after the build; roomLeft = nodes of the affinity that still have free memory. */
    z.strictObject({ domid, nodes, elsewhereGib: z.int(), roomLeft: nodes }),
  ]),
  'dma-memory-last': z.strictObject({ domid, nodes, pages, freePages: pages }),
  'dirty-memory': z.strictObject({ scrubPages: pages }),
  'pin-moves-no-memory': z.strictObject({ domid, nodes, pages: z.array(pages), nodeAffinity: nodes }),
  'manual-node-affinity': z.strictObject({ domid, nodes }),
  'all-nodes-is-not-all': z.strictObject({ domid, nodes }),
  'pool-move-resets-masks': z.strictObject({ domid, pool: z.int() }),
  'cap-zero-keeps': z.strictObject({ domid }),
  'chart-path': none,
  'policy-changes-later-builds': z.strictObject({ builtBy: z.string(), now: z.string() }),
  'xl-cpus-string': z.strictObject({ domid, cpus: list, nodes }),
} as const satisfies Record<SurpriseCode, z.ZodType>;
