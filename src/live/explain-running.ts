// A running domain in sentences: the affinity requested for it and by which tool, the nodes of its
// vCPUs and its memory, the cause of both, and any drift. Pure.
import { formatList } from '../base/bitset.js';
import { explainLanding } from '../flow/explain/landing.js';
import type { Expected, ExpectedMasks } from '../map/drift.js';
import { nodeWords } from '../map/drift-rules.js';
import { domainFigures } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import type { DomainVerdict } from '../map/judge.js';
import { automaticNodeAffinity } from '../map/union-rule.js';

/** Sentences for domains that do not run, by Xen's state. */
const STATES: Readonly<Partial<Record<MapDomain['state'], string>>> = {
  paused: 'It is paused.',
  shutdown: 'Its guest has shut down, and its domain is still to be destroyed.',
  dying: 'Xen is destroying it.',
};

/** One sentence or a few a line. */
export function explainRunning(map: HostMap, { domain, expected, drifts }: DomainVerdict): string[] {
  const state = STATES[domain.state];
  return [
    ...(state === undefined ? [] : [state]),
    expectedSentence(expected),
    ...masksSentences(map, domain, expected),
    ...explainLanding(landingValues(map, domain), true),
    nodeAffinitySentence(map, domain),
    ...(drifts.length === 0 ? [nothingDrifted(domain)] : drifts.map(({ text }) => `Drift: ${text}.`)),
  ];
}

function nothingDrifted({ pagesUnknown }: MapDomain): string {
  if (pagesUnknown !== true) return 'Nothing has drifted.';
  return 'Where its memory is, is not known; in what is known, nothing has drifted.';
}

function expectedSentence(expected: Expected | null): string {
  if (expected === null)
    return "The requested affinity is not recorded: not in xennuma's state, not by xenopsd in XenStore, and not by libxl.";
  const { source, hard, soft } = expected;
  const hardWords = hardWordsOf(hard);
  const softWords = soft === null ? 'no soft affinity' : `soft affinity ${maskWords(soft)}`;
  return `Requested, according to ${source}: ${hardWords}, ${softWords}.`;
}

function hardWordsOf(hard: Expected['hard']): string {
  if (hard === null) return 'hard affinity not known';
  return typeof hard === 'string' ? 'no hard affinity' : `hard affinity ${maskWords(hard)}`;
}

function maskWords(masks: ExpectedMasks): string {
  const lists = masks.map((mask) => (mask === null ? '?' : formatList([...new Set(mask)].sort((a, b) => a - b)) || 'no CPU'));
  return [...new Set(lists)].length === 1 ? lists[0]! : lists.map((list, vcpu) => `${list} (vCPU ${vcpu})`).join(', ');
}

/** Masks that were not requested, and their likely cause. */
function masksSentences(map: HostMap, domain: MapDomain, expected: Expected | null): string[] {
  const present = map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu]));
  const sentences: string[] = [];
  for (const kind of ['hard', 'soft'] as const) {
    const wanted = expected?.[kind] ?? null;
    if (wanted !== null && typeof wanted !== 'string') continue;
    const masks = domain.vcpus.map((vcpu) => vcpu[kind].filter((cpu) => (map.cpus[cpu] ?? null) !== null));
    const lists = new Set(masks.map((mask) => formatList(mask)));
    if (lists.size !== 1 || masks[0]!.length === present.length) continue;
    const held = new Set(masks[0]);
    const nodes = [...new Set(present.filter(({ id }) => held.has(id)).map(({ node }) => node))].sort((a, b) => a - b);
    const whole = present.every(({ id, node }) => held.has(id) || !nodes.includes(node));
    const cause = whole
      ? `: it is all CPUs of ${nodeWords(nodes)}, as a placement sets it`
      : ', and no placement sets such a mask: it was set manually';
    sentences.push(`Its ${kind} affinity, ${[...lists][0]}, was not requested${cause}.`);
  }
  return sentences;
}

function landingValues(map: HostMap, domain: MapDomain) {
  const { vcpus } = domainFigures(map, domain);
  return {
    pages: [...domain.pages],
    vcpus: domain.vcpus.map(({ id, hard, soft }, index) => ({
      vcpu: id,
      hard: formatList(hard),
      soft: formatList(soft),
      nodes: [...vcpus[index]!.nodes],
    })),
  };
}

function nodeAffinitySentence(map: HostMap, domain: MapDomain): string {
  const held = domain.nodeAffinity.filter((node) => node < map.nodes.length);
  if (domain.nodeAffinityInferred === true)
    return `Its node affinity is not known; the affinity of its vCPUs gives ${nodeWords(held)}, unless it was set explicitly.`;
  const automatic = automaticNodeAffinity(map, domain);
  const follows = automatic !== null && formatList(automatic) === formatList(held);
  return `Its node affinity is ${nodeWords(held)}, ${follows ? 'as the affinity of its vCPUs gives it' : 'which the affinity of its vCPUs does not give'}: memory allocated from now on comes from there first.`;
}
