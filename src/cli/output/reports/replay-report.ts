// `replay --html`: the results of all replays, and the figures over time.
import { formatBytes } from '../../../base/units.js';
import { markDifferences, type PageReport } from '../../../page/page-report.js';
import type { ReplayAnswer } from '../../answers/replay-schema.js';
import { REPLAY_PLOTS, runName } from '../replay-svg.js';

type Run = ReplayAnswer['runs'][number];

const SETTINGS = 5;

export function replayReport({ trace, host, runs }: ReplayAnswer): PageReport {
  return {
    name: 'Replay',
    title: `${trace.name}: ${trace.vms} VMs`,
    sentences: [
      `Hosts of ${host.nodes} nodes, ${host.cores} cores, ${formatBytes(host.freeBytes)} for guests.`,
      'Figures are weighted by memory and time. Marked cells differ from the first row.',
    ],
    tables: [
      {
        caption: 'Replays',
        columns: [
          ...['Policy', 'Hosts', 'Host chosen by', 'Scale', 'Seed', 'Memory on one node', 'Remote'],
          ...['Mean distance', 'Overload', 'Stranded', 'Failed'],
        ],
        rows: markDifferences(runs.map(cellsOf), SETTINGS),
      },
    ],
    bars: [
      {
        title: 'VMs on one node when they started',
        most: Math.max(1, ...runs.map(({ vms }) => vms)),
        bars: runs.map((run) => ({ name: runName(run), value: run.startedOnOneNode, bound: run.started })),
      },
    ],
    plots: REPLAY_PLOTS.map(({ title, value, unit, from }) => ({
      ...{ title, unit, from },
      lines: runs.map((run) => ({
        name: runName(run),
        points: run.overTime.flatMap((moment): [number, number][] => {
          const one = value(moment);
          return one === null ? [] : [[moment.seconds, one]];
        }),
      })),
    })),
    commands: [],
  };
}

function cellsOf(run: Run): string[] {
  const { policy, hosts, choose, scale, seed, oneNode, remote, meanDistance, overload, stranded } = run;
  return [
    ...[policy, String(hosts), choose, String(scale), String(seed), percent(oneNode), percent(remote)],
    ...[meanDistance === null ? 'unknown' : meanDistance.toFixed(2), percent(overload), percent(stranded)],
    String(run.failedForHost + run.failedOnHost),
  ];
}

const percent = (share: number | null): string => (share === null ? 'unknown' : `${(100 * share).toFixed(2)} %`);
