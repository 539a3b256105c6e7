// A start in one sentence: why the VM is where it is, and where that is. Part of explain.
import type { EdgeId } from '../chart.js';
import type { FlowValues } from '../path.js';
import type { FlowRecord } from '../record.js';
import { landedOf, share } from './landing.js';
import { nodeList, numbers, records, text } from './phrases.js';

/** null for runs that built no domain: stops, changes by hand. */
export function summarySentence(record: FlowRecord): string | null {
  if (!record.edgesTaken().some((edge) => edge.startsWith('is_xe_vCPUparams_mask_set? ->'))) return null;
  const failed = lastNote(record, 'failed');
  if (failed !== undefined) return `In short: it did not start. ${reason(text(failed, 'step') ?? '', text(failed, 'message') ?? '')}`;
  const landed = lastNote(record, 'landed');
  if (landed === undefined) return null;
  return `In short: ${why(record, landed)}; ${where(landed)}.`;
}

/** Some messages begin with the step's name as it is. */
function reason(step: string, message: string): string {
  return message.startsWith(`${step}: `) ? message : `${step}: ${message}`;
}

function why(record: FlowRecord, landed: FlowValues): string {
  const taken = (edge: EdgeId) => record.edgesTaken().includes(edge);
  if (taken('is_xe_vCPUparams_mask_set? -> set_hard_affinity')) {
    const lists = [...new Set(records(landed, 'vcpus').map((vcpu) => text(vcpu, 'hard')))];
    return `its mask pins its vCPUs to CPUs ${lists.join(' | ')}`;
  }
  if (taken('has_hard_affinity? -> numa_placement')) {
    const chosen = chosenNodes(record);
    return chosen.length > 0 ? `the planner chose ${nodeList(chosen)} for it` : 'the planner found no nodes with room for it';
  }
  if (taken('has_hard_affinity? -> exec_xenguest')) return 'it has an affinity of its own, so it was not placed';
  return 'the host places no VMs, so it may run anywhere';
}

function chosenNodes(record: FlowRecord): number[] {
  const placements = record.entries.flatMap((entry) => (entry.kind === 'node' && entry.node === 'numa_placement' ? [entry.values] : []));
  return numbers(placements.at(-1) ?? {}, 'nodes');
}

function where(landed: FlowValues): string {
  const { held, totalPages, localPages } = landedOf(landed);
  if (totalPages === 0) return 'it holds no memory';
  const near = localPages === totalPages ? 'all' : share(localPages, totalPages);
  return `its memory is on ${nodeList(held.map(({ node }) => node))}, ${near} of it where its vCPUs run`;
}

function lastNote(record: FlowRecord, topic: string): FlowValues | undefined {
  return record.entries.flatMap((entry) => (entry.kind === 'note' && entry.topic === topic ? [entry.values] : [])).at(-1);
}
