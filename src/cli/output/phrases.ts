// Sets of CPUs, nodes and distances in few words, for table columns.

import { fitColumns } from '../../base/columns.js';
import { percentOf } from '../../base/phrases.js';
import type { HostAnswer, VmAnswer } from '../answers/answers.js';

/**
 * Words for a list of CPUs such as "16-31,144-159": "all", "node 1", "nodes 0,2", or the list
 * itself.
 */
export function cpuWords(host: HostAnswer): (list: string, most?: number) => string {
  const expand = (list: string) =>
    new Set(
      list.split(',').flatMap((item) => {
        const [from, to] = item.split('-').map(Number);
        return item === '' ? [] : Array.from({ length: (to ?? from!) - from! + 1 }, (_, index) => from! + index);
      }),
    );
  const nodes = host.nodes.map((node) => ({ id: node.id, cpus: expand(node.cpus) }));
  const total = nodes.reduce((sum, node) => sum + node.cpus.size, 0);
  const wordsOf = (list: string, cpus: ReadonlySet<number>, whole: readonly { readonly id: number }[], covered: number): string => {
    // Xen's "all" extends to its highest CPU number, including absent CPUs.
    if (covered === total) return 'all';
    if (cpus.size === covered && covered > 0) return nodeWords(whole.map((node) => node.id));
    return list === '' ? 'none' : list;
  };
  const known = new Map<string, string>();
  return (list, most = 14) => {
    const seen = known.get(list);
    if (seen !== undefined) return fitColumns(seen, most, '...');
    const cpus = expand(list);
    const whole = nodes.filter((node) => node.cpus.size > 0 && [...node.cpus].every((cpu) => cpus.has(cpu)));
    const covered = whole.reduce((sum, node) => sum + node.cpus.size, 0);
    // Xen's "all" extends to its highest CPU number, including absent CPUs.
    const words = wordsOf(list, cpus, whole, covered);
    known.set(list, words);
    return fitColumns(words, most, '...');
  };
}

/** "node 1", "nodes 0,2", "none" */
export function nodeWords(nodes: readonly number[]): string {
  if (nodes.length === 0) return 'none';
  if (nodes.length > 3 && nodes.at(-1)! - nodes[0]! === nodes.length - 1) return `nodes ${nodes[0]}-${nodes.at(-1)}`;
  return `node${nodes.length === 1 ? '' : 's'} ${nodes.join(',')}`;
}

/**
 * Nodes that hold memory, with the share of each where there are two or three: "node 1", "1:75%
 * 2:25%".
 */
export function memoryWords(pagesByNode: readonly number[]): string {
  const total = pagesByNode.reduce((sum, pages) => sum + pages, 0);
  const held = pagesByNode.flatMap((pages, node) => (pages > 0 ? [{ node, share: pages / total }] : []));
  if (held.length < 2 || held.length > 3) return nodeWords(held.map(({ node }) => node));
  return held.map(({ node, share }) => `${node}:${percent(share)}`).join(' ');
}

/** 0.0004 is "<0.1%" and 0.9996 is ">99.9%", because neither is none or all. */
export function percent(share: number): string {
  return percentOf(share, 1);
}

export function distanceWords(value: VmAnswer['meanDistance']): string {
  if (value === null) return '-';
  return typeof value === 'number' ? String(Number(value.toFixed(1))) : value;
}

/**
 * Bytes in a column, to a tenth: "1 GiB", "4.1 GiB", "512 MiB". A VM holds slightly more or less
 * memory than it requested.
 */
export function sizeWords(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 0.95 ? `${Number(gib.toFixed(1))} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
