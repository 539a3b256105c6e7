// A running domain in sentences: the affinity requested for it and by which tool, the nodes of its
// vCPUs and its memory, the cause of both, and any drift. Pure.
import { formatList } from '../base/bitset.js';
import { explainLanding } from '../flow/explain/landing.js';
import type { Expected, ExpectedMasks } from '../map/drift.js';
import { nodeWords } from '../map/drift-rules.js';
import { domainFigures } from '../map/figures.js';
import { type HostMap, type MapDomain, poolName } from '../map/host-map.js';
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
    ...placeSentences(map, domain, expected),
    ...(drifts.length === 0 ? [nothingDrifted(domain)] : drifts.map(({ text }) => `Drift: ${text}.`)),
  ];
}

/** Its masks and its memory, as far as they are known. */
function placeSentences(map: HostMap, domain: MapDomain, expected: Expected | null): string[] {
  const { masksUnknown, poolUnknown } = domain;
  if (masksUnknown !== true && poolUnknown !== true) {
    return [
      ...poolSentence(map, domain),
      ...masksSentences(map, domain, expected),
      ...explainLanding(landingValues(map, domain), true),
      nodeAffinitySentence(map, domain),
    ];
  }
  const [memory] = explainLanding(landingValues(map, domain), true);
  const affinity = domain.nodeAffinityInferred === true ? [] : [`Its node affinity is ${nodeWords(domain.nodeAffinity)}.`];
  return [
    ...(masksUnknown === true ? ['The affinity of all its vCPUs is not known.'] : masksSentences(map, domain, expected)),
    ...(poolUnknown === true ? ['Its CPU pool, and so where its vCPUs may run, is not known.'] : []),
    ...(memory === undefined ? [] : [memory]),
    ...affinity,
  ];
}

function nothingDrifted({ pagesUnknown, masksUnknown, poolUnknown }: MapDomain): string {
  if (masksUnknown === true || poolUnknown === true) return 'In what is known, nothing has drifted.';
  if (pagesUnknown !== true) return 'Nothing has drifted.';
  return 'Where its memory is, is not known; in what is known, nothing has drifted.';
}

function expectedSentence(expected: Expected | null): string {
  if (expected === null)
    return "The requested affinity is not recorded: not in xennuma's state, not by xenopsd in XenStore, and not by libxl.";
  const { source, hard, soft, ignoredMask } = expected;
  if (ignoredMask !== undefined && typeof hard === 'string')
    return `Requested, according to ${source}: the mask '${ignoredMask.mask}', which is ignored, for ${ignoredMask.reason}.`;
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

/** Where a mask comes from if no record says what was requested. */
const ORIGINS: Readonly<Record<'hard' | 'soft', string>> = {
  hard: "`VCPUs-params:mask` of xapi, `cpus=` of xl's configuration, a placement and `xl vcpu-pin` set it",
  soft: "`cpus_soft=` of xl's configuration, a placement and `xl vcpu-pin` set it",
};

/** Masks that were not requested, and their likely cause; or the possible ones. */
function masksSentences(map: HostMap, domain: MapDomain, expected: Expected | null): string[] {
  const present = map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu]));
  const sentences: string[] = [];
  for (const kind of ['hard', 'soft'] as const) {
    const wanted = expected?.[kind] ?? null;
    if (wanted !== null && typeof wanted !== 'string') continue;
    const lists = new Set(domain.vcpus.map((vcpu) => formatList(vcpu[kind])));
    const held = new Set(domain.vcpus[0]?.[kind]);
    if (lists.size !== 1 || present.every(({ id }) => held.has(id))) continue;
    const text = `${[...lists][0] || 'no CPU'}${notOnline(map, held)}`;
    // Of soft affinity, null means "left to the placement" where the rest of the request is known.
    if (expected === null || (kind === 'hard' && wanted === null)) {
      sentences.push(`Its ${kind} affinity is ${text}. Whether that was requested is not known: ${ORIGINS[kind]}.`);
      continue;
    }
    const nodes = [...new Set(present.filter(({ id }) => held.has(id)).map(({ node }) => node))].sort((a, b) => a - b);
    const whole = present.every(({ id, node }) => held.has(id) || !nodes.includes(node));
    const cause = whole
      ? `: it is all CPUs of ${nodeWords(nodes)}, as a placement sets it`
      : ', and no placement sets such a mask: it was set manually';
    const request = kind === 'hard' && expected.ignoredMask !== undefined ? 'does not come from the ignored mask' : 'was not requested';
    sentences.push(`Its ${kind} affinity, ${text}, ${request}${cause}.`);
  }
  return sentences;
}

/** " (12-15 are offline or absent)" */
function notOnline({ cpus }: HostMap, mask: Iterable<number>): string {
  const dead = [...mask].filter((cpu) => cpus[cpu]?.online !== true);
  return dead.length === 0 ? '' : ` (${formatList(dead)} ${dead.length === 1 ? 'is' : 'are'} offline or absent)`;
}

/** The pool of a domain on a host with several, or with CPUs in none. */
function poolSentence(map: HostMap, { pool }: MapDomain): string[] {
  const online = map.cpus.flatMap((cpu) => (cpu?.online === true ? [cpu] : []));
  const own = online.filter((cpu) => cpu.pool === pool);
  if (own.length === online.length) return [];
  return [`It is in CPU pool ${poolName(map, pool)}, with CPUs ${formatList(own.map(({ id }) => id))}: it runs nowhere else.`];
}

function landingValues(map: HostMap, domain: MapDomain) {
  const { vcpus } = domainFigures(map, domain);
  return {
    pages: [...domain.pages],
    vcpus: domain.vcpus.map(({ id }, index) => ({
      vcpu: id,
      // Xen runs it on online CPUs of its pool only, whatever else the masks name.
      hard: formatList(vcpus[index]!.effective),
      soft: formatList(vcpus[index]!.preferred),
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
