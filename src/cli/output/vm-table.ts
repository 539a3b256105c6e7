// The table of VMs, with failures and surprises below it.
import { fitColumns, textColumns, wrapWords } from '../../base/columns.js';
import { fittingTable, tableLines } from '../../base/table.js';
import { formatBytes } from '../../base/units.js';
import type { HostAnswer, TotalsAnswer, VmAnswer } from '../answers/answers.js';
import { cpuWords, distanceWords, memoryWords, sizeWords } from './phrases.js';
import { columns, type Palette } from './terminal.js';
import { isRemarkable, type UserWarning } from './warnings.js';

/** With more VMs than this, the table ends early. */
export const MOST_ROWS = 200;

/**
 * Layouts from wide to narrow, until the table fits: the longest name, the longest mask (0 leaves
 * out all columns but the place), blanks between columns.
 */
const FITS = [
  { name: 20, mask: 14, gap: 2 },
  { name: 20, mask: 9, gap: 2 },
  { name: 20, mask: 9, gap: 1 },
  { name: 12, mask: 8, gap: 1 },
  { name: 12, mask: 0, gap: 1 },
] as const;

/** @param most rows; the last line says how many are left out */
export function vmTable(host: HostAnswer, vms: readonly VmAnswer[], colour: Palette, most = MOST_ROWS): string[] {
  const shown = vms.slice(0, most);
  let lines: string[] = [];
  for (const fit of FITS) {
    const { rows, right } = tableOf(host, shown, colour, fit);
    lines = tableLines(rows, { right, gap: fit.gap });
    if (Math.max(...lines.map(textColumns)) <= columns()) break;
    // The last layout has as few columns as make sense.
    if (fit === FITS.at(-1)) lines = fittingTable(rows, { right, named: 1 }, columns());
  }
  return vms.length > most ? [...lines, `... and ${vms.length - most} more; --json has all of them`] : lines;
}

function tableOf(
  host: HostAnswer,
  vms: readonly VmAnswer[],
  colour: Palette,
  fit: (typeof FITS)[number],
): { readonly rows: string[][]; readonly right: number[] } {
  const words = cpuWords(host);
  const perVcpu = (lists: readonly string[] | null) =>
    lists === null || lists.length === 0 ? '-' : fitColumns(lists.map((list) => words(list, 40)).join(' | '), fit.mask, '...');
  const rows = vms.map((vm) => {
    return [
      fitColumns(vm.name, fit.name, '...'),
      vm.domid === null ? '-' : String(vm.domid),
      String(vm.vcpus),
      vm.memoryBytes === null ? '-' : sizeWords(vm.memoryBytes),
      perVcpu(vm.hard),
      perVcpu(vm.soft),
      placeWords(vm),
      oneNodeWord(vm, colour),
      distanceWords(vm.meanDistance),
      stateWord(vm, colour),
    ];
  });
  const heading = ['VM', 'ID', 'vCPU', 'memory', 'hard', 'soft', 'memory on', 'one node', 'dist', ''].map((title) => colour.bold(title));
  if (fit.mask > 0) return { rows: [heading, ...rows], right: [1, 2, 3, 8] };
  const place = [0, 6, 7, 8, 9];
  return { rows: [heading, ...rows].map((row) => place.map((column) => row[column]!)), right: [3] };
}

function placeWords({ domid, pagesByNode }: VmAnswer): string {
  if (domid === null) return '-';
  return pagesByNode === null ? 'not known' : memoryWords(pagesByNode);
}

/** Several nodes are right for a guest with virtual nodes that lie on them. */
function oneNodeWord({ onOneNode, virtualNodesInPlace }: VmAnswer, colour: Palette): string {
  if (onOneNode === null) return '-';
  if (!onOneNode && virtualNodesInPlace === true) return 'vNUMA ok';
  return onOneNode ? 'yes' : colour.warn('no');
}

function stateWord({ failure, domid, state }: VmAnswer, colour: Palette): string {
  if (failure !== null) return colour.bad('FAILED');
  if (domid === null) return 'off';
  return colour.good(state === 'running' ? 'ok' : state);
}

/** Failures first, then each surprise once with the VMs that met it. */
export function remarks(vms: readonly VmAnswer[], warnings: readonly UserWarning[], colour: Palette): string[] {
  const lines: string[] = [];
  const say = (head: string, text: string, paint: (text: string) => string) => {
    const [first = '', ...rest] = wrapWords(`${head} ${text}`, columns(), '  ');
    lines.push(`${paint(head)}${first.slice(head.length)}`, ...rest);
  };
  for (const { text } of warnings) say('warning:', text, colour.warn);
  const failures = vms.filter((vm) => vm.failure !== null);
  for (const vm of failures.slice(0, 20)) say(`${vm.name} FAILED`, `in ${vm.failure!.step}: ${vm.failure!.message}`, colour.bad);
  if (failures.length > 20) say('FAILED', `${failures.length - 20} more VMs; --json has all of them`, colour.bad);
  const byText = new Map<string, string[]>();
  for (const vm of vms)
    for (const { text } of vm.surprises.filter(({ code }) => isRemarkable(code, warnings)))
      byText.set(text, [...(byText.get(text) ?? []), vm.name]);
  for (const [text, names] of [...byText].slice(0, 12)) {
    say(
      'note:',
      `${names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', ')}: ${text}`,
      colour.dim,
    );
  }
  if (byText.size > 12) say('note:', `${byText.size - 12} more; --json has all of them`, colour.dim);
  return lines;
}

/**
 * "12 VMs running, 10 on one node; distance 10.4 on average, 32 at worst; 6.2 GiB on nodes where no
 * vCPU prefers to run; 1 failed."
 */
export function totalsLines(totals: TotalsAnswer, colour: Palette): string[] {
  const { running, failed } = totals;
  const parts = [
    `${running} VM${running === 1 ? '' : 's'} running, ${totals.onOneNode} on one node`,
    ...(totals.meanDistance === null
      ? []
      : [`distance ${distanceWords(totals.meanDistance)} on average, ${distanceWords(totals.worstDistance)} at worst`]),
    ...(totals.remotePages === 0 ? [] : [`${formatBytes(totals.remotePages * 4096)} on nodes where no vCPU prefers to run`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ];
  return wrapWords(`${parts.join('; ')}.`, columns(), '  ').map((line) => (failed === 0 ? line : colour.warn(line)));
}
