// A plan of many VMs: a row for each node, and rows only for the VMs that the user selects.
import { textColumns } from '../../base/columns.js';
import { tableLines } from '../../base/table.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { HostAnswer, VmAnswer } from '../answers/answers.js';
import { sizeWords } from './phrases.js';
import { columns, type Palette } from './terminal.js';
import { MOST_ROWS } from './vm-table.js';

export const ROW_CHOICES = ['all', 'spread', 'failed', 'none'] as const;
export type RowChoice = (typeof ROW_CHOICES)[number];

/** All rows of a few VMs, none of many. */
export function rowsByDefault(vms: number): RowChoice {
  return vms > MOST_ROWS ? 'none' : 'all';
}

export function chosenRows(vms: readonly VmAnswer[], choice: RowChoice): readonly VmAnswer[] {
  if (choice === 'all') return vms;
  if (choice === 'none') return [];
  return vms.filter(choice === 'failed' ? ({ failure }) => failure !== null : ({ onOneNode }) => onOneNode === false);
}

/**
 * A row a node: VMs with memory there, those of them with all of it there, their vCPUs, the memory
 * that they hold and what is left.
 */
export function nodeTable({ nodes }: HostAnswer, vms: readonly VmAnswer[], colour: Palette): string[] {
  const sums = nodes.map(() => ({ vms: 0, alone: 0, vcpus: 0, pages: 0 }));
  for (const { pagesByNode, vcpus, onOneNode } of vms) {
    pagesByNode?.forEach((pages, node) => {
      const sum = sums[node];
      if (sum === undefined || pages === 0) return;
      sum.vms++;
      sum.pages += pages;
      if (onOneNode !== true) return;
      sum.alone++;
      sum.vcpus += vcpus;
    });
  }
  const heading = ['node', 'VMs', 'on it alone', 'their vCPUs', 'memory of VMs', 'free'].map(colour.bold);
  const rows = nodes.map(({ id, freeBytes }, at) => {
    const { vms: count, alone, vcpus, pages } = sums[at]!;
    return [String(id), ...[count, alone, vcpus].map(String), sizeWords(pages * PAGE_BYTES), sizeWords(freeBytes)];
  });
  const right = heading.map((_, column) => column);
  const wide = tableLines([heading, ...rows], { right });
  if (Math.max(...wide.map(textColumns)) <= columns()) return wide;
  const narrow = [0, 1, 4, 5];
  return tableLines(
    [heading, ...rows].map((row) => narrow.map((column) => row[column]!)),
    { right, gap: 1 },
  );
}
