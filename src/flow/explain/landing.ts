// The nodes of vCPUs and memory, in sentences.

import { formatList } from '../../base/bitset.js';
import { percentOf } from '../../base/phrases.js';
import type { NoteValues } from '../record.js';
import { nodeList, pagesText, vcpuList } from './phrases.js';

/** With as few vCPUs, each has a sentence of its own even if all have one form. */
const MOST_PLACES = 2;

/** Memory by node and the nodes of the vCPUs. */
export interface Landing {
  /** Nodes that hold some of its memory, and how many pages. */
  readonly held: readonly { readonly node: number; readonly count: number }[];
  readonly totalPages: number;
  readonly vcpuNodes: readonly number[];
  /** Pages on the nodes of its vCPUs. */
  readonly localPages: number;
}

export function landingOf({ pages, vcpus }: Pick<NoteValues['landed'], 'pages' | 'vcpus'>): Landing {
  const held = pages.flatMap((count, node) => (count > 0 ? [{ node, count }] : []));
  const vcpuNodes = [...new Set(vcpus.flatMap(({ nodes }) => nodes))];
  const sum = (some: typeof held) => some.reduce((total, { count }) => total + count, 0);
  return { held, totalPages: sum(held), vcpuNodes, localPages: sum(held.filter(({ node }) => vcpuNodes.includes(node))) };
}

/** @param now true for the current state, false for the state after the build */
export function explainLanding(values: Pick<NoteValues['landed'], 'pages' | 'vcpus'>, now = false): string[] {
  const { held, totalPages: total, vcpuNodes, localPages: local } = landingOf(values);
  if (total === 0) return [];
  const where = held.map(({ node, count }) => `node ${node}: ${pagesText(count)} (${percentOf(count, total)})`);
  const groups = placesOf(values.vcpus);
  const sentences = [`Its memory ${now ? 'is on' : 'came from'} ${where.join(', ')}.`];
  for (const [place, vcpus] of groups) sentences.push(`${vcpuList(vcpus)}: ${place}.`);
  const part = local === total ? 'All' : percentOf(local, total);
  sentences.push(`${part} of its memory is on the nodes of its vCPUs (${nodeList(vcpuNodes)}).`);
  return sentences;
}

/** The vCPUs by the place where they may run. */
function placesOf(vcpus: NoteValues['landed']['vcpus']): Map<string, number[]> {
  const single = vcpus.filter(({ hard }) => /^\d+$/.test(hard));
  const own = new Set(single.map(({ hard }) => Number(hard)));
  // `dom0_vcpus_pin` gives each vCPU a CPU of its own: a sentence for each would hide the form.
  if (vcpus.length > MOST_PLACES && single.length === vcpus.length && own.size === vcpus.length) {
    const nodes = [...new Set(vcpus.flatMap((vcpu) => vcpu.nodes))].sort((a, b) => a - b);
    const cpus = formatList([...own].sort((a, b) => a - b));
    return new Map([[`each is allowed one CPU of its own, of ${cpus}: ${nodeList(nodes)}`, vcpus.map(({ vcpu }) => vcpu)]]);
  }
  const groups = new Map<string, number[]>();
  for (const { vcpu, hard, soft, nodes } of vcpus) {
    const place = `CPUs ${hard} allowed, ${soft} preferred: ${nodeList(nodes)}`;
    groups.set(place, [...(groups.get(place) ?? []), vcpu]);
  }
  return groups;
}
