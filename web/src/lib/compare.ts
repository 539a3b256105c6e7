// A plan beside the present: the same figures of both, and the cells in which they differ.
import { formatBytes } from '../../../src/base/units.js';
import type { PlanAnswer } from '../../../src/cli/answers/answers.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';
import type { HostView, VmRow } from './view.js';
import { distanceText, percent } from './words.js';

export interface Cell {
  readonly label: string;
  readonly now: string;
  readonly plan: string;
}

export interface ComparedVm {
  readonly name: string;
  readonly cells: readonly Cell[];
  readonly failure: string | null;
}

const guests = (view: HostView): VmRow[] => view.rows.filter(({ domain }) => domain.domid !== 0);

function figuresOf(view: HostView, failed: number): string[] {
  const rows = guests(view);
  const bytes = rows.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const across = rows.reduce((sum, { acrossBytes }) => sum + acrossBytes, 0);
  const onOne = rows.filter(({ figures }) => figures.onOneNode).length;
  return [
    `${onOne} of ${rows.length}`,
    formatBytes(across),
    bytes === 0 ? 'unknown' : percent(1 - across / bytes),
    distanceText(view.figures.meanDistance),
    String(failed),
  ];
}
const FIGURES = ['VMs on one node', 'Read across nodes', 'Local reads', 'Mean distance', 'VMs that cannot start'];

export function comparedFigures(now: HostView, then: HostView, plan: PlanAnswer): Cell[] {
  const [before, after] = [figuresOf(now, now.failed.length), figuresOf(then, plan.totals.failed)];
  return FIGURES.map((label, index) => ({ label, now: before[index]!, plan: after[index]! }));
}

export function comparedNodes(now: HostView, then: HostView): Cell[] {
  const held = (view: HostView, id: number): string => {
    const { memoryBytes, freePages } = view.map.nodes[id]!;
    return `${formatBytes(Math.max(0, memoryBytes - freePages * 4096))} of ${formatBytes(memoryBytes)}`;
  };
  return now.map.nodes.map(({ id }) => ({
    label: `Node ${id}`,
    now: held(now, id),
    plan: then.map.nodes[id] === undefined ? '' : held(then, id),
  }));
}

const COLUMNS: readonly [string, (row: VmRow) => string][] = [
  ['Memory on', ({ memoryNodes }) => memoryNodes || 'unknown'],
  ['vCPUs prefer', ({ vcpuNodes }) => vcpuNodes || 'none'],
  ['On one node', ({ figures }) => (figures.onOneNode ? 'yes' : 'no')],
  ['Across nodes', ({ acrossBytes }) => (acrossBytes === 0 ? '0' : formatBytes(acrossBytes))],
];
export const VM_COLUMNS = COLUMNS.map(([label]) => label);

/** In the order of the plan. */
export function comparedVms(now: HostView, then: HostView, plan: PlanAnswer, domids: PageWorkload['domids']): ComparedVm[] {
  const [before, after] = [rowsByDomid(now), rowsByDomid(then)];
  return plan.vms.map((vm) => {
    const own = Object.hasOwn(domids, vm.name) ? before.get(domids[vm.name]!) : undefined;
    const planned = vm.domid === null ? undefined : after.get(vm.domid);
    return {
      name: vm.name,
      cells: COLUMNS.map(([label, text]) => ({
        label,
        now: own === undefined ? '–' : text(own),
        plan: planned === undefined ? '–' : text(planned),
      })),
      failure: vm.failure?.message ?? null,
    };
  });
}
const rowsByDomid = (view: HostView): Map<number, VmRow> => new Map(view.rows.map((row) => [row.domain.domid, row]));

export const differs = ({ now, plan }: Cell): boolean => now !== plan;
