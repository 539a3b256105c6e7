// A surprise of the catalogue in a sentence or two, with the numbers of this run.
import { plural } from '../../base/phrases.js';
import { formatBytes } from '../../base/units.js';
import type { SurpriseEntry, SurpriseValues } from '../record.js';
import { SURPRISES, type SurpriseCode, surpriseClause } from '../surprises.js';
import { namedCpus, nodeList, pagesText, vcpuList } from './phrases.js';

/** Links, each once and numbered from 1. */
export class Sources {
  readonly #links: string[] = [];

  get links(): readonly string[] {
    return this.#links;
  }

  number(link: string): number {
    const known = this.#links.indexOf(link);
    return known === -1 ? this.#links.push(link) : known + 1;
  }
}

/** "Surprise: the mask is ignored by xapi (this run's numbers): what happens. What to do. [1]" */
export function surpriseSentence(entry: SurpriseEntry, sources: Sources): string {
  const { happens, advice, source } = SURPRISES[entry.code];
  const what = `Surprise: ${surpriseWords(entry)}: ${happens}.`;
  return `${what}${advice === null ? '' : ` ${advice}`} [${sources.number(source)}]`;
}

/**
 * A surprise as a clause with its numbers: "the mask is ignored by xapi ('1, 2': white space)". The
 * warnings before a start, `explain` and its summary all use these words.
 */
export function surpriseWords({ code, values }: Pick<SurpriseEntry, 'code' | 'values'>): string {
  const numbers = (DETAILS[code] as (values: SurpriseEntry['values']) => string)(values);
  return `${surpriseClause(code)}${numbers === '' ? '' : ` (${numbers})`}`;
}

const none = () => '';
const ignoredMask = ({ mask, reason }: { readonly mask: string; readonly reason: string }) => `'${mask}': ${reason}`;
const claim = ({ node, errno }: SurpriseValues['claim-refused']) => `node ${node}, ${errno}`;
const nodesOf = ({ nodes }: { readonly nodes: readonly number[] }) => nodeList(nodes);
const pagesOnNodes = ({ pages, nodes }: { readonly pages: number; readonly nodes: readonly number[] }) =>
  `${pagesText(pages)} on ${nodeList(nodes)}`;

const DETAILS: { readonly [C in SurpriseCode]: (values: SurpriseValues[C]) => string } = {
  'mask-ignored': ignoredMask,
  'host-mask-ignored': ignoredMask,
  'host-mask-stops-placement': ({ hostMask }) => (hostMask === null ? '' : `host mask '${hostMask}'`),
  'priority-ignored': ({ parameter, value }) => `${parameter} '${value}'`,
  'xl-cpus-ignored': none,
  'vnuma-needs-tight': ({ virtualNodes }) => `vnuma: ${virtualNodes}`,
  'xe-mask-ignored': ({ mask }) => `mask '${mask}'`,
  'all-ones-hard': none,
  'affinity-key-too-long': ({ bytes, mostBytes, pcpus }) => `${bytes} bytes of ${mostBytes} for ${plural(pcpus, 'CPU')}`,
  'empty-mask': ({ vcpus }) => vcpuList(vcpus),
  'cpus-beyond-host': ({ cpus, pcpus }) =>
    `${plural(cpus.length, 'number')} not in 0-${pcpus - 1}: ${cpus.slice(0, 8).join(', ')}${cpus.length > 8 ? ', ...' : ''}`,
  'masks-surplus': ({ given, vcpus }) => `${plural(given, 'mask')} for ${plural(vcpus, 'vCPU')}`,
  'first-mask-reused': ({ given, vcpus }) => `${plural(given, 'mask')} for ${plural(vcpus, 'vCPU')}`,
  ratchet: ({ nodes }) =>
    nodes
      .map(({ node, seenBytes, freeBytes }) => `node ${node}: ${formatBytes(seenBytes)} believed, ${formatBytes(freeBytes)} free`)
      .join('; '),
  'plan-not-deducted': ({ nodes, others }) =>
    `${nodeList(nodes)}, which ${plural(others.length, 'other VM')} not built yet had been planned on`,
  'usage-never-falls': ({ nodes }) =>
    nodes.map(({ node, count, living }) => `node ${node}: counted ${plural(count, 'time')}, used by ${living}`).join('; '),
  'multi-node-plan-sets-nothing': nodesOf,
  'claim-refused': claim,
  'no-node-claims': claim,
  'more-vcpus-than-cpus': ({ vcpus, cpus }) => `${plural(vcpus, 'vCPU')}, ${plural(cpus, 'CPU')}`,
  'single-nodes-only': ({ nodes }) => plural(nodes, 'node'),
  'soft-is-a-preference': ({ cpus }) => namedCpus(cpus),
  'one-unrestricted-vcpu': ({ nodeAffinity }) => nodeList(nodeAffinity),
  'pool-before-placement': ({ bytes }) => formatBytes(bytes),
  'memory-spilled': (values) => `${pagesOnNodes(values)}; node affinity: ${nodeList(values.affinity)}`,
  'memory-alternates': nodesOf,
  'hard-narrower-than-memory': pagesOnNodes,
  'gigabyte-extents': ({ elsewhereGib, nodes }) => `${elsewhereGib} GiB, although the node affinity is ${nodeList(nodes)}`,
  'dma-memory-last': (values) => `${pagesText(values.freePages)} left free on node 0, ${pagesOnNodes(values)}`,
  'dirty-memory': ({ scrubPages }) => pagesText(scrubPages),
  'pin-moves-no-memory': ({ nodes }) => `memory still on ${nodeList(nodes)}`,
  'manual-node-affinity': nodesOf,
  'all-nodes-is-not-all': nodesOf,
  'pool-move-resets-masks': none,
  'cap-zero-keeps': none,
  'chart-path': none,
  'policy-changes-later-builds': ({ builtBy, now }) => `built with: ${builtBy}; now: ${now}`,
  'xl-cpus-string': ({ cpus, nodes }) => `hard affinity ${namedCpus(cpus)}, memory on ${nodeList(nodes)}`,
};
