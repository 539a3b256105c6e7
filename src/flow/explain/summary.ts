// A start in three sentences: the place of the VM, the reason, and the advice.
import type { FlowRecord, NodeValues, NoteValues } from '../record.js';
import { adviceSentence, mainSurprise, type StartOutcome } from './advice.js';
import { landingOf, share } from './landing.js';
import { namedCpus, nodeList } from './phrases.js';
import { surpriseWords } from './surprise.js';

/** [] for runs that built no domain: stops and manual changes. */
export function summarySentences(record: FlowRecord): string[] {
  if (!record.nodesVisited().includes('is_xe_vCPUparams_mask_set?')) return [];
  const failed = record.notes('failed').at(-1) ?? null;
  const landed = failed === null ? record.notes('landed').at(-1) : undefined;
  if (failed === null && landed === undefined) return [];
  const plan = record.visits('numa_placement').at(-1);
  const outcome: StartOutcome = {
    failed,
    landing: landed === undefined ? null : landingOf(landed),
    unplaced: plan?.numa === true && plan.nodes === null,
  };
  const where = landed === undefined ? 'It did not start, and holds no memory.' : whereSentence(landed);
  const why = failed === null ? whySentence(record, plan) : `${failed.step} failed: ${reason(failed)}`;
  const surprise = mainSurprise(record, outcome);
  if (surprise === null) return [where, `${why}.`, adviceSentence(record, outcome)];
  return [where, `${why}; note that ${surpriseWords(surprise)}.`, adviceSentence(record, outcome)];
}

/** Some messages already begin with the step's name. */
function reason({ step, message }: NoteValues['failed']): string {
  return message.startsWith(`${step}: `) ? message.slice(step.length + 2) : message;
}

function whereSentence(landed: NoteValues['landed']): string {
  const { held, totalPages, localPages, vcpuNodes } = landingOf(landed);
  if (totalPages === 0) return 'It holds no memory.';
  const memory = `Its memory is on ${nodeList(held.map(({ node }) => node))}`;
  if (landed.pages.length > 1 && vcpuNodes.length === landed.pages.length) return `${memory}, and its vCPUs may run on every node.`;
  if (localPages === totalPages) return `${memory}, where its vCPUs run.`;
  if (localPages === 0) return `${memory}, and its vCPUs run on ${nodeList(vcpuNodes)}: all of it is remote.`;
  return `${memory}; ${share(localPages, totalPages)} of it is where its vCPUs run (${nodeList(vcpuNodes)}), the rest is remote.`;
}

function whySentence(record: FlowRecord, plan: NodeValues['numa_placement'] | undefined): string {
  const mask = record.visits('set_hard_affinity').at(-1);
  if (mask !== undefined) {
    const lists = [...new Set(mask.masks)].map(namedCpus);
    const whose = mask.source === 'host' ? "The host's mask" : 'Its mask';
    return `${whose} pins its vCPUs to ${lists.join(' | ')}, and Xen takes the memory from the nodes of these CPUs`;
  }
  if (plan !== undefined) return planReason(plan);
  const policy = record.visits('is_Host.numa_affinity_policy_set?').at(-1);
  if (record.visits('has_hard_affinity?').at(-1)?.hardAffinity === true) return 'It has an affinity of its own, so it was not placed';
  if (policy === undefined) return 'It has no mask, and it was not placed';
  const means = policy.policy === policy.means ? '' : `, which means ${policy.means} in ${policy.profile},`;
  return `The host's NUMA policy ${policy.policy}${means} places no VMs, and this VM has no mask`;
}

function planReason(plan: NodeValues['numa_placement']): string {
  if (!plan.numa) return 'The planner sees no NUMA on this host, so the VM was not placed';
  if (plan.nodes === null) return 'The planner found no nodes with enough memory and CPUs, so the VM may run anywhere';
  return `The planner chose ${nodeList(plan.nodes)} for it`;
}
