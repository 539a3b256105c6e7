// The nodes of vCPUs and memory, in sentences.

import type { NoteValues } from '../record.js';
import { nodeList, pagesText, vcpuList } from './phrases.js';

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
  const where = held.map(({ node, count }) => `node ${node}: ${pagesText(count)} (${share(count, total)})`);
  const groups = new Map<string, number[]>();
  for (const { vcpu, hard, soft, nodes } of values.vcpus) {
    const place = `CPUs ${hard} allowed, ${soft} preferred: ${nodeList(nodes)}`;
    groups.set(place, [...(groups.get(place) ?? []), vcpu]);
  }
  const sentences = [`Its memory ${now ? 'is on' : 'came from'} ${where.join(', ')}.`];
  for (const [place, vcpus] of groups) sentences.push(`${vcpuList(vcpus)}: ${place}.`);
  const part = local === total ? 'All' : share(local, total);
  sentences.push(`${part} of its memory is on the nodes of its vCPUs (${nodeList(vcpuNodes)}).`);
  return sentences;
}

export function share(part: number, total: number): string {
  const percent = (100 * part) / total;
  if (percent > 0 && percent < 0.1) return 'under 0.1 %';
  if (percent < 100 && percent > 99.9) return 'over 99.9 %';
  return `${Number(percent.toFixed(1))} %`;
}
