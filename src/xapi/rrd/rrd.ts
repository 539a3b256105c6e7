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

/** How xapi makes rates of what was read: a value, a counter that grows, one that starts anew. */
export type SourceType = 'GAUGE' | 'DERIVE' | 'ABSOLUTE';

/** Description of a source, as in data_source of the API. */
export interface SourceInfo {
  readonly name: string;
  readonly description: string;
  readonly units: string;
  readonly type: SourceType;
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

/**
 * The archives of sources whose values were the same since they were recorded. A host has hundreds
 * of disks and cards that are idle, and they cost as much as one.
 */
export interface Track {
  readonly archives: readonly Archive[];
}

export interface Series {
  readonly info: SourceInfo;
  readonly track: Track;
  /** The value that was read last; of a DERIVE source, the counter. */
  readonly last: number;
}

export interface StoredTrack {
  readonly archives: readonly { readonly runs: StoredRuns; readonly row: Row }[];
}

export interface StoredRrd {
  readonly step: number;
  readonly tracks: readonly StoredTrack[];
  /** Each with the index of its track. */
  readonly series: readonly (readonly [info: SourceInfo, track: number])[];
}

interface Recorded {
  info: SourceInfo;
  track: Track;
  last: number;
}

/** What a source told now; one that is missing is unknown. */
export interface Told {
  readonly value: number;
  readonly counter?: number;
}

export class Rrd {
  readonly #series = new Map<string, Recorded>();
  #step: number;
  /** For the sources that are recorded before the next update. */
  #fresh: Track | null = null;

  /** @param step of the time before the first update, in steps since 1970 */
  constructor(step: number) {
    this.#step = step;
  }

  /** End of the newest primary data point, in steps since 1970. */
  get step(): number {
    return this.#step;
  }

  get size(): number {
    return this.#series.size;
  }

  series(): readonly Series[] {
    return [...this.#series.values()];
  }

  has(name: string): boolean {
    return this.#series.has(name);
  }

  /** Of one that is recorded already, the newest description counts. */
  add(info: SourceInfo): void {
    const found = this.#series.get(info.name);
    if (found !== undefined) {
      found.info = info;
      return;
    }
    this.#fresh ??= emptyTrack();
    this.#series.set(info.name, { info, track: this.#fresh, last: Number.NaN });
  }

  forget(name: string): void {
    this.#series.delete(name);
  }

  /** @param told by the sources, by name */
  update(step: number, told: ReadonlyMap<string, Told>): void {
    const elapsed = step - this.#step;
    // The clock went back, or nothing has passed: the newest point stays.
    if (elapsed <= 0) return;
    const late = elapsed * STEP_SECONDS > HEARTBEAT_SECONDS;
    /** For each track, its continuations by value. The first is the track itself. */
    const next = new Map<Track, Map<number, Track>>();
    for (const series of this.#series.values()) {
      const one = told.get(series.info.name);
      series.last = one?.counter ?? one?.value ?? Number.NaN;
      const value = late ? Number.NaN : (one?.value ?? Number.NaN);
      series.track = continued(next, series.track, value);
    }
    for (const tracks of next.values()) {
      for (const [value, { archives }] of tracks) {
        archives.forEach((archive, index) => {
          advance(archive, ARCHIVES[index]!.points, this.#step, elapsed, value);
        });
      }
    }
    this.#step = step;
    this.#fresh = null;
  }

  stored(): StoredRrd {
    const indexes = new Map<Track, number>();
    for (const { track } of this.#series.values()) if (!indexes.has(track)) indexes.set(track, indexes.size);
    return {
      step: this.#step,
      tracks: [...indexes.keys()].map(({ archives }) => ({
        archives: archives.map(({ ring, row }) => ({ runs: ring.stored(), row: { ...row } })),
      })),
      series: this.series().map(({ info, track }) => [info, indexes.get(track)!] as const),
    };
  }

  /** @param stored each series has a track in it */
  static restored(stored: StoredRrd): Rrd {
    const rrd = new Rrd(stored.step);
    const tracks = stored.tracks.map(({ archives: kept }) => {
      const track = emptyTrack();
      track.archives.forEach(({ ring, row }, index) => {
        ring.restore(kept[index]!.runs);
        Object.assign(row, kept[index]!.row);
      });
      return track;
    });
    for (const [info, track] of stored.series) rrd.#series.set(info.name, { info, track: tracks[track]!, last: Number.NaN });
    return rrd;
  }
}

function emptyTrack(): Track {
  return { archives: ARCHIVES.map(({ rows }) => ({ ring: new RunRing(rows), row: { sum: 0, known: 0, unknown: 0 } })) };
}

/** The track of a series whose value is this now. As keys of a Map, NaN is NaN and -0 is 0. */
function continued(next: Map<Track, Map<number, Track>>, track: Track, value: number): Track {
  let tracks = next.get(track);
  if (tracks === undefined) {
    tracks = new Map([[value, track]]);
    next.set(track, tracks);
  }
  let found = tracks.get(value);
  if (found === undefined) {
    found = { archives: track.archives.map(({ ring, row }) => ({ ring: ring.copy(), row: { ...row } })) };
    tracks.set(value, found);
  }
  return found;
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
