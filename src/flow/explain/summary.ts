// A start in three sentences: the place of the VM, the reason, and the advice.

import { parseRanges } from '../../base/lists.js';
import { percentOf } from '../../base/phrases.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { FlowRecord, NodeValues, NoteValues } from '../record.js';
import { adviceSentence, mainSurprise, type StartOutcome } from './advice.js';
import { landingOf } from './landing.js';
import { namedCpus, nodeList } from './phrases.js';
import { surpriseWords } from './surprise.js';

/** [] for runs that built no domain: stops and manual changes. */
export function summarySentences(record: FlowRecord): string[] {
  if (!record.nodesVisited().includes('is_xe_vCPUparams_mask_set?')) return [];
  const failed = record.notes('failed').at(-1) ?? null;
  const landingNote = failed === null ? record.notes('landed').at(-1) : undefined;
  if (failed === null && landingNote === undefined) return [];
  const plan = record.visits('numa_placement').at(-1);
  const outcome: StartOutcome = {
    failed,
    landing: landingNote === undefined ? null : landingOf(landingNote),
    unplaced: plan?.numa === true && plan.nodes === null,
  };
  const where =
    landingNote === undefined
      ? 'It did not start, and holds no memory.'
      : (virtualSentence(record, landingNote) ?? whereSentence(landingNote));
  const why = failed === null ? whySentence(record, plan) : `${failed.step} failed: ${reason(failed)}`;
  const surprise = mainSurprise(record, outcome);
  if (surprise === null) return [where, `${why}.`, adviceSentence(record, outcome)];
  return [where, `${why}; note that ${surpriseWords(surprise)}.`, adviceSentence(record, outcome)];
}

/** Some messages already begin with the step's name. */
function reason({ step, message }: NoteValues['failed']): string {
  return message.startsWith(`${step}: `) ? message.slice(step.length + 2) : message;
}

function whereSentence(landingNote: NoteValues['landed']): string {
  const { held, totalPages, localPages, vcpuNodes } = landingOf(landingNote);
  if (totalPages === 0) return 'It holds no memory.';
  const memory = `Its memory is on ${nodeList(held.map(({ node }) => node))}`;
  if (landingNote.pages.length > 1 && vcpuNodes.length === landingNote.pages.length)
    return `${memory}, and its vCPUs may run on every node.`;
  if (localPages === totalPages) return `${memory}, where its vCPUs run.`;
  if (localPages === 0) return `${memory}, and its vCPUs run on ${nodeList(vcpuNodes)}: all of it is remote.`;
  return `${memory}; ${percentOf(localPages, totalPages)} of it is where its vCPUs run (${nodeList(vcpuNodes)}), the rest is remote.`;
}

/** More than any domain has. */
const MOST_VCPUS = 1 << 16;

/** A guest has special pages: a node may have so many more or less than its virtual nodes. */
const SPECIAL_PAGES = (16 * MIB) / PAGE_BYTES;

/** null unless every virtual node has memory and vCPUs on the node that it names. */
function virtualSentence(record: FlowRecord, landingNote: NoteValues['landed']): string | null {
  const vnodes = virtualNodes(record);
  if (!liesAsVirtualNodes(vnodes, landingNote)) return null;
  return `Its memory is on ${nodeList([...new Set(vnodes.map(({ node }) => node))].sort((a, b) => a - b))}: each virtual node has its memory and its vCPUs on one and the same node.`;
}

/**
 * Whether the start that a record is of has put each virtual node's memory and vCPUs on the node
 * that it names; null = the guest has no virtual nodes, or it did not start
 */
export function virtualNodesInPlace(record: FlowRecord): boolean | null {
  const [vnodes, landingNote] = [virtualNodes(record), record.notes('landed').at(-1)];
  return vnodes.length === 0 || landingNote === undefined ? null : liesAsVirtualNodes(vnodes, landingNote);
}

type VirtualNodes = NoteValues['virtual nodes']['nodes'];

const virtualNodes = (record: FlowRecord): VirtualNodes => record.notes('virtual nodes').at(-1)?.nodes ?? [];

function liesAsVirtualNodes(vnodes: VirtualNodes, { pages, vcpus }: NoteValues['landed']): boolean {
  if (vnodes.length === 0) return false;
  const wanted = pages.map((_, at) => vnodes.reduce((sum, { node, mib }) => sum + (node === at ? (mib * MIB) / PAGE_BYTES : 0), 0));
  if (pages.some((count, at) => Math.abs(count - wanted[at]!) > SPECIAL_PAGES)) return false;
  const nodeOf = new Map(
    vnodes.flatMap(({ node, vcpus: list }) => (parseRanges(list, MOST_VCPUS) ?? []).map((vcpu) => [vcpu, node] as const)),
  );
  return vcpus.every(({ vcpu, nodes }) => nodes.length === 1 && nodes[0] === nodeOf.get(vcpu));
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
  const virtual = record.notes('virtual nodes').at(-1);
  if (virtual?.by === 'libxl')
    return 'Its config lists virtual nodes, so libxl took the memory of each from the node that it names, and placed nothing itself';
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
