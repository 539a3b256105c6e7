// The figures of `replay` over time as one SVG: a plot for each figure, a line for each run.
import { escapeXml } from '../../base/safe-text.js';
import type { ReplayAnswer } from '../answers/replay-schema.js';

type Run = ReplayAnswer['runs'][number];
type Moment = Run['overTime'][number];

interface Plot {
  readonly title: string;
  readonly value: (moment: Moment) => number | null;
  readonly unit: 'share' | 'number';
  /** The axis begins here when all values are above. */
  readonly from: number;
}

const percent = (value: number) => `${Number((100 * value).toPrecision(3))} %`;
const plain = (value: number) => String(Number(value.toPrecision(4)));

export const REPLAY_PLOTS: readonly Plot[] = [
  { title: 'memory of VMs on one node', value: ({ oneNode }) => oneNode, unit: 'share', from: 1 },
  { title: 'remote memory', value: ({ remote }) => remote, unit: 'share', from: 0 },
  { title: 'mean distance', value: ({ meanDistance }) => meanDistance, unit: 'number', from: 10 },
  { title: 'CPU demand above the cores', value: ({ overload }) => overload, unit: 'share', from: 0 },
  { title: 'free memory beside busy cores', value: ({ stranded }) => stranded, unit: 'share', from: 0 },
  { title: 'failed starts', value: ({ failed }) => failed, unit: 'number', from: 0 },
];

/** Readable on white, also for most colour-blind readers (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8c6d00', '#56b4e9', '#333333', '#e69f00'] as const;
/** Runs beyond the colours differ by dashes. */
const DASHES = ['', '6 3', '2 3', '8 3 2 3'] as const;

const COLUMNS = 2;
const WIDTH = 420;
const HEIGHT = 190;
const LEFT = 62;
const TOP = 26;
const RIGHT = 12;
const BOTTOM = 26;
const HEAD = 34;
const LEGEND_LINE = 18;
const HOUR_SECONDS = 3600;

/** @throws RangeError when the answer has no moments */
export function replaySvg({ trace, host, runs }: ReplayAnswer): string {
  if (runs.every(({ overTime }) => overTime.length === 0)) throw new RangeError('no moments to draw');
  const rows = Math.ceil(REPLAY_PLOTS.length / COLUMNS);
  const legendTop = HEAD + rows * HEIGHT + 10;
  const legendRows = Math.ceil(runs.length / COLUMNS);
  const [width, height] = [COLUMNS * WIDTH, legendTop + legendRows * LEGEND_LINE + 8];
  const plots = REPLAY_PLOTS.map((plot, at) => drawPlot(plot, runs, (at % COLUMNS) * WIDTH, HEAD + Math.floor(at / COLUMNS) * HEIGHT));
  const legend = runs.map((run, at) => {
    const [x, y] = [(at % COLUMNS) * WIDTH + LEFT, legendTop + Math.floor(at / COLUMNS) * LEGEND_LINE];
    return `<path d="M${x} ${y}h24" ${stroke(at)}/><text x="${x + 30}" y="${y + 4}">${escapeXml(runName(run))}</text>`;
  });
  const title = `${trace.name}: ${trace.vms} VMs on hosts of ${host.nodes} node${host.nodes === 1 ? '' : 's'}, ${host.cores} cores`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    '<style>text{font:12px sans-serif;fill:#222}.axis{font-size:10px;fill:#555}.title{font-weight:bold}</style>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text class="title" x="12" y="22">${escapeXml(title)}</text>`,
    ...plots,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

export function runName({ policy, hosts, choose, scale, seed }: Run): string {
  return `${policy}, ${hosts} hosts, ${choose}, scale ${scale}, seed ${seed}`;
}

function stroke(at: number): string {
  const dash = DASHES[Math.floor(at / COLOURS.length) % DASHES.length]!;
  return `fill="none" stroke="${COLOURS[at % COLOURS.length]!}" stroke-width="1.5"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`;
}

function drawPlot({ title, value, unit, from }: Plot, runs: readonly Run[], x: number, y: number): string {
  const text = unit === 'share' ? percent : plain;
  const values = runs.flatMap(({ overTime }) => overTime.map(value)).filter((one) => one !== null);
  const low = Math.min(from, ...values);
  const most = Math.max(from, ...values);
  const high = most === low ? low + 1 : most;
  const seconds = Math.max(1, ...runs.map(({ overTime }) => overTime.at(-1)?.seconds ?? 0));
  const [plotWidth, plotHeight] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const [left, bottom] = [x + LEFT, y + HEIGHT - BOTTOM];
  const across = (at: number) => (left + (plotWidth * at) / seconds).toFixed(1);
  const up = (one: number) => (bottom - (plotHeight * (one - low)) / (high - low)).toFixed(1);
  const lines = runs.map((run, at) => {
    const points = run.overTime.flatMap((moment) => {
      const one = value(moment);
      return one === null ? [] : [`${across(moment.seconds)},${up(one)}`];
    });
    return points.length === 0 ? '' : `<polyline points="${points.join(' ')}" ${stroke(at)}/>`;
  });
  return [
    `<g><text x="${left}" y="${y + TOP - 8}">${title}</text>`,
    `<path d="M${left} ${bottom - plotHeight}V${bottom}H${left + plotWidth}" fill="none" stroke="#999"/>`,
    `<text class="axis" x="${left - 6}" y="${bottom}" text-anchor="end">${text(low)}</text>`,
    `<text class="axis" x="${left - 6}" y="${bottom - plotHeight + 8}" text-anchor="end">${text(high)}</text>`,
    `<text class="axis" x="${left + plotWidth}" y="${bottom + 14}" text-anchor="end">${plain(seconds / HOUR_SECONDS)} hours</text>`,
    ...lines,
    '</g>',
  ].join('\n');
}
