// A start in one sentence: why the VM is where it is, and where that is.
import type { EdgeId } from '../chart.js';
import type { FlowRecord, NoteValues } from '../record.js';
import { landingOf, share } from './landing.js';
import { namedCpus, nodeList } from './phrases.js';

/** null for runs that built no domain: stops, changes by hand. */
export function summarySentence(record: FlowRecord): string | null {
  if (!record.edgesTaken().some((edge) => edge.startsWith('is_xe_vCPUparams_mask_set? ->'))) return null;
  const failed = record.notes('failed').at(-1);
  if (failed !== undefined) return `In short: it did not start. ${reason(failed)}`;
  const landed = record.notes('landed').at(-1);
  if (landed === undefined) return null;
  return `In short: ${why(record, landed)}; ${where(landed)}.`;
}

/** Some messages begin with the step's name already. */
function reason({ step, message }: NoteValues['failed']): string {
  return message.startsWith(`${step}: `) ? message : `${step}: ${message}`;
}

function why(record: FlowRecord, landed: NoteValues['landed']): string {
  const taken = (edge: EdgeId) => record.edgesTaken().includes(edge);
  if (taken('is_xe_vCPUparams_mask_set? -> set_hard_affinity')) {
    const lists = [...new Set(landed.vcpus.map(({ hard }) => namedCpus(hard)))];
    return `its mask pins its vCPUs to ${lists.join(' | ')}`;
  }
  if (taken('has_hard_affinity? -> numa_placement')) {
    const plan = record.visits('numa_placement').at(-1);
    const chosen = plan?.numa === true ? (plan.nodes ?? []) : [];
    return chosen.length > 0 ? `the planner chose ${nodeList(chosen)} for it` : 'the planner found no nodes with room for it';
  }
  if (taken('has_hard_affinity? -> exec_xenguest')) return 'it has an affinity of its own, so it was not placed';
  return 'the host places no VMs, so it may run anywhere';
}

function where(landed: NoteValues['landed']): string {
  const { held, totalPages, localPages } = landingOf(landed);
  if (totalPages === 0) return 'it holds no memory';
  const near = localPages === totalPages ? 'all' : share(localPages, totalPages);
  return `its memory is on ${nodeList(held.map(({ node }) => node))}, ${near} of it where its vCPUs run`;
}
