// The databases of the hosts and of every VM that ran: read every five seconds, kept in the state
// folder, and bounded, as runs of equal values are kept.
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';
import type { FileCalls } from '../../base/file-calls.js';
import { readOwnFile } from '../../base/own-file.js';
import { replaceFile } from '../../base/replace-file.js';
import type { Database } from '../model/database.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import type { Named } from './format.js';
import { Rrd, type SourceInfo, STEP_SECONDS, type StoredRrd } from './rrd.js';
import { type Reading, type Readings, SourceReader } from './sources.js';

const FILE = 'rrd.json.gz';
/** At most so much is read back: a year of 10,000 VMs is below it. */
const MOST_BYTES = 256 * 2 ** 20;
/** The most that a kill can lose. */
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
const databases = z.record(z.string().max(64), database);
/** `host` is the coordinator's, and `hosts` are the others', by uuid. */
const file = z.object({ version: z.literal(1), host: database, hosts: databases.optional(), vms: databases });

export interface RrdStoreOptions {
  readonly hosts: PoolHosts;
  readonly database: Database;
  /** null = they are kept in memory. */
  readonly folder: string | null;
  readonly files: FileCalls;
  readonly warn: (values: object, message: string) => void;
  readonly nowMs: () => number;
}

/** A VM or a host, by uuid. */
export type Owner = { readonly vm: string } | { readonly host: string };

export class RrdStore {
  readonly #options: RrdStoreOptions;
  readonly #readers = new Map<string, SourceReader>();
  readonly #vms = new Map<string, Rrd>();
  /** Sources that there are now, whether recorded or not. */
  readonly #live = new Map<string, readonly SourceInfo[]>();
  /** Those that somebody forgot: not recorded anew by themselves. */
  readonly #forgotten = new Map<string, Set<string>>();
  readonly #hosts = new Map<string, Rrd>();
  #timer: NodeJS.Timeout | null = null;
  #savedMs: number;

  constructor(options: RrdStoreOptions) {
    this.#options = options;
    for (const { uuid, toolstack } of options.hosts.all) this.#readers.set(uuid, new SourceReader(toolstack));
    this.#savedMs = options.nowMs();
    this.#load();
    for (const { uuid } of options.hosts.all) if (!this.#hosts.has(uuid)) this.#hosts.set(uuid, new Rrd(this.#step() - 1));
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
    const { database: objects, hosts, nowMs } = this.#options;
    const step = this.#step();
    const present = new Set<string>();
    const domains = new Map<unknown, Readings['domains']>();
    for (const { ref, uuid } of hosts.all) {
      const readings = this.#readers.get(uuid)!.read(nowMs());
      this.#record(uuid, this.#hosts.get(uuid)!, step, readings.host);
      domains.set(ref, readings.domains);
      present.add(uuid);
    }
    for (const [, vm] of objects.published.records('VM')) {
      const uuid = vm.uuid as string;
      present.add(uuid);
      const found = vm.power_state === 'Halted' ? undefined : domains.get(vm.resident_on)?.get(vm.domid as number);
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
    for (const table of [this.#hosts, this.#vms, this.#live, this.#forgotten]) {
      for (const key of table.keys()) if (!present.has(key)) table.delete(key);
    }
  }

  /** The hosts' databases, and those of VMs that run, with what stands before their sources. */
  current(): { readonly hosts: readonly Named[]; readonly vms: ReadonlyMap<string, Named> } {
    const vms = [...this.#vms].filter(([uuid]) => this.#live.has(uuid));
    return {
      hosts: [...this.#hosts].map(([uuid, rrd]) => ({ prefix: `host:${uuid}:`, rrd })),
      vms: new Map(vms.map(([uuid, rrd]) => [uuid, { prefix: `vm:${uuid}:`, rrd }])),
    };
  }

  /** For a halted VM, the database of its last run. */
  of(owner: Owner): Rrd | undefined {
    return 'host' in owner ? this.#hosts.get(owner.host) : this.#vms.get(owner.vm);
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
    const { folder, files, warn, nowMs, database } = this.#options;
    this.#savedMs = nowMs();
    // Where the state was moved away, the folder of that name may be another daemon's.
    if (folder === null || database.fault?.errno === 'ESTALE') return;
    const stored = (all: ReadonlyMap<string, Rrd>) => Object.fromEntries([...all].map(([uuid, rrd]) => [uuid, rrd.stored()]));
    const { [this.#options.hosts.coordinator.uuid]: host, ...hosts } = stored(this.#hosts);
    const text = JSON.stringify({ version: 1, host, ...(this.#hosts.size > 1 ? { hosts } : {}), vms: stored(this.#vms) });
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
      const bytes = readOwnFile(join(folder, FILE), MOST_BYTES);
      if (bytes === null) return;
      const { host, hosts = {}, vms } = file.parse(JSON.parse(gunzipSync(bytes, { maxOutputLength: MOST_BYTES }).toString('utf8')));
      const restored = (all: typeof vms) => Object.entries(all).map(([uuid, one]) => [uuid, Rrd.restored(bounded(one))] as const);
      const [ofHosts, ofVms] = [restored({ ...hosts, [this.#options.hosts.coordinator.uuid]: host }), restored(vms)];
      for (const [uuid, rrd] of ofHosts) if (this.#readers.has(uuid)) this.#hosts.set(uuid, rrd);
      for (const [uuid, rrd] of ofVms) this.#vms.set(uuid, rrd);
    } catch (error) {
      warn({ error: textOf(error) }, `${FILE} cannot be read: data sources are recorded from now on`);
    }
  }
}

function bounded(stored: z.output<typeof database>): StoredRrd {
  const series = stored.series.map(({ info, archives }) => ({ info: { ...info, max: info.max ?? Number.POSITIVE_INFINITY }, archives }));
  return { step: stored.step, series };
}

function keyOf(owner: Owner): string {
  return 'host' in owner ? owner.host : owner.vm;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
