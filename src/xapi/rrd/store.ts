// The databases of the hosts and of every VM that ran: read every five seconds, kept in the state
// folder, and bounded, as runs of equal values are kept.
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { FileCalls } from '../../base/file-calls.js';
import { readOwnFile } from '../../base/own-file.js';
import { replaceFile } from '../../base/replace-file.js';
import type { Database } from '../model/database.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import type { WireStruct } from '../wire/values.js';
import { hostDeviceReadings, vmDeviceReadings } from './device-sources.js';
import type { Named } from './format.js';
import { type Reading, reading } from './readings.js';
import { Rrd, type SourceInfo, STEP_SECONDS } from './rrd.js';
import { type Readings, SourceReader } from './sources.js';
import { parseStored, storedText } from './stored.js';

const FILE = 'rrd.json.gz';
/** At most so much is read back: a year of 10,000 VMs is below it. */
const MOST_BYTES = 256 * 2 ** 20;
/** The most that a kill can lose. */
const SAVE_MS = 10 * 60_000;
/** Reading takes at most this share of the time. */
const READING_SHARE = 0.01;

/**
 * Sources of one host or VM that are no longer there, but were recorded: their history is kept. The
 * oldest beyond this number go, as a client could otherwise make disks and remove them for ever.
 */
const MOST_GONE = 500;

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
  readonly #live = new Map<string, readonly Reading[]>();
  /** Those that somebody forgot: not recorded anew by themselves. */
  readonly #forgotten = new Map<string, Set<string>>();
  readonly #hosts = new Map<string, Rrd>();
  #timer: NodeJS.Timeout | null = null;
  #saving: NodeJS.Timeout | null = null;
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

  /** Stores all of it once more after so long, unless it is closed before. One wait at a time. */
  saveAfter(waitMs: number): void {
    if (this.#saving !== null) clearTimeout(this.#saving);
    this.#saving = setTimeout(() => this.#save(), waitMs).unref();
  }

  close(): void {
    if (this.#saving !== null) clearTimeout(this.#saving);
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
    const readings = new Map<unknown, Readings>();
    for (const { ref, uuid } of hosts.all) {
      readings.set(ref, this.#readers.get(uuid)!.read(nowMs()));
      present.add(uuid);
    }
    const running = new Map<unknown, WireStruct[]>();
    for (const [, vm] of objects.published.records('VM')) {
      const uuid = vm.uuid as string;
      present.add(uuid);
      const found = vm.power_state === 'Halted' ? undefined : readings.get(vm.resident_on)?.domains.get(vm.domid as number);
      if (found === undefined) {
        this.#live.delete(uuid);
        continue;
      }
      const there = running.get(vm.resident_on);
      if (there === undefined) running.set(vm.resident_on, [vm]);
      else there.push(vm);
      let rrd = this.#vms.get(uuid);
      if (rrd === undefined) {
        rrd = new Rrd(step - 1);
        this.#vms.set(uuid, rrd);
      }
      this.#record(uuid, rrd, step, [...found, ...targetReading(vm), ...vmDeviceReadings(objects, vm)]);
    }
    for (const { ref, uuid } of hosts.present(objects)) {
      const vms = running.get(ref) ?? [];
      const all = [...readings.get(ref)!.host, ...reclaimedReadings(vms), ...hostDeviceReadings(objects, ref, vms)];
      this.#record(uuid, this.#hosts.get(uuid)!, step, all);
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
    const live = (this.#live.get(keyOf(owner)) ?? []).map(({ info }) => info);
    const names = new Set(live.map(({ name }) => name));
    const archived = (rrd?.series() ?? []).map(({ info }) => info).filter(({ name }) => !names.has(name));
    return [
      ...live.map((info) => ({ info, enabled: rrd?.has(info.name) === true })),
      ...archived.map((info) => ({ info, enabled: false })),
    ];
  }

  /** @returns false when there is no such source */
  record(owner: Owner, name: string): boolean {
    const info = this.#live.get(keyOf(owner))?.find((one) => one.info.name === name)?.info;
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
    return all.find(({ info }) => info.name === name)?.track.archives[0]?.ring.at(0);
  }

  #record(key: string, rrd: Rrd, step: number, readings: readonly Reading[]): void {
    const forgotten = this.#forgotten.get(key);
    const told = new Map<string, Reading>();
    for (const one of readings) {
      const { name } = one.info;
      told.set(name, one);
      if (one.recorded && forgotten?.has(name) !== true) rrd.add(one.info);
    }
    this.#live.set(key, readings);
    if (rrd.size > told.size + MOST_GONE) {
      const gone = rrd.series().filter(({ info }) => !told.has(info.name));
      for (const { info } of gone.slice(0, Math.max(0, gone.length - MOST_GONE))) rrd.forget(info.name);
    }
    rrd.update(step, told);
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
    const { [this.#options.hosts.coordinator.uuid]: host, ...hosts } = Object.fromEntries(this.#hosts);
    const text = storedText({ host: host!, hosts: new Map(Object.entries(hosts)), vms: this.#vms });
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
      const { host, hosts, vms } = parseStored(gunzipSync(bytes, { maxOutputLength: MOST_BYTES }).toString('utf8'));
      for (const [uuid, rrd] of [...hosts, [this.#options.hosts.coordinator.uuid, host] as const]) {
        if (this.#readers.has(uuid)) this.#hosts.set(uuid, rrd);
      }
      for (const [uuid, rrd] of vms) this.#vms.set(uuid, rrd);
    } catch (error) {
      warn({ error: textOf(error) }, `${FILE} cannot be read: data sources are recorded from now on`);
    }
  }
}

/** What the VM's balloon driver is to reach; xapi reads it in XenStore, where it is in KiB. */
function targetReading(vm: WireStruct): Reading[] {
  return [reading('memory_target', 'Target of VM balloon driver', 'B', targetOf(vm))];
}

function targetOf(vm: WireStruct): number {
  return Number(vm.memory_target) || Number(vm.memory_dynamic_max);
}

/** @param vms of the host that run */
function reclaimedReadings(vms: readonly WireStruct[]): Reading[] {
  const sum = (of: (vm: WireStruct) => number) => vms.reduce((total, vm) => total + of(vm), 0);
  const least = { min: Number.NEGATIVE_INFINITY };
  const reclaimed = sum((vm) => Number(vm.memory_dynamic_max) - targetOf(vm));
  const more = sum((vm) => targetOf(vm) - Number(vm.memory_dynamic_min));
  return [
    reading('memory_reclaimed', 'Host memory reclaimed by squeezed', 'B', reclaimed, least),
    reading('memory_reclaimed_max', 'Host memory that could be reclaimed by squeezed', 'B', more, least),
  ];
}

function keyOf(owner: Owner): string {
  return 'host' in owner ? owner.host : owner.vm;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
