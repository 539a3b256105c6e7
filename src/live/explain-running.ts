// A domain that runs, in sentences: who asked for what, where its vCPUs and its memory are, whose
// choice that is, and what has drifted. Pure.
import { formatList } from '../base/bitset.js';
import { explainLanding } from '../flow/explain/landing.js';
import type { Expected, ExpectedMasks } from '../map/drift.js';
import { nodeWords } from '../map/drift-rules.js';
import { domainFigures } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import type { DomainVerdict } from '../map/judge.js';
import { automaticNodeAffinity } from '../map/union-rule.js';

/** What Xen says of a domain's state, where it does not run. */
const STATES: Readonly<Partial<Record<MapDomain['state'], string>>> = {
  paused: 'It is paused.',
  shutdown: 'Its guest has gone down, and its domain waits to be taken away.',
  dying: 'Xen is taking it apart.',
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
    ...(drifts.length === 0 ? ['Nothing has drifted.'] : drifts.map(({ text }) => `Drift: ${text}.`)),
  ];
}

function expectedSentence(expected: Expected | null): string {
  if (expected === null) return 'Nobody here tells what was asked for it: neither xennuma, nor xenopsd in XenStore, nor libxl.';
  const { source, hard, soft } = expected;
  const hardWords = hardWordsOf(hard);
  const softWords = soft === null ? 'no soft affinity' : `soft affinity ${maskWords(soft)}`;
  return `Asked for, by ${source}: ${hardWords}, ${softWords}.`;
}

function hardWordsOf(hard: Expected['hard']): string {
  if (hard === null) return 'hard affinity not known';
  return typeof hard === 'string' ? 'no hard affinity' : `hard affinity ${maskWords(hard)}`;
}

function maskWords(masks: ExpectedMasks): string {
  const lists = masks.map((mask) => (mask === null ? '?' : formatList([...new Set(mask)].sort((a, b) => a - b)) || 'no CPU'));
  return [...new Set(lists)].length === 1 ? lists[0]! : lists.map((list, vcpu) => `${list} (vCPU ${vcpu})`).join(', ');
}

/** Masks that nobody asked for, and what sets such ones. */
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
    const who = whole ? `: all CPUs of ${nodeWords(nodes)}, as a placement sets it` : ', which no placement sets: it was set by hand';
    sentences.push(`Nobody asked for its ${kind} affinity, ${[...lists][0]}${who}.`);
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
  const automatic = automaticNodeAffinity(map, domain);
  const follows = automatic !== null && formatList(automatic) === formatList(held);
  return `Its node affinity is ${nodeWords(held)}, ${follows ? 'as the affinity of its vCPUs gives it' : 'which the affinity of its vCPUs does not give'}: memory that it takes from now on comes from there first.`;
}
