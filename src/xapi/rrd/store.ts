// The databases of the host and of every VM that ran: read every five seconds, kept in the state
// folder, and bounded, as runs of equal values are kept.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';
import type { FileCalls } from '../../base/file-calls.js';
import { replaceFile } from '../../base/replace-file.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { Database } from '../model/database.js';
import type { Named } from './format.js';
import { Rrd, type SourceInfo, STEP_SECONDS, type StoredRrd } from './rrd.js';
import { type Reading, SourceReader } from './sources.js';

const FILE = 'rrd.json.gz';
/** At most so much is read back: a year of 10,000 VMs is below it. */
const MOST_BYTES = 256 * 2 ** 20;
/** What a kill loses at most. */
const SAVE_MS = 10 * 60_000;
/** Reading takes at most this share of the time. */
const READING_SHARE = 0.01;

const ring = z.object({
  runs: z.array(z.tuple([z.number().nullable(), z.int().min(1)])).max(400),
  row: z.object({ sum: z.number(), known: z.int().min(0), unknown: z.int().min(0) }),
});
const source = z.object({
  name: z.string().max(100),
  description: z.string().max(1000),
  units: z.string().max(100),
  min: z.number(),
  // JSON has no infinity.
  max: z.number().nullable(),
  standard: z.boolean(),
});
const database = z.object({
  step: z.int().min(0),
  series: z.array(z.object({ info: source, archives: z.array(ring).length(4) })).max(10_000),
});
const file = z.object({ version: z.literal(1), host: database, vms: z.record(z.string().max(64), database) });

export interface RrdStoreOptions {
  readonly toolstack: Toolstack;
  readonly database: Database;
  /** null = they are kept in memory. */
  readonly folder: string | null;
  readonly files: FileCalls;
  readonly warn: (values: object, message: string) => void;
  readonly nowMs: () => number;
}

/** A VM or the host, as the API names it. */
export type Owner = { readonly vm: string } | 'host';

export class RrdStore {
  readonly #options: RrdStoreOptions;
  readonly #reader: SourceReader;
  readonly #vms = new Map<string, Rrd>();
  /** Sources that there are now, whether recorded or not. */
  readonly #live = new Map<string, readonly SourceInfo[]>();
  /** Those that somebody forgot: not recorded anew by themselves. */
  readonly #forgotten = new Map<string, Set<string>>();
  #host: Rrd;
  #timer: NodeJS.Timeout | null = null;
  #savedMs: number;

  constructor(options: RrdStoreOptions) {
    this.#options = options;
    this.#reader = new SourceReader(options.toolstack);
    this.#savedMs = options.nowMs();
    this.#host = new Rrd(this.#step() - 1);
    this.#load();
  }

  /** Reads from now on, every five seconds, until close(). */
  start(): void {
    const next = (waitMs: number): void => {
      this.#timer = setTimeout(() => {
        const beganMs = performance.now();
        this.#readAndSave();
        next(Math.max(STEP_SECONDS * 1000, (performance.now() - beganMs) / READING_SHARE));
      }, waitMs).unref();
    };
    next(0);
  }

  close(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#save();
  }

  /** One reading of everything. */
  read(): void {
    const { database: objects, nowMs } = this.#options;
    const step = this.#step();
    const readings = this.#reader.read(nowMs());
    this.#record('host', this.#host, step, readings.host);
    const present = new Set<string>();
    for (const [, vm] of objects.published.records('VM')) {
      const uuid = vm.uuid as string;
      present.add(uuid);
      const found = vm.power_state === 'Halted' ? undefined : readings.domains.get(vm.domid as number);
      if (found === undefined) {
        this.#live.delete(uuid);
        continue;
      }
      let rrd = this.#vms.get(uuid);
      if (rrd === undefined) {
        rrd = new Rrd(step - 1);
        this.#vms.set(uuid, rrd);
      }
      this.#record(uuid, rrd, step, found);
    }
    for (const kept of [this.#vms, this.#live, this.#forgotten]) {
      for (const key of kept.keys()) if (key !== keyOf('host') && !present.has(key)) kept.delete(key);
    }
  }

  /** The host's database, and those of VMs that run, with what stands before their sources. */
  current(hostUuid: string): { readonly host: Named; readonly vms: ReadonlyMap<string, Named> } {
    const vms = [...this.#vms].filter(([uuid]) => this.#live.has(uuid));
    return {
      host: { prefix: `host:${hostUuid}:`, rrd: this.#host },
      vms: new Map(vms.map(([uuid, rrd]) => [uuid, { prefix: `vm:${uuid}:`, rrd }])),
    };
  }

  /** Of a VM that is halted: what it was when it ran last. */
  of(owner: Owner): Rrd | undefined {
    return owner === 'host' ? this.#host : this.#vms.get(owner.vm);
  }

  /** Sources that there are, and those that were recorded before. */
  sourcesOf(owner: Owner): readonly { readonly info: SourceInfo; readonly enabled: boolean }[] {
    const rrd = this.of(owner);
    const live = this.#live.get(keyOf(owner)) ?? [];
    const names = new Set(live.map(({ name }) => name));
    const archived = (rrd?.series() ?? []).map(({ info }) => info).filter(({ name }) => !names.has(name));
    return [
      ...live.map((info) => ({ info, enabled: rrd?.has(info.name) === true })),
      ...archived.map((info) => ({ info, enabled: false })),
    ];
  }

  /** @returns false when there is no such source */
  record(owner: Owner, name: string): boolean {
    const info = this.#live.get(keyOf(owner))?.find((one) => one.name === name);
    const rrd = this.of(owner);
    if (info === undefined || rrd === undefined) return false;
    rrd.add(info);
    this.#forgotten.get(keyOf(owner))?.delete(name);
    return true;
  }

  /** A name that means nothing is forgotten already. */
  forget(owner: Owner, name: string): void {
    if (!this.sourcesOf(owner).some(({ info }) => info.name === name)) return;
    this.of(owner)?.forget(name);
    const names = this.#forgotten.get(keyOf(owner)) ?? new Set<string>();
    this.#forgotten.set(keyOf(owner), names.add(name));
  }

  /** The newest value; undefined when nothing of that name is recorded. */
  newest(owner: Owner, name: string): number | undefined {
    const all = this.of(owner)?.series() ?? [];
    return all.find(({ info }) => info.name === name)?.archives[0]?.ring.at(0);
  }

  #record(key: string, rrd: Rrd, step: number, readings: readonly Reading[]): void {
    const forgotten = this.#forgotten.get(key);
    for (const { info } of readings) if (forgotten?.has(info.name) !== true) rrd.add(info);
    this.#live.set(
      key,
      readings.map(({ info }) => info),
    );
    rrd.update(step, new Map(readings.map(({ info, value }) => [info.name, value])));
  }

  #step(): number {
    return Math.floor(this.#options.nowMs() / 1000 / STEP_SECONDS);
  }

  #readAndSave(): void {
    try {
      this.read();
    } catch (error) {
      this.#options.warn({ error: textOf(error) }, 'the data sources could not be read');
    }
    if (this.#options.nowMs() - this.#savedMs > SAVE_MS) this.#save();
  }

  #save(): void {
    const { folder, files, warn, nowMs } = this.#options;
    this.#savedMs = nowMs();
    if (folder === null) return;
    const vms = Object.fromEntries([...this.#vms].map(([uuid, rrd]) => [uuid, rrd.stored()]));
    const text = JSON.stringify({ version: 1, host: this.#host.stored(), vms });
    try {
      replaceFile(join(folder, FILE), gzipSync(text), files);
    } catch (error) {
      warn({ error: textOf(error) }, 'the databases of data sources could not be written; they will be tried again');
    }
  }

  #load(): void {
    const { folder, warn } = this.#options;
    if (folder === null) return;
    try {
      const bytes = readFileSync(join(folder, FILE));
      const { host, vms } = file.parse(JSON.parse(gunzipSync(bytes, { maxOutputLength: MOST_BYTES }).toString('utf8')));
      const restored = new Map(Object.entries(vms).map(([uuid, one]) => [uuid, Rrd.restored(bounded(one))] as const));
      this.#host = Rrd.restored(bounded(host));
      for (const [uuid, rrd] of restored) this.#vms.set(uuid, rrd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      warn({ error: textOf(error) }, `${FILE} cannot be read: data sources are recorded from now on`);
    }
  }
}

function bounded(stored: z.output<typeof database>): StoredRrd {
  const series = stored.series.map(({ info, archives }) => ({ info: { ...info, max: info.max ?? Number.POSITIVE_INFINITY }, archives }));
  return { step: stored.step, series };
}

function keyOf(owner: Owner): string {
  return owner === 'host' ? 'host' : owner.vm;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
