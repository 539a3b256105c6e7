// Amounts and lists in the wording of explain.
import { formatList } from '../../base/bitset.js';
import { formatBytes, PAGE_BYTES } from '../../base/units.js';

export function pagesText(pages: number): string {
  return formatBytes(pages * PAGE_BYTES);
}

/** "vCPU 0", "vCPUs 0-3". */
export function vcpuList(vcpus: readonly number[]): string {
  const sorted = [...new Set(vcpus)].sort((a, b) => a - b);
  return `vCPU${sorted.length === 1 ? '' : 's'} ${formatList(sorted)}`;
}

/** "node 0", "nodes 0-1,3", "no node". */
export function nodeList(nodes: readonly number[]): string {
  const sorted = [...new Set(nodes)].sort((a, b) => a - b);
  return sorted.length === 0 ? 'no node' : `node${sorted.length === 1 ? '' : 's'} ${formatList(sorted)}`;
}

/** "node 0", "nodes 0-1": for a list that is already text. */
export function namedNodes(list: string): string {
  if (list === '') return 'no node';
  return `node${/[-,]/.test(list) ? 's' : ''} ${list}`;
}

/** "CPU 3", "CPUs 0-3", "no CPU". */
export function namedCpus(list: string): string {
  if (list === '') return 'no CPU';
  return `CPU${/[-,]/.test(list) ? 's' : ''} ${list}`;
}
