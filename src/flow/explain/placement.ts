// A placement in sentences: what was asked, what the planner saw, which sets it weighed, what it chose. Part of explain.

import { formatBytes } from '../../base/units.js';
import { UNREACHABLE } from '../../machine/model.js';
import type { FlowValues } from '../path.js';
import { bool, bytes, nodeList, number, numbers, plural, records, text } from './phrases.js';

export function explainPlacement(values: FlowValues, most: number): string[] {
  if (bool(values, 'numa') === false) return [];
  const vcpus = number(values, 'vcpus') ?? 0;
  const cores = number(values, 'cores') ?? 0;
  const sentences = [
    `Placement asked for ${plural(vcpus, 'vCPU')}${cores > 0 ? ` on ${plural(cores, 'core')}` : ''} and ${bytes(values, 'memoryBytes')}.`,
    `The planner saw: ${perNode(values)}.`,
  ];
  const weighed = records(values, 'weighed');
  if (weighed.length > 0) sentences.push(...weighedSentences(weighed, most));
  const nodes = values.nodes === null ? null : numbers(values, 'nodes');
  if (nodes === null)
    sentences.push('No set of nodes fits, so nothing was set: the VM may run anywhere, and its memory may come from any node.');
  else sentences.push(`It chose ${nodeList(nodes)}, CPUs ${text(values, 'cpus')}.`);
  return sentences;
}

function perNode(values: FlowValues): string {
  const [available, usage, free] = [numbers(values, 'availableBytes'), numbers(values, 'usageBefore'), numbers(values, 'freeBytes')];
  const groups = new Map<string, number[]>();
  available.forEach((seen, node) => {
    const really = free[node] === undefined || free[node] === seen ? '' : ` (really ${formatBytes(free[node])})`;
    const key = `${formatBytes(seen)} free${really}, counted as used ${plural(usage[node] ?? 0, 'time')}`;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  });
  return [...groups].map(([what, nodes]) => `${nodeList(nodes)}: ${what}`).join('; ');
}

/** Sets with the same fate at the same distance are told together. */
function weighedSentences(weighed: readonly FlowValues[], most: number): string[] {
  const groups: { verdict: string; distance: number; sets: string[]; detail: string }[] = [];
  for (const one of weighed) {
    const verdict = text(one, 'verdict') ?? '';
    const distance = number(one, 'averageDistance') ?? 0;
    const set = `{${numbers(one, 'nodes').join(',')}}`;
    const detail = `${bytes(one, 'freeBytes')}, ${plural(number(one, 'cpus') ?? 0, 'CPU')}`;
    const last = groups.at(-1);
    if (last?.verdict === verdict && last.distance === distance) last.sets.push(set);
    else groups.push({ verdict, distance, sets: [set], detail });
  }
  const shown = groups.slice(0, most);
  const chosen = groups.find(({ verdict }) => verdict === 'chosen');
  if (chosen !== undefined && !shown.includes(chosen)) shown.push(chosen);
  const parts = shown.map(({ verdict, distance, sets, detail }) => {
    const names = sets.length > 4 ? `${sets.slice(0, 3).join(' ')} and ${sets.length - 3} more` : sets.join(' ');
    const far = distance >= UNREACHABLE / 2 ? 'unreachable' : `distance ${Number(distance.toFixed(2))}`;
    return `${names} (${far}${sets.length === 1 ? `, ${detail}` : ''}) ${verdict}`;
  });
  const rest = groups.length - shown.length;
  return [`Weighed, nearest first: ${parts.join('; ')}${rest > 0 ? `; ${rest} more` : ''}.`];
}
