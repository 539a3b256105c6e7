// Advice on a start: that of the most important surprise, or of a failure.
import type { Errno } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { FlowRecord, SurpriseEntry } from '../record.js';
import { SURPRISES, type SurpriseCode } from '../surprises.js';
import type { Landing } from './landing.js';

/** Settings with an unexpected effect. Each list begins with the most important. */
const SETTINGS: readonly SurpriseCode[] = [
  'affinity-key-too-long',
  'empty-mask',
  'mask-ignored',
  'host-mask-ignored',
  'xl-cpus-string',
  'xl-cpus-ignored',
  'vnuma-needs-tight',
  'xe-mask-ignored',
  'cpus-beyond-host',
  'first-mask-reused',
  'masks-surplus',
  'host-mask-stops-placement',
  'priority-ignored',
];
/** Causes of a bad placement; harmless for a good one. */
const CAUSES: readonly SurpriseCode[] = [
  'more-vcpus-than-cpus',
  'single-nodes-only',
  'multi-node-plan-sets-nothing',
  'plan-not-deducted',
  'claim-refused',
  'ratchet',
  'gigabyte-extents',
  'dma-memory-last',
  'dirty-memory',
];
/** A bad placement, whatever the cause. */
const LANDINGS: readonly SurpriseCode[] = ['hard-narrower-than-memory', 'memory-spilled'];
/**
 * Manual changes. Their advice is given with the surprise itself, because there is no start to
 * summarise.
 */
const CHANGES: readonly SurpriseCode[] = [
  'one-unrestricted-vcpu',
  'pin-moves-no-memory',
  'manual-node-affinity',
  'all-nodes-is-not-all',
  'pool-move-resets-masks',
  'policy-changes-later-builds',
];
/** Every surprise with an advice, by subject. */
export const ADVISED = { SETTINGS, CAUSES, LANDINGS, CHANGES } as const;

/** The outcome of a start, for the advice. */
export interface StartOutcome {
  readonly failed: { readonly errno: Errno | null } | null;
  /** null when it failed. */
  readonly landing: Landing | null;
  /** A placement was tried and found no nodes. */
  readonly unplaced: boolean;
}

/** The surprise to name with the reason; null if none needs attention. */
export function mainSurprise(record: FlowRecord, outcome: StartOutcome): SurpriseEntry | null {
  const landings = LANDINGS.some((code) => record.surprises().includes(code));
  const badly = outcome.failed !== null || outcome.unplaced || landings;
  const first = [...SETTINGS, ...(badly ? [...CAUSES, ...LANDINGS] : [])].find((code) => record.surprises().includes(code));
  const entry = record.entries.find((one) => one.kind === 'surprise' && one.code === first);
  return entry?.kind === 'surprise' ? entry : null;
}

export function adviceSentence(record: FlowRecord, outcome: StartOutcome): string {
  const surprise = mainSurprise(record, outcome);
  const advice = surprise === null ? null : SURPRISES[surprise.code].advice;
  if (outcome.failed !== null) return failureAdvice(record, outcome.failed.errno, advice);
  if (advice !== null) return advice;
  if (outcome.unplaced) return 'Free memory on one node, give the VM less memory or fewer vCPUs, or pin it with a mask.';
  const spread = outcome.landing !== null && outcome.landing.held.length > 1;
  if (spread && record.edgesTaken().includes('is_Host.numa_affinity_policy_set? -> exec_xenguest')) {
    return "Set the host's NUMA policy to best_effort, or give the VM a mask, if it should stay on one node.";
  }
  return 'Nothing needs to be done.';
}

function failureAdvice(record: FlowRecord, errno: Errno | null, advice: string | null): string {
  const memory = record.notes('free memory').at(-1);
  if (memory !== undefined && memory.freeBytes < memory.wantedBytes) {
    return `Free ${formatBytes(memory.wantedBytes - memory.freeBytes)} of memory on the host, or give the VM less.`;
  }
  if (advice !== null) return advice;
  if (errno === 'ENOMEM' || errno === 'EBUSY') return 'Free memory on the host, or give the VM less.';
  return 'Fix what the message names, then start the VM again.';
}
