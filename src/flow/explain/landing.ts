// Where vCPUs and memory came to lie, in sentences. Part of explain.

import type { FlowValues } from '../path.js';
import { nodeList, number, numbers, pagesText, records, text, vcpuList } from './phrases.js';

export interface Landed {
  /** Nodes that hold some of its memory, and how many pages. */
  readonly held: readonly { readonly node: number; readonly count: number }[];
  readonly totalPages: number;
  readonly vcpuNodes: readonly number[];
  /** Pages on those. */
  readonly localPages: number;
}

export function landedOf(values: FlowValues): Landed {
  const held = numbers(values, 'pages').flatMap((count, node) => (count > 0 ? [{ node, count }] : []));
  const vcpuNodes = [...new Set(records(values, 'vcpus').flatMap((vcpu) => numbers(vcpu, 'nodes')))];
  const sum = (some: typeof held) => some.reduce((pages, { count }) => pages + count, 0);
  return { held, totalPages: sum(held), vcpuNodes, localPages: sum(held.filter(({ node }) => vcpuNodes.includes(node))) };
}

/** @param now it is so at this moment; else it was so when a domain had been built */
export function explainLanding(values: FlowValues, now = false): string[] {
  const { held, totalPages: total, vcpuNodes, localPages: local } = landedOf(values);
  if (total === 0) return [];
  const where = held.map(({ node, count }) => `node ${node}: ${pagesText(count)} (${share(count, total)})`);
  const groups = new Map<string, number[]>();
  for (const vcpu of records(values, 'vcpus')) {
    const key = `CPUs ${text(vcpu, 'hard')} allowed, ${text(vcpu, 'soft')} preferred: ${nodeList(numbers(vcpu, 'nodes'))}`;
    groups.set(key, [...(groups.get(key) ?? []), number(vcpu, 'vcpu') ?? 0]);
  }
  const sentences = [`${now ? 'Its memory lies' : 'Memory came to lie'} on ${where.join(', ')}.`];
  for (const [what, vcpus] of groups) sentences.push(`${vcpuList(vcpus)} run there: ${what}.`.replace(' run there:', ':'));
  const verdict =
    local === total
      ? 'All of its memory is on the nodes of its vCPUs'
      : `${share(local, total)} of its memory is on the nodes of its vCPUs`;
  sentences.push(`${verdict} (${nodeList(vcpuNodes)}).`);
  return sentences;
}

export function share(part: number, total: number): string {
  const percent = (100 * part) / total;
  if (percent > 0 && percent < 0.1) return 'under 0.1 %';
  if (percent < 100 && percent > 99.9) return 'over 99.9 %';
  return `${Number(percent.toFixed(1))} %`;
}
