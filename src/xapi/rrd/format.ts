// Round-robin databases as clients read them, in XML and in JSON: /rrd_updates in rrdtool's xport
// form (rrd_updates.ml), and whole databases (xml_to_output and Json in rrd.ml), both of xen-api
// e2ee48d6.
import { ARCHIVES, HEARTBEAT_SECONDS, type Rrd, STEP_SECONDS, type Track, XFF } from './rrd.js';

/** A database with what stands before its sources' names: "vm:UUID:". */
export interface Named {
  readonly prefix: string;
  readonly rrd: Rrd;
}

export interface Query {
  /** Seconds since 1970; below 0, seconds before the newest point. */
  readonly start: number;
  /** Seconds: the finest archive with rows at least so long that reaches back to `start`. */
  readonly interval: number;
}

interface Updates {
  readonly start: number;
  readonly step: number;
  readonly end: number;
  readonly legend: readonly string[];
  /** Ends of the rows, newest first, as rrd_updates.ml makes them. */
  readonly times: readonly number[];
  /** Neighbouring columns that have the same values. */
  readonly columns: readonly { readonly count: number; readonly values: readonly number[] }[];
}

/** Numbers as f_to_s of rrd_utils.ml writes them: C's %0.15g, and 0.0. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return '0.0';
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(15)))));
  if (exponent < -4 || exponent >= 15) {
    const [mantissa, power] = value.toExponential(14).split('e') as [string, string];
    return `${plain(mantissa)}e${power[0]}${power.slice(1).padStart(2, '0')}`;
  }
  return plain(value.toFixed(14 - exponent));
}

const plain = (digits: string): string => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits);

/** The first archive that is coarse enough and reaches back far enough; else the last one. */
function archiveFor(endStep: number, start: number, interval: number): number {
  const points = Math.trunc(interval / STEP_SECONDS);
  const found = ARCHIVES.findIndex((one) => one.points >= points && start > (endStep - one.rows * one.points) * STEP_SECONDS);
  return found < 0 ? ARCHIVES.length - 1 : found;
}

/** @returns null when there is no database at all */
export function updatesOf(named: readonly Named[], { start, interval }: Query): Updates | null {
  if (named.length === 0) return null;
  const end = Math.max(...named.map(({ rrd }) => rrd.step));
  // Those that are behind, of VMs that just stopped, are left out: rows must be of one time.
  const current = named.filter(({ rrd }) => rrd.step === end);
  const from = start < 0 ? end * STEP_SECONDS + start : start;
  const index = archiveFor(end, from, interval);
  const { rows, points } = ARCHIVES[index]!;
  const step = points * STEP_SECONDS;
  const lastEnd = Math.trunc((end * STEP_SECONDS) / step) * step;
  const count = Math.max(0, Math.min(rows, Math.floor((lastEnd - from) / step) + 1));
  return {
    start: Math.floor(from / step) * step + step,
    step,
    end: lastEnd,
    legend: current.flatMap(({ prefix, rrd }) => rrd.series().map(({ info }) => `AVERAGE:${prefix}${info.name}`)),
    times: Array.from({ length: count }, (_, age) => lastEnd - age * step),
    columns: current.flatMap(({ rrd }) => columnsOf(rrd, index, count)),
  };
}

function columnsOf(rrd: Rrd, index: number, count: number): Updates['columns'] {
  const known = new Map<Track, readonly number[]>();
  const columns: { count: number; values: readonly number[] }[] = [];
  for (const { track } of rrd.series()) {
    let values = known.get(track);
    if (values === undefined) {
      values = track.archives[index]!.ring.newest(count).reverse();
      known.set(track, values);
    }
    const last = columns.at(-1);
    if (last?.values === values) last.count++;
    else columns.push({ count: 1, values });
  }
  return columns;
}

/** The values of each row as texts in a row, each within the two given. */
function rowTexts({ times, columns }: Updates, before: string, after: string): string[] {
  // Most values are those of the row before.
  const texts = new Array<string>(columns.length).fill('');
  return times.map((_, row) => {
    columns.forEach(({ count, values }, index) => {
      if (row > 0 && Object.is(values[row], values[row - 1])) return;
      texts[index] = `${before}${numberText(values[row]!)}${after}`.repeat(count);
    });
    return texts.join('');
  });
}

const escaped = (text: string): string => text.replace(/[&<>]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[char] as string);
const tag = (name: string, inner: string | number): string => `<${name}>${inner}</${name}>`;

export function updatesXml(updates: Updates): string {
  const { start, step, end, legend, times } = updates;
  const meta = [
    ...[tag('start', start), tag('step', step), tag('end', end), tag('rows', times.length), tag('columns', legend.length)],
    tag('legend', legend.map((entry) => tag('entry', escaped(entry))).join('')),
  ];
  const data = rowTexts(updates, '<v>', '</v>').map((values, row) => tag('row', tag('t', times[row]!) + values));
  return `<?xml version="1.0"?>${tag('xport', tag('meta', meta.join('')) + tag('data', data.join('')))}`;
}

/** Numbers are strings here, as xapi writes them. */
export function updatesJson(updates: Updates): string {
  const { start, step, end, legend, times } = updates;
  const meta = {
    start: String(start),
    step: String(step),
    end: String(end),
    rows: String(times.length),
    columns: String(legend.length),
    legend,
  };
  const data = rowTexts(updates, '"', '",').map((values, row) => `{"t":"${times[row]!}","values":[${values.slice(0, -1)}]}`);
  return `{"meta":${JSON.stringify(meta)},"data":[${data.join(',')}]}`;
}

/** Content of both forms of a whole database. */
function whole(rrd: Rrd) {
  const series = rrd.series();
  return {
    lastUpdate: numberText(rrd.step * STEP_SECONDS),
    sources: series.map(({ info, last }) => ({
      name: info.name,
      type: info.type,
      minimal_heartbeat: numberText(HEARTBEAT_SECONDS),
      min: numberText(info.min),
      max: numberText(info.max),
      last_ds: Number.isNaN(last) ? '0.0' : numberText(last),
      value: '0.0',
      unknown_sec: '0',
    })),
    archives: ARCHIVES.map(({ rows, points }, index) => ({
      points,
      preparing: series.map(({ track }) => preparing(track, index, points)),
      database: transposed(
        series.map(({ track }) => track.archives[index]!.ring.newest(rows)),
        rows,
      ),
    })),
  };
}

/** The sum so far, as the part of the average that it makes up. */
function preparing({ archives }: Track, index: number, points: number) {
  const { sum, known, unknown } = archives[index]!.row;
  const share = points - unknown;
  return { value: numberText(known === 0 || share === 0 ? 0 : sum / share), unknown_datapoints: String(unknown) };
}

function transposed(columns: readonly (readonly number[])[], rows: number): string[][] {
  if (columns.length === 0) return [];
  return Array.from({ length: rows }, (_, row) => columns.map((column) => numberText(column[row]!)));
}

export function rrdXml(rrd: Rrd): string {
  const { lastUpdate, sources, archives } = whole(rrd);
  const dss = sources.map((one) =>
    tag(
      'ds',
      Object.entries(one)
        .map(([name, value]) => tag(name, escaped(value)))
        .join(''),
    ),
  );
  const rras = archives.map(({ points, preparing: cdps, database }) =>
    tag(
      'rra',
      [
        tag('cf', 'AVERAGE'),
        tag('pdp_per_row', points),
        tag('params', tag('xff', numberText(XFF))),
        tag('cdp_prep', cdps.map(cdpXml).join('')),
        tag('database', database.map((row) => tag('row', row.map((value) => tag('v', value)).join(''))).join('')),
      ].join(''),
    ),
  );
  const head = tag('version', '0003') + tag('step', STEP_SECONDS) + tag('lastupdate', lastUpdate);
  return `<?xml version="1.0"?>${tag('rrd', head + dss.join('') + rras.join(''))}`;
}

function cdpXml({ value, unknown_datapoints: unknown }: ReturnType<typeof preparing>): string {
  const parts = [tag('primary_value', '0.0'), tag('secondary_value', '0.0'), tag('value', value), tag('unknown_datapoints', unknown)];
  return tag('ds', parts.join(''));
}

export function rrdJson(rrd: Rrd): string {
  const { lastUpdate, sources, archives } = whole(rrd);
  return JSON.stringify({
    version: '0003',
    step: String(STEP_SECONDS),
    lastupdate: lastUpdate,
    ds: sources.map((one) => ({ ...one, last_updated: lastUpdate })),
    rra: archives.map(({ points, preparing: cdps, database }) => ({
      cf: 'AVERAGE',
      pdp_per_row: String(points),
      params: { xff: numberText(XFF) },
      cdp_prep: { ds: cdps.map((one) => ({ primary_value: '0.0', secondary_value: '0.0', ...one })) },
      database,
    })),
  });
}
