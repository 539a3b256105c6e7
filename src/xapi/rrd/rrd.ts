// One round-robin database: the data sources of a host or a VM, each in four archives of averages
// (timescales and create_rras in xcp-rrdd/bin/rrdd, rra_update in libs/xapi-rrd/lib/rrd.ml of
// xen-api e2ee48d6). All sources here are gauges: the value that was read counts for the whole time
// since the last one.
import { RunRing, type StoredRuns } from './run-ring.js';

/** Seconds of a primary data point. */
export const STEP_SECONDS = 5;

/** Ten minutes, two hours, a week and a year. */
export const ARCHIVES = [
  { rows: 120, points: 1 },
  { rows: 120, points: 12 },
  { rows: 168, points: 720 },
  { rows: 366, points: 17_280 },
] as const;

/** More of the points of a row than this share unknown: so is the row. */
export const XFF = 0.5;
/** A source that was not read for longer is unknown for that time (ds_mrhb). */
export const HEARTBEAT_SECONDS = 300;

/** Description of a source, as in data_source of the API. */
export interface SourceInfo {
  readonly name: string;
  readonly description: string;
  readonly units: string;
  readonly min: number;
  readonly max: number;
  /** Recorded by xapi unless somebody forgets it. */
  readonly standard: boolean;
}

interface Row {
  sum: number;
  known: number;
  unknown: number;
}

export interface Archive {
  readonly ring: RunRing;
  /** The row in the making. */
  readonly row: Row;
}

export interface Series {
  readonly info: SourceInfo;
  readonly archives: readonly Archive[];
  /** The value that was read last. */
  last: number;
}

export interface StoredRrd {
  readonly step: number;
  readonly series: readonly {
    readonly info: SourceInfo;
    readonly archives: readonly { readonly runs: StoredRuns; readonly row: Row }[];
  }[];
}

export class Rrd {
  readonly #series = new Map<string, Series>();
  #step: number;

  /** @param step of the time before the first update, in steps since 1970 */
  constructor(step: number) {
    this.#step = step;
  }

  /** End of the newest primary data point, in steps since 1970. */
  get step(): number {
    return this.#step;
  }

  series(): readonly Series[] {
    return [...this.#series.values()];
  }

  has(name: string): boolean {
    return this.#series.has(name);
  }

  add(info: SourceInfo): void {
    if (this.#series.has(info.name)) return;
    const archives = ARCHIVES.map(({ rows }) => ({ ring: new RunRing(rows), row: { sum: 0, known: 0, unknown: 0 } }));
    this.#series.set(info.name, { info, archives, last: Number.NaN });
  }

  forget(name: string): void {
    this.#series.delete(name);
  }

  /** @param values of the sources; one that is missing is unknown */
  update(step: number, values: ReadonlyMap<string, number>): void {
    const elapsed = step - this.#step;
    // The clock went back, or nothing has passed: the newest point stays.
    if (elapsed <= 0) return;
    const late = elapsed * STEP_SECONDS > HEARTBEAT_SECONDS;
    for (const series of this.#series.values()) {
      const value = values.get(series.info.name) ?? Number.NaN;
      series.last = value;
      series.archives.forEach((archive, index) => {
        advance(archive, ARCHIVES[index]!.points, this.#step, elapsed, late ? Number.NaN : value);
      });
    }
    this.#step = step;
  }

  stored(): StoredRrd {
    const series = this.series().map(({ info, archives }) => ({
      info,
      archives: archives.map(({ ring, row }) => ({ runs: ring.stored(), row: { ...row } })),
    }));
    return { step: this.#step, series };
  }

  static restored(stored: StoredRrd): Rrd {
    const rrd = new Rrd(stored.step);
    for (const { info, archives } of stored.series) {
      rrd.add(info);
      rrd.#series.get(info.name)!.archives.forEach((archive, index) => {
        archive.ring.restore(archives[index]!.runs);
        Object.assign(archive.row, archives[index]!.row);
      });
    }
    return rrd;
  }
}

/** Takes so many points of one value into an archive, whose rows end at multiples of `points`. */
function advance({ ring, row }: Archive, points: number, from: number, count: number, value: number): void {
  const first = Math.min(count, points - (from % points));
  gather(row, value, first);
  if ((from + first) % points !== 0) return;
  ring.push(row.unknown > XFF * points || row.known === 0 ? Number.NaN : row.sum / row.known);
  clear(row);
  const left = count - first;
  // Whole rows of one value are that value.
  ring.push(value, Math.trunc(left / points));
  gather(row, value, left % points);
}

function gather(row: Row, value: number, count: number): void {
  if (Number.isNaN(value)) row.unknown += count;
  else {
    row.sum += value * count;
    row.known += count;
  }
}

function clear(row: Row): void {
  row.sum = 0;
  row.known = 0;
  row.unknown = 0;
}
