// `rebalance --html`: the moves with their commands, and the figures before and after them.
import { plural } from '../../../base/phrases.js';
import { formatBytes } from '../../../base/units.js';
import { cell, type PageReport, type ReportCell } from '../../../page/page-report.js';
import type { RebalanceAnswer } from '../../answers/rebalance/schema.js';
import { nodeWords } from '../phrases.js';

type Totals = RebalanceAnswer['before'];
type Move = RebalanceAnswer['freeMoves'][number] | RebalanceAnswer['migrations'][number];

export function rebalanceReport(answer: RebalanceAnswer): PageReport {
  const { host, freeMoves, migrations, left, notes, bound, after } = answer;
  const most = bound === null ? null : (bound.best ?? bound).onOneNode;
  const lines = migrations.flatMap((move) => move.commands.map((text) => ({ text, why: `${move.name}, a migration: ${gain(move)}` })));
  return {
    name: 'Moves',
    title: `${host}: ${plural(freeMoves.length, 'free move')} and ${plural(migrations.length, 'migration')}`,
    sentences: [
      freeMoves.length + migrations.length === 0
        ? 'There is nothing to move.'
        : 'Free moves let vCPUs prefer the nodes of their memory. Each migration begins after the one before has ended.',
      ...left.map(({ name, reason }) => `${name} is not on one node at the end: ${reason}.`),
      ...notes,
    ],
    tables: [
      { caption: 'Figures', columns: ['', 'Now', 'After free moves', 'After all'], rows: figureRows(answer) },
      {
        caption: 'Moves',
        columns: ['VM', 'Kind', 'To', 'CPUs', 'Mean distance', 'Memory copied'],
        rows: [...freeMoves, ...migrations].map((move) => [
          cell(move.name),
          cell('bytes' in move ? 'migration' : 'free'),
          cell(nodeWords(move.nodes)),
          cell(move.cpus),
          cell(`${number(move.before.meanDistance)} becomes ${number(move.after.meanDistance)}`),
          cell('bytes' in move ? formatBytes(move.bytes) : '0'),
        ]),
      },
    ],
    bars: [
      {
        title: 'VMs on one node',
        most: after.vms,
        bars: [
          { name: 'now', value: answer.before.onOneNode, bound: most },
          { name: 'after all moves', value: after.onOneNode, bound: most },
        ],
      },
    ],
    plots: [],
    commands: [...freeMoves.map((move) => ({ text: move.command, why: `${move.name}, a free move: ${gain(move)}` })), ...lines],
  };
}

const number = (value: number | null): string => (value === null ? 'unknown' : String(Number(value.toFixed(1))));

function gain(move: Move): string {
  if ('makesRoom' in move && move.makesRoom) return 'makes room for others';
  return `mean distance ${number(move.before.meanDistance)} becomes ${number(move.after.meanDistance)}`;
}

const FIGURES: readonly [string, (totals: Totals) => string][] = [
  ['VMs on one node', ({ onOneNode, vms }) => `${onOneNode} of ${vms}`],
  ['Mean distance', ({ meanDistance }) => number(meanDistance)],
  ['Worst distance', ({ worstDistance }) => number(worstDistance)],
  ['Remote memory', ({ remoteBytes }) => (remoteBytes === 0 ? '0' : formatBytes(remoteBytes))],
];

function figureRows({ before, afterFreeMoves, after }: RebalanceAnswer): ReportCell[][] {
  return FIGURES.map(([label, text]) => [
    cell(label),
    ...[before, afterFreeMoves, after].map((totals) => cell(text(totals), text(totals) !== text(before))),
  ]);
}
