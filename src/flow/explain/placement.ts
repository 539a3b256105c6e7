// A placement in sentences: the needs of the VM, the planner's view, the sets of nodes that it
// weighed and its choice.

import { plural } from '../../base/phrases.js';
import { formatBytes } from '../../base/units.js';
import { UNREACHABLE } from '../../machine/model.js';
import type { NodeValues } from '../record.js';
import { namedCpus, nodeList } from './phrases.js';

type Placement = Extract<NodeValues['numa_placement'], { readonly numa: true }>;
type Weighed = Placement['weighed'][number];

/** @param most most sets of nodes to list; the chosen one is always listed */
export function explainPlacement(values: NodeValues['numa_placement'], most: number): string[] {
  if (!values.numa) return [];
  const cores = values.cores > 0 ? ` on ${plural(values.cores, 'core')}` : '';
  const sentences = [
    `The placement needs ${plural(values.vcpus, 'vCPU')}${cores} and ${formatBytes(values.memoryBytes)}.`,
    `The planner saw: ${perNode(values)}.`,
  ];
  if (values.weighed.length > 0) sentences.push(weighedSentence(values.weighed, most));
  if (values.nodes === null)
    sentences.push('No set of nodes fits, so nothing was set: the VM may run anywhere, and its memory may come from any node.');
  else sentences.push(`It chose ${nodeList(values.nodes)}, ${namedCpus(values.cpus ?? '')}.`);
  return sentences;
}

function perNode({ availableBytes, freeBytes, usageBefore }: Placement): string {
  const groups = new Map<string, number[]>();
  for (const [node, available] of availableBytes.entries()) {
    const free = freeBytes[node];
    const really = free === undefined || free === available ? '' : ` (really ${formatBytes(free)})`;
    const what = `${formatBytes(available)} free${really}, counted as used ${plural(usageBefore[node] ?? 0, 'time')}`;
    groups.set(what, [...(groups.get(what) ?? []), node]);
  }
  return [...groups].map(([what, nodes]) => `${nodeList(nodes)}: ${what}`).join('; ');
}

/** Sets with the same verdict at the same distance are listed together. */
function weighedSentence(weighed: readonly Weighed[], most: number): string {
  const groups: { verdict: Weighed['verdict']; distance: number; sets: Weighed[] }[] = [];
  for (const one of weighed) {
    const last = groups.at(-1);
    if (last?.verdict === one.verdict && last.distance === one.averageDistance) last.sets.push(one);
    else groups.push({ verdict: one.verdict, distance: one.averageDistance, sets: [one] });
  }
  const shown = groups.slice(0, most);
  const chosen = groups.find(({ verdict }) => verdict === 'chosen');
  if (chosen !== undefined && !shown.includes(chosen)) shown.push(chosen);
  const parts = shown.map(({ verdict, distance, sets }) => `${setNames(sets)} (${setDetails(distance, sets)}) ${verdict}`);
  const rest = groups.length - shown.length;
  return `Weighed, nearest first: ${parts.join('; ')}${rest > 0 ? `; ${rest} more` : ''}.`;
}

function setNames(sets: readonly Weighed[]): string {
  const names = sets.map(({ nodes }) => `{${nodes.join(',')}}`);
  return names.length > 4 ? `${names.slice(0, 3).join(' ')} and ${names.length - 3} more` : names.join(' ');
}

function setDetails(distance: number, [first, ...others]: readonly Weighed[]): string {
  const far = distance >= UNREACHABLE / 2 ? 'unreachable' : `distance ${Number(distance.toFixed(2))}`;
  if (first === undefined || others.length > 0) return far;
  return `${far}, ${formatBytes(first.freeBytes)}, ${plural(first.cpus, 'CPU')}`;
}
