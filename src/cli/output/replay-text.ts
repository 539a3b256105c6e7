// The output of `replay`: a table, or CSV.
import { wrapWords } from '../../base/columns.js';
import { fittingTable } from '../../base/table.js';
import { formatBytes } from '../../base/units.js';
import type { ReplayAnswer } from '../answers/replay-schema.js';
import { columns, type Palette } from './terminal.js';

type Run = ReplayAnswer['runs'][number];

const SETTINGS = ['choose', 'hosts', 'scale', 'seed'] as const;

const EXPLAINED =
  'Weighted by memory and time. one node: memory of VMs on one node; remote: accesses to other nodes; ' +
  'overload: CPU demand above the cores of its node; stranded: free memory beside cores that are all in demand.';
const EXPLAINED_BOUND =
  'at peak: on one node where the trace asks for the most memory; at most: if all VMs of that moment were packed anew, on whichever host.';
const EXPLAINED_COLUMNS = 74;

/** Settings with one value for all runs are in the heading, not in the table. */
export function replayText({ trace, host, runs }: ReplayAnswer, colour: Palette): string[] {
  const varied = SETTINGS.filter((name) => runs.some((run) => run[name] !== runs[0]![name]));
  const same = SETTINGS.filter((name) => !varied.includes(name)).map((name) => settingWords(name, runs[0]!));
  const bounded = runs.some(({ bound }) => bound !== undefined);
  const failed = (run: Run) => run.failedForHost + run.failedOnHost;
  const heading = [
    'policy',
    ...varied,
    'one node',
    'remote',
    'mean dist',
    'overload',
    'stranded',
    'failed',
    ...(bounded ? ['at peak', 'at most'] : []),
  ].map(colour.bold);
  const rows = runs.map((run) => [
    run.policy,
    ...varied.map((name) => String(run[name])),
    percent(run.oneNode),
    percent(run.remote),
    run.meanDistance === null ? '-' : run.meanDistance.toFixed(2),
    percent(run.overload),
    percent(run.stranded),
    failed(run) === 0 ? '0' : colour.bad(String(failed(run))),
    ...(bounded ? [percent(run.bound?.oneNode ?? null), percent(run.bound?.oneNodeAtMost ?? null)] : []),
  ]);
  const say = (text: string) => wrapWords(text, columns(), '  ');
  return [
    ...say(`${colour.bold(trace.name)}: ${trace.vms} VMs over ${days(trace.seconds)}, at most ${peakWords(trace)} at once`),
    ...say(
      `Hosts of ${host.nodes} node${host.nodes === 1 ? '' : 's'}, ${host.cores} cores, ${formatBytes(host.freeBytes)} for guests; ${same.join(', ')}`,
    ),
    '',
    ...fittingTable(
      [heading, ...rows],
      { right: heading.map((_, at) => at).slice(1 + (varied.includes('choose') ? 1 : 0)), named: 1 },
      columns(),
    ),
    '',
    ...wrapWords(bounded ? `${EXPLAINED} ${EXPLAINED_BOUND}` : EXPLAINED, Math.min(columns(), EXPLAINED_COLUMNS)),
  ];
}

function settingWords(name: (typeof SETTINGS)[number], run: Run): string {
  if (name === 'hosts') return `${run.hosts} host${run.hosts === 1 ? '' : 's'}`;
  return name === 'choose' ? `chosen by ${run.choose}` : `${name} ${run[name]}`;
}

function peakWords({ peak }: ReplayAnswer['trace']): string {
  return `${peak.vms} VMs, ${peak.vcpus} vCPUs, ${formatBytes(peak.memoryBytes)}`;
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(2)}%`;
}

function days(seconds: number): string {
  if (seconds >= 86_400) return `${(seconds / 86_400).toFixed(1)} days`;
  return seconds >= 3600 ? `${(seconds / 3600).toFixed(1)} hours` : `${Math.round(seconds)} seconds`;
}

const RUN_COLUMNS = ['policy', 'hosts', 'choose', 'scale', 'seed'] as const;
const FIGURES = ['memoryTaken', 'oneNode', 'remote', 'meanDistance', 'overload', 'stranded'] as const;
const RESULTS = ['vms', 'started', 'failedForHost', 'failedOnHost', 'startedOnOneNode', 'peakVms', ...FIGURES] as const;
const BOUNDS = ['peakOneNode', 'peakOneNodeAtMost'] as const;
const MOMENTS = ['seconds', 'vms', 'failed', ...FIGURES] as const;

/** A line for each run. */
export function replayCsv({ runs }: ReplayAnswer): string[] {
  const columns = [...RUN_COLUMNS, ...RESULTS];
  const bounded = runs.some(({ bound }) => bound !== undefined);
  const ofPeak = ({ bound }: Run) => (bounded ? [bound?.oneNode ?? '', bound?.oneNodeAtMost ?? ''] : []);
  return [
    [...columns, ...(bounded ? BOUNDS : [])].join(','),
    ...runs.map((run) => [...columns.map((name) => run[name] ?? ''), ...ofPeak(run)].join(',')),
  ];
}

/** A line for each run and moment. */
export function replayMomentsCsv({ runs }: ReplayAnswer): string[] {
  const lines = runs.flatMap((run) => {
    const settings = RUN_COLUMNS.map((name) => run[name]);
    return run.overTime.map((moment) => [...settings, ...MOMENTS.map((name) => moment[name] ?? '')].join(','));
  });
  return [[...RUN_COLUMNS, ...MOMENTS].join(','), ...lines];
}
