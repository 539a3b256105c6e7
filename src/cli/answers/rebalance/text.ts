// A plan of rebalancing as text: each move with its gain and its commands, then the figures before
// and after.
import { wrapWords } from '../../../base/columns.js';
import { listNames } from '../../../base/phrases.js';
import { harmless } from '../../../base/safe-text.js';
import { tableLines } from '../../../base/table.js';
import { formatBytes } from '../../../base/units.js';
import { nodeWords, sizeWords } from '../../output/phrases.js';
import { columns, commandColumns, palette } from '../../output/terminal.js';
import type { RebalanceAnswer } from './schema.js';

type Move = RebalanceAnswer['freeMoves'][number] | RebalanceAnswer['migrations'][number];

/** Further names are only counted. */
const MOST_NAMES = 8;

export function rebalanceText(result: RebalanceAnswer): string[] {
  const colour = palette();
  const { freeMoves, migrations, before, notes } = result;
  const say = (text: string, indent = '  ') => wrapWords(text, columns(), indent);
  const title = `${colour.bold(harmless(result.host))}, ${result.hypervisor}: ${before.vms} VM${before.vms === 1 ? '' : 's'}`;
  const lines = say(title);
  if (freeMoves.length > 0) {
    lines.push('', ...say('Free moves: vCPUs go to the nodes of their memory, which stays where it is.'));
    freeMoves.forEach((move, index) => {
      lines.push(...say(`${index + 1}. ${nameOf(move)} to ${nodeWords(move.nodes)}: ${gainWords(move)}`, '     '));
      lines.push(`     ${move.command}${stateWords(move.state)}`);
    });
  }
  if (migrations.length > 0) {
    lines.push('', ...say('Migrations on the host itself, each after the one before has ended:'));
    migrations.forEach((move, index) => {
      const way = `${sourceWords(move.bytesBefore)} to ${nodeWords(move.nodes)}`;
      const gain = move.makesRoom ? 'makes room for others' : gainWords(move);
      lines.push(...say(`${freeMoves.length + index + 1}. ${nameOf(move)}, ${sizeWords(move.bytes)} from ${way}: ${gain}`, '     '));
      // Whole, so that they can be copied.
      lines.push(...move.commands.map((command) => `     ${command}`));
    });
  }
  lines.push('', ...totalsTable(result), '', ...verdict(result).flatMap((text) => say(text)));
  lines.push(...boundLines(result).flatMap((text) => say(text)), ...leftLines(result).flatMap((text) => say(text)));
  return [...lines, ...notes.flatMap((note) => wrapWords(`note: ${note}`, commandColumns(), '  '))];
}

function nameOf({ name, domid }: Move): string {
  return `${palette().bold(harmless(name))} (domain ${domid})`;
}

function sourceWords(bytes: readonly number[]): string {
  return nodeWords(bytes.flatMap((held, node) => (held > 0 ? [node] : [])));
}

const number = (value: number | null) => (value === null ? '-' : String(Number(value.toFixed(1))));

/** The changes of a move for its VM; unchanged values are left out. */
function gainWords({ before, after }: Move): string {
  const parts: string[] = [];
  const [from, to] = [number(before.meanDistance), number(after.meanDistance)];
  parts.push(from === to ? `mean distance ${to}, as before` : `mean distance ${from} -> ${to}`);
  if (before.worstDistance !== after.worstDistance) parts.push(`worst ${number(before.worstDistance)} -> ${number(after.worstDistance)}`);
  if (after.onOneNode && !before.onOneNode) parts.push('on one node');
  return parts.join(', ');
}

function stateWords(state: RebalanceAnswer['freeMoves'][number]['state']): string {
  return { shown: '', done: '   (done)', failed: '   (failed)', left: '   (not run)' }[state];
}

function totalsTable({ before, afterFreeMoves, after, freeMoves, migrations }: RebalanceAnswer): string[] {
  const stages = [
    { title: 'now', totals: before },
    ...(freeMoves.length === 0 ? [] : [{ title: 'free moves', totals: afterFreeMoves }]),
    ...(migrations.length === 0 ? [] : [{ title: 'migrations', totals: after }]),
  ];
  const row = (title: string, cell: (totals: RebalanceAnswer['before']) => string) => [title, ...stages.map(({ totals }) => cell(totals))];
  const [heading, ...rows] = [
    ['', ...stages.map(({ title }) => title)],
    row('on one node', ({ onOneNode, vms }) => `${onOneNode} of ${vms}`),
    row('mean distance', ({ meanDistance }) => number(meanDistance)),
    row('worst distance', ({ worstDistance }) => number(worstDistance)),
    row('remote memory', ({ remoteBytes }) => (remoteBytes === 0 ? '0' : formatBytes(remoteBytes))),
  ];
  const lines = tableLines([heading!, ...rows], { right: stages.map((_, at) => at + 1) });
  if (lines.every((line) => line.length <= columns())) return lines;
  return rows.flatMap(([title, ...cells]) => {
    const after = cells.map((cell, at) => (at === 0 ? `${cell} now` : `${cell} after ${heading![at + 1]}`));
    return wrapWords(`${title}: ${after.join(', ')}`, columns(), '  ');
  });
}

function verdict(result: RebalanceAnswer): string[] {
  const { freeMoves, migrations, exact, limits } = result;
  const done = freeMoves.some(({ state }) => state !== 'shown');
  const total = migrations.reduce((sum, { bytes }) => sum + bytes, 0);
  const limited = limits.maxMoves !== null || limits.maxBytes !== null;
  const within = limited ? ' within the limits' : '';
  const sentences: string[] = [];
  if (migrations.length > 0) sentences.push(`The migrations copy ${formatBytes(total)}.`);
  if (hardlyWorthIt(result))
    sentences.push('They are hardly worth it: the mean distance falls by less than 2 %, and no further VM gets onto one node.');
  if (migrations.length + freeMoves.length === 0) sentences.push('Nothing to move.');
  sentences.push(proofWords(exact, migrations.length > 0, within));
  if (!done && migrations.length + freeMoves.length > 0) sentences.push('Nothing was changed.');
  return [sentences.join(' ')];
}

/** Migrations that gain less than this share of the mean distance are called hardly worth it. */
const LEAST_GAIN = 0.02;

function hardlyWorthIt({ migrations, afterFreeMoves, after }: RebalanceAnswer): boolean {
  if (migrations.length === 0 || afterFreeMoves.meanDistance === null || after.meanDistance === null) return false;
  return after.onOneNode <= afterFreeMoves.onOneNode && after.meanDistance > afterFreeMoves.meanDistance * (1 - LEAST_GAIN);
}

function proofWords(exact: boolean, some: boolean, within: string): string {
  if (!exact) return `Not all lists of migrations${within} were tried: there may be a better one.`;
  return some
    ? `Proved: no other migrations${within} bring the memory nearer, and no shorter list does the same.`
    : `Proved: no migrations${within} bring the memory nearer.`;
}

function boundLines({ bound, after }: RebalanceAnswer): string[] {
  if (bound === null) return [];
  const { best } = bound;
  const most = `${bound.onOneNode} of ${after.vms} VMs, and VMs with ${formatBytes(bound.bytesOnOneNode)}`;
  const reached = best ?? bound;
  const gaps = [reached.onOneNode - after.onOneNode, reached.bytesOnOneNode - after.bytesOnOneNode] as const;
  const gap =
    gaps[0] <= 0 && gaps[1] <= 0
      ? 'The plan reaches it.'
      : `The plan ends with ${after.onOneNode} and ${formatBytes(after.bytesOnOneNode)}: a gap of at most ${gaps[0]} and ${formatBytes(gaps[1])}.`;
  return ['', `Bound: if all VMs were packed anew at this instant, at most ${most} could be on one node. ${bestWords(bound)}${gap}`];
}

function bestWords({ best, onOneNode, bytesOnOneNode }: NonNullable<RebalanceAnswer['bound']>): string {
  if (best === null) return '';
  const figures = `${best.onOneNode} and ${formatBytes(best.bytesOnOneNode)}`;
  return best.onOneNode === onOneNode && best.bytesOnOneNode === bytesOnOneNode
    ? 'HiGHS found packings that reach this. '
    : `By HiGHS, the best packings have ${figures}. `;
}

/** VMs of the same reason together. */
function leftLines({ left }: RebalanceAnswer): string[] {
  if (left.length === 0) return [];
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of left) byReason.set(reason, [...(byReason.get(reason) ?? []), harmless(name)]);
  return ['', ...[...byReason].map(([reason, names]) => `Not on one node: ${listNames(names, MOST_NAMES)}: ${reason}.`)];
}
