// Sentences for each note of a record: events of a run that are not boxes of the chart.

import { formatList } from '../../base/bitset.js';
import { plural } from '../../base/phrases.js';
import { formatBytes, MIB } from '../../base/units.js';
import type { NoteEntry, NoteTopic, NoteValues } from '../record.js';
import { explainLanding } from './landing.js';
import { namedNodes, nodeList, pagesText } from './phrases.js';

export function explainNote(entry: NoteEntry): string[] {
  const sentences = SENTENCES[entry.topic] as (values: typeof entry.values) => string[];
  return sentences(entry.values);
}

const SENTENCES: { readonly [T in NoteTopic]: (values: NoteValues[T]) => string[] } = {
  domain: ({ domid, kind, vcpus }) => [`Domain ${domid} was created (${kind}, ${plural(vcpus, 'vCPU')}).`],
  libxl: () => ["xl starts this guest. The boxes of the chart stand for libxl's own steps; it writes no affinity to XenStore."],
  'free memory': (values) => [freeMemorySentence(values)],
  'paging pool': ({ bytes }) => [`Xen set aside ${formatBytes(bytes)} for the domain's shadow or paging pool.`],
  'hard by toolstack': () => [
    'xenopsd set the hard affinity itself, before any placement: there is no key in XenStore, and the builder leaves the masks alone.',
  ],
  'no numa': () => ["The planner sees no NUMA on this host (from the nodes' distances and CPUs), so the VM was not placed."],
  claim: (values) => [claimSentence(values)],
  'soft affinity failed': ({ vcpu, errno }) => [
    `Setting the soft affinity of vCPU ${vcpu} failed with ${errno}; the build went on without it.`,
  ],
  'no weight or cap': ({ scheduler }) => [`Weight and cap were not set: the scheduler of its CPU pool, ${scheduler}, has neither.`],
  'no credit scheduler': () => ['Weight and cap were left alone: the scheduler of its CPU pool is not credit.'],
  'memory on one node only': ({ node, because }) => [
    because === '-mem_pnode'
      ? `The builder was told to take all memory from node ${node} (-mem_pnode).`
      : `The builder took all memory from node ${node}, which had enough free memory (-keep_on_node).`,
  ],
  'virtual nodes': ({ by, nodes }) => [
    `The guest has virtual nodes: ${nodes.map(({ node, mib, vcpus }) => `${formatBytes(mib * MIB)} only from node ${node} for vCPUs ${vcpus || 'none'}`).join(', ')}. ${by === 'tight' ? 'The' : 'So libxl does no placement of its own, and the'} vCPUs prefer the CPUs of those nodes.`,
  ],
  'memory not kept on one node': (values) => [
    'node' in values
      ? `The memory was to stay on node ${values.node}, but the guest needs ${formatBytes(values.wantedMib * MIB)} and only ${formatBytes(values.freeMib * MIB)} are free there, so the builder did not insist on the node.`
      : `The memory was to stay on one node, but the domain's node affinity names ${namedNodes(values.nodes)}, so the builder did not insist on one.`,
  ],
  populated: (values) => [populatedSentence(values)],
  landed: (values) => explainLanding(values),
  migrate: ({ from }) => [
    `The VM ran as domain ${from}. The new domain is built beside it, and both hold their memory until the old one is destroyed.`,
  ],
  suspended: ({ domid, bytes }) => [`The guest of domain ${domid} suspended itself; a file of ${formatBytes(bytes)} holds its memory.`],
  restored: ({ domid, from }) => [
    from === null
      ? `Domain ${domid} was filled with the memory of the suspended guest.`
      : `The guest's memory was copied from domain ${from} to domain ${domid}.`,
  ],
  'suspend called off': ({ domid, failure }) => [
    failure === null
      ? `The suspend was called off: the guest goes on in domain ${domid}.`
      : `The suspend was to be called off, but the guest in domain ${domid} stays suspended: ${failure}`,
  ],
  ended: ({ ending }) => [ENDINGS[ending]],
  'device model': ({ domid, pid }) => [`QEMU, process ${pid}, emulates the devices of domain ${domid}.`],
  destroyed: ({ domid }) => [`Domain ${domid} was destroyed: its memory, claims and XenStore keys are released.`],
  'node affinity': ({ asked, stored }) => [
    asked === 'all'
      ? `All 64 node bits were requested as node affinity; Xen now holds ${storedNodes(stored)}.`
      : `Node affinity was requested for ${nodeList(asked)}; Xen now holds ${storedNodes(stored)}.`,
  ],
  pool: ({ domid, pool, nodeAffinityBefore, nodeAffinity }) => [
    `Domain ${domid} was moved to CPU pool ${pool}; its node affinity went from ${nodeList(nodeAffinityBefore)} to ${nodeList(nodeAffinity)}.`,
  ],
  failed: ({ step, message }) => [`It failed in ${message.startsWith(`${step}: `) ? message : `${step}: ${message}`}`],
  'state not kept': ({ message }) => [
    `The end of the operation was not recorded (${message}): the next start of the toolstack repeats its clean-up.`,
  ],
  'not cleaned up': ({ message }) => [
    `What the operation made could not all be removed (${message}): the VM's next operation tries again.`,
  ],
};

const ENDINGS: Readonly<Record<NoteValues['ended']['ending'], string>> = {
  poweroff: 'The guest shut itself down.',
  reboot: 'The guest requested a reboot.',
  crash: 'The guest crashed.',
  gone: 'Somebody else removed its domain, or the host restarted.',
};

/** A full mask of 64 bits would be noise. */
function storedNodes(stored: readonly number[]): string {
  return stored.length === 64 ? 'every node' : `${stored.length === 1 ? 'node' : 'nodes'} ${formatList([...stored])}`;
}

function freeMemorySentence({ wantedBytes, freeBytes, waitedSeconds }: NoteValues['free memory']): string {
  const wait = waitedSeconds === 0 ? '' : ` after ${plural(waitedSeconds, 'second')} of waiting for the scrubber`;
  const only = freeBytes < wantedBytes ? 'only ' : '';
  return `The host has ${only}${formatBytes(freeBytes)} free${wait}; the build needs ${formatBytes(wantedBytes)}, from any nodes.`;
}

function populatedSentence(values: NoteValues['populated']): string {
  if ('failed' in values) return `The builder failed while it took the memory: ${values.failed}.`;
  const { gib, mib2, kib4 } = values.counts;
  const extents = [[gib, '1 GiB'] as const, [mib2, '2 MiB'] as const, [kib4, '4 KiB'] as const]
    .filter(([count]) => count > 0)
    .map(([count, size]) => `${count} of ${size}`);
  const later = values.onDemand ? '; the rest of its maximum is populated on demand' : '';
  return `The builder took the memory in pieces: ${extents.length === 0 ? 'none' : extents.join(', ')}${later}.`;
}

function claimSentence({ node, pages, errno }: NoteValues['claim']): string {
  const where = node === null ? 'anywhere on the host' : `on node ${node}`;
  if (errno === null) return `Xen granted a claim of ${pagesText(pages)} ${where}: no other VM can take that memory before the build does.`;
  return `Xen refused a claim of ${pagesText(pages)} ${where} with ${errno}.`;
}
