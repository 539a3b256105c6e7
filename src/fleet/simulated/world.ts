// A fleet under a simulated log: placers and owners with the real protocol, hosts with memory of
// their own, and everything that can go wrong, from one seed. Each step is one event: an entry is
// stored, read or lost, a claim is made, a start ends, a process dies or sleeps, leases run out.
// Longer than 400 lines: one class, whose steps share all of the world.
import { Random } from '../../base/random.js';
import { claimsOf, type Parts } from '../protocol/entries.js';
import { type HostTruth, type Promised, promisedTwice } from '../protocol/invariants.js';
import { Owner } from '../protocol/owner.js';
import { Picture } from '../protocol/picture.js';
import { Placer } from '../protocol/placer.js';
import { Outbox, SimulatedLog } from './log.js';

const LEASE_MS = 300;
const MARGIN_MS = 100;
const NODES = 2;
const NODE_MIB = 100;

interface Start {
  readonly host: number;
  readonly id: string;
}

class PlacerProcess {
  readonly outbox = new Outbox();
  readonly granted = new Map<string, Promised>();
  /** Entries of several claims that are not sent yet. */
  readonly flushes: (() => void)[] = [];
  readonly open = new Map<string, { readonly sinceMs: number; readonly host: number }>();
  readonly placer: Placer;
  replica = 0;
  /** Stopped, not dead. */
  asleep = false;
  cutOff = false;
  /** Place up to which its picture was checked. */
  checked = 0;

  flush(): void {
    for (const flush of this.flushes.splice(0)) flush();
  }

  constructor(name: string) {
    this.placer = new Placer({
      ...{ name, process: 'x', send: (subject, text) => this.outbox.send(subject, text) },
      gather: (flush) => this.flushes.push(flush),
    });
  }
}

class HostProcess {
  readonly outbox = new Outbox();
  readonly owner: Owner;
  replica = 0;
  asleep = false;
  cutOff = false;
  readonly starting = new Set<string>();

  constructor(host: SimulatedHost, name: string) {
    this.owner = new Owner({
      ...{ host: host.name, name, leaseMs: LEASE_MS, marginMs: MARGIN_MS },
      figures: () => ({ nodes: host.nodes(), vms: host.vms.size, drifted: 0, draining: false, runs: '', tags: [], started: host.started }),
      send: (subject, text) => this.outbox.send(subject, text),
    });
  }
}

class SimulatedHost {
  readonly name: string;
  readonly vms = new Map<string, readonly (readonly [number, number])[]>();
  readonly started = new Set<string>();
  process: HostProcess;
  /** Daemons that were replaced and have not noticed. */
  readonly zombies: HostProcess[] = [];

  constructor(name: string) {
    this.name = name;
    this.process = new HostProcess(this, `${name}-1`);
  }

  allocated(): number[] {
    const taken = Array<number>(NODES).fill(0);
    for (const parts of this.vms.values()) for (const [node, mib] of parts) taken[node]! += mib;
    return taken;
  }

  nodes() {
    return this.allocated().map((mib) => ({ memoryMib: NODE_MIB, freeMib: NODE_MIB - mib, cores: 8, vcpus: 0, cpus: '0-7' }));
  }
}

export interface WorldOptions {
  readonly seed: number;
  readonly placers: number;
  readonly hosts: number;
  readonly faults: boolean;
  /** VMs that the host's own users start, past the fleet. */
  readonly localStarts: boolean;
  /** A mistake on purpose: the check must find it. */
  readonly plant?: 'ignore-gaps' | 'start-unasked';
}

export class World {
  readonly counts = {
    granted: 0,
    left: 0,
    leftStarted: 0,
    refused: 0,
    started: 0,
    freed: 0,
    crashes: 0,
    gaps: 0,
    overtaken: 0,
    noMemory: 0,
    together: 0,
  };
  readonly #random: Random;
  readonly #options: WorldOptions;
  readonly #log = new SimulatedLog();
  #placers: PlacerProcess[] = [];
  readonly #hosts: SimulatedHost[];
  /** Promises to placers that died; they hold until they are settled. */
  readonly #orphans = new Map<string, Promised>();
  readonly #starts: Start[] = [];
  /** Claims that were handed over without a promise. */
  readonly #left = new Set<string>();
  readonly #reference = new Picture();
  readonly #history = new Map<string, { readonly place: number; readonly free: readonly number[] | null }[]>();
  readonly #parts = new Map<string, Parts>();
  #referenced = 0;
  #nowMs = 0;
  #names = 1;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#hosts = Array.from({ length: options.hosts }, (_, at) => new SimulatedHost(`h${at}`));
    this.#placers = Array.from({ length: options.placers }, () => this.#newPlacer());
  }

  step(): void {
    this.#nowMs++;
    const { faults, localStarts } = this.#options;
    const event = this.#random.weighted<() => void>([
      [() => this.#log.replicate(this.#random), 25],
      [() => this.#deliver(), 40],
      [() => this.#readPlacer(this.#random.pick(this.#placers)), 30],
      [() => this.#readOwner(this.#anyOwner()), 25],
      [() => this.#claim(this.#random.pick(this.#placers)), 12],
      [() => this.#random.pick(this.#placers).flush(), 12],
      [() => this.#handOver(), 10],
      [() => this.#endStart(this.#random.pick(this.#hosts)), 8],
      [() => this.#tick(), 4],
      [() => this.#stopVm(this.#random.pick(this.#hosts)), 4],
      [() => this.#giveUpLate(this.#random.pick(this.#placers)), 3],
      [() => this.#purge(this.#random.pick(this.#hosts).name), 1],
      [() => this.#disturb(), faults ? 1 : 0],
      [() => this.#localStart(this.#random.pick(this.#hosts)), localStarts ? 2 : 0],
    ]);
    event();
    this.#extendReference();
  }

  /** Broken invariants; empty = all hold. */
  wrong(): string[] {
    const truth = this.#hosts.map((host): HostTruth => {
      const dead = new Set(this.#reference.hosts.get(host.name)?.map?.dead);
      return { name: host.name, memoryMib: Array(NODES).fill(NODE_MIB), allocatedMib: host.allocated(), started: host.started, dead };
    });
    const held = [...this.#orphans.values(), ...this.#placers.flatMap((one) => [...one.granted.values()])];
    // A promise whose claim is settled in the log is void, whether its placer has read so or not.
    const promises = held.filter(({ host, id }) => this.#reference.hosts.get(host)?.claims.has(id));
    return [
      ...(this.#options.localStarts ? [] : promisedTwice(truth, promises)),
      ...this.#placers.flatMap((one) => this.#pictureFaults(one)),
    ];
  }

  /** Nothing fails any more: all claims come to an end. @returns what is left over */
  settle(): string[] {
    for (const host of this.#hosts) host.zombies.splice(0);
    for (let round = 0; round < 60; round++) {
      this.#nowMs += LEASE_MS / 2;
      for (const host of this.#hosts) {
        Object.assign(host.process, { asleep: false, cutOff: false });
        for (const id of host.process.starting) this.#finish(host, id, true);
      }
      for (const one of this.#placers) Object.assign(one, { asleep: false, cutOff: false });
      for (const one of this.#placers) for (const id of one.open.keys()) this.#giveUp(one, id);
      this.#settleRound();
    }
    const left: string[] = [];
    for (const [name, { claims, map }] of this.#reference.hosts) {
      if (claims.size > 0) left.push(`${name} has ${claims.size} claims that nobody settled`);
      const host = this.#hosts.find((one) => one.name === name)!;
      const free = map?.nodes.map(({ freeMib }) => freeMib).join();
      const actual = host
        .nodes()
        .map(({ freeMib }) => freeMib)
        .join();
      if (free !== actual) left.push(`${name}'s map says ${free} MiB are free, of ${actual}`);
    }
    return left;
  }

  #settleRound(): void {
    for (let pass = 0; pass < 6; pass++) {
      for (const one of this.#placers) one.flush();
      for (const { outbox } of [...this.#placers, ...this.#hosts.map(({ process }) => process)]) {
        while (!outbox.empty) outbox.deliver(this.#log, this.#random, false);
      }
      this.#log.settle();
      for (const host of this.#hosts) {
        for (let reads = 0; reads < 2000 && this.#readOwner(host.process); reads++);
      }
      for (const one of this.#placers) for (let reads = 0; reads < 2000 && this.#readPlacer(one); reads++);
    }
    // The placers end: nothing is heard of them.
    for (const { process } of this.#hosts) process.owner.tick(this.#nowMs);
    this.#extendReference();
  }

  #newPlacer(): PlacerProcess {
    return new PlacerProcess(`p${this.#names++}`);
  }

  #anyOwner(): HostProcess {
    const host = this.#random.pick(this.#hosts);
    return this.#random.pick([host.process, host.process, ...host.zombies]);
  }

  #deliver(): void {
    const { faults } = this.#options;
    const able = [...this.#placers, ...this.#hosts.flatMap(({ process, zombies }) => [process, ...zombies])];
    const one = this.#random.pick(able);
    if (!one.cutOff) one.outbox.deliver(this.#log, this.#random, faults);
  }

  /** @returns whether there was an entry */
  #readPlacer(one: PlacerProcess): boolean {
    if (one.asleep || one.cutOff) return false;
    const { placer } = one;
    const entry = this.#log.next(one.replica, placer.picture.last);
    if (entry === null) {
      // Only a reader that has come to the end of its replica knows so.
      placer.caughtUp();
      return false;
    }
    if (entry.place !== placer.picture.last + 1) this.counts.gaps++;
    placer.read(this.#options.plant === 'ignore-gaps' ? { ...entry, pending: 0 } : entry);
    return true;
  }

  #readOwner(process: HostProcess): boolean {
    if (process.asleep || process.cutOff) return false;
    const { owner } = process;
    const host = this.#hosts.find((one) => one.process === process || one.zombies.includes(process))!;
    const entry = this.#log.next(process.replica, owner.last, (subject) => subject.startsWith(`h.${host.name}.`));
    if (entry === null) {
      if (!owner.isOwner && owner.epoch === 0) owner.take();
      return false;
    }
    owner.read(entry, this.#nowMs);
    return true;
  }

  /** One claim, or some on the same host, which share an entry. */
  #claim(one: PlacerProcess): void {
    if (one.asleep || !one.placer.picture.whole) return;
    const at = this.#random.below(this.#hosts.length);
    const count = this.#random.chance(25) ? this.#random.between(2, 4) : 1;
    for (let claim = 0; claim < count; claim++) this.#claimOn(one, at, count);
  }

  #claimOn(one: PlacerProcess, at: number, count: number): void {
    const first = this.#random.below(NODES);
    const mib = Math.ceil(this.#random.between(10, 60) / count);
    const parts: [number, number][] = this.#random.chance(80)
      ? [[first, mib]]
      : [
          [0, mib],
          [1, mib],
        ];
    // Mostly where the picture says that there is room.
    if (!one.placer.picture.fits(this.#hosts[at]!.name, parts) && this.#random.chance(70)) return;
    const host = this.#hosts[at]!.name;
    const id = one.placer.claim(
      host,
      { parts, vcpus: 1, start: 's' },
      {
        granted: (granted) => {
          this.counts.granted++;
          one.granted.set(granted, { host, id: granted, parts });
          one.open.delete(granted);
          const copies = this.#options.faults && this.#random.chance(10) ? 2 : 1;
          const lost = this.#options.faults && this.#random.chance(10);
          if (!lost) for (let copy = 0; copy < copies; copy++) this.#starts.push({ host: at, id: granted });
        },
        // The picture of a placer that falls behind is not whole: the owner decides by the start.
        undecided: (left) => {
          if (this.#random.chance(40)) return;
          one.placer.leaveToOwner(left);
          one.open.delete(left);
          this.counts.left++;
          this.#left.add(left);
          this.#starts.push({ host: at, id: left });
        },
        ended: (ended, how) => {
          if (how === 'refused') this.counts.refused++;
          if (how === 'gone') this.counts.freed++;
          one.granted.delete(ended);
          one.open.delete(ended);
        },
      },
    );
    one.open.set(id, { sinceMs: this.#nowMs, host: at });
  }

  /** Start messages are hints: late, lost, twice. */
  #handOver(): void {
    if (this.#starts.length === 0) return;
    const [start] = this.#starts.splice(this.#random.below(this.#starts.length), 1);
    const host = this.#hosts[start!.host]!;
    if (host.process.asleep) return;
    const blind = this.#options.plant === 'start-unasked' && this.#left.has(start!.id);
    const answer = blind ? 'start' : host.process.owner.admit(start!.id, 's');
    if (answer === 'later' && this.#random.chance(80)) this.#starts.push(start!);
    if (answer === 'start') host.process.starting.add(start!.id);
    if (typeof answer === 'object') {
      this.counts.overtaken++;
      host.process.owner.refuse(start!.id);
    }
  }

  #endStart(host: SimulatedHost): void {
    const [id] = host.process.starting;
    if (id === undefined || host.process.asleep) return;
    this.#finish(host, id, this.#random.chance(90));
  }

  #finish(host: SimulatedHost, id: string, ok: boolean): void {
    host.process.starting.delete(id);
    if (host.process.asleep) return;
    const parts = this.#partsOf(id);
    const fits = parts?.every(([node, mib]) => host.allocated()[node]! + mib <= NODE_MIB) ?? false;
    // Otherwise Xen has no memory: a start past the fleet was faster.
    if (parts !== null && !fits) this.counts.noMemory++;
    if (ok && fits && parts !== null) {
      host.vms.set(id, parts);
      host.started.add(id);
      this.counts.started++;
      if (this.#left.has(id)) this.counts.leftStarted++;
    }
    host.process.owner.ended(id, ok && fits);
  }

  /** null = the claim never came to the log. */
  #partsOf(id: string): Parts | null {
    return this.#parts.get(id) ?? null;
  }

  #tick(): void {
    for (const { placer, asleep, cutOff } of this.#placers) {
      if (asleep || cutOff) continue;
      for (const { process } of this.#hosts) if (!process.cutOff) process.owner.heard(placer.process, this.#nowMs);
    }
    for (const { process, zombies } of this.#hosts) {
      for (const one of [process, ...zombies]) if (!one.asleep && this.#random.chance(50)) one.owner.tick(this.#nowMs);
    }
  }

  #stopVm(host: SimulatedHost): void {
    const names = [...host.vms.keys()];
    if (names.length < 2 && this.#random.chance(50)) return;
    if (names.length === 0) return;
    host.vms.delete(this.#random.pick(names));
    if (!host.process.asleep) host.process.owner.publish();
  }

  #giveUpLate(one: PlacerProcess): void {
    if (one.asleep) return;
    for (const [id, { sinceMs }] of one.open) if (this.#nowMs - sinceMs > 200) this.#giveUp(one, id);
  }

  #giveUp(one: PlacerProcess, id: string): void {
    one.open.delete(id);
    one.placer.giveUp(id);
  }

  #localStart(host: SimulatedHost): void {
    const mib = this.#random.between(10, 60);
    const node = this.#random.below(NODES);
    if (host.allocated()[node]! + mib > NODE_MIB) return;
    host.vms.set(`local-${this.#nowMs}`, [[node, mib]]);
  }

  #purge(host: string): void {
    const settled = this.#reference.hosts.get(host)?.map?.settled;
    if (settled !== undefined) this.#log.purgeClaims(host, settled);
  }

  #disturb(): void {
    const random = this.#random;
    const one = random.pick(this.#placers);
    const host = random.pick(this.#hosts);
    random.weighted<() => void>([
      [() => this.#killPlacer(one), 2],
      [() => Object.assign(one, { asleep: !one.asleep }), 2],
      [() => Object.assign(one, { cutOff: !one.cutOff }), 2],
      [() => Object.assign(one, { replica: random.below(3) }), 3],
      [() => Object.assign(host.process, { replica: random.below(3) }), 3],
      [() => Object.assign(host.process, { cutOff: !host.process.cutOff }), 2],
      [() => Object.assign(host.process, { asleep: !host.process.asleep }), 2],
      [() => this.#replaceOwner(host), 1],
    ])();
  }

  #killPlacer(one: PlacerProcess): void {
    this.counts.crashes++;
    for (const promise of one.granted.values()) this.#orphans.set(promise.id, promise);
    // What it has sent is still on its way.
    while (!one.outbox.empty) one.outbox.deliver(this.#log, this.#random, true);
    this.#placers = [...this.#placers.filter((other) => other !== one), this.#newPlacer()];
  }

  /** A daemon dies, or sleeps and is replaced while it does. Its starts end with it. */
  #replaceOwner(host: SimulatedHost): void {
    this.counts.crashes++;
    const before = host.process;
    for (const id of [...before.starting]) {
      before.starting.delete(id);
      const parts = this.#partsOf(id)!;
      const fits = parts.every(([node, mib]) => host.allocated()[node]! + mib <= NODE_MIB);
      if (!fits || this.#random.chance(50)) continue;
      host.vms.set(id, parts);
      host.started.add(id);
      this.counts.started++;
    }
    host.zombies.splice(0);
    if (this.#random.chance(50)) host.zombies.push(before);
    host.process = new HostProcess(host, `${host.name}-${++this.#names}`);
  }

  #extendReference(): void {
    for (; this.#referenced < this.#log.entries.length; this.#referenced++) {
      const entry = this.#log.entries[this.#referenced]!;
      this.#reference.read({ ...entry, pending: 0 });
      const [, name = '', , placer, number] = entry.subject.split('.');
      if (entry.subject.includes('.r.') && entry.text.startsWith('{')) {
        const claims = claimsOf(`${placer}.${number}`, entry.place, entry.text);
        if (claims.length > 1) this.counts.together++;
        for (const { id, claim } of claims) this.#parts.set(id, claim!.parts);
      }
      const history = this.#history.get(name) ?? [];
      history.push({ place: entry.place, free: this.#reference.freeBefore(name, Number.POSITIVE_INFINITY) });
      this.#history.set(name, history);
    }
  }

  /**
   * A whole picture never shows more room than the log had at its last entry, read without a gap:
   * invariants 2 and 3.
   */
  #pictureFaults(one: PlacerProcess): string[] {
    const { picture, process: name } = one.placer;
    // What users start past the fleet is in no claim: an older map shows room that it took.
    if (this.#options.localStarts || !picture.whole || one.checked === picture.last) return [];
    one.checked = picture.last;
    return [...picture.hosts.keys()].flatMap((host) => {
      const free = picture.freeBefore(host, Number.POSITIVE_INFINITY);
      const then = this.#history.get(host)?.findLast(({ place }) => place <= picture.last)?.free ?? null;
      if (free === null || (then !== null && free.every((mib, node) => mib <= then[node]!))) return [];
      return [`${name} sees room of ${free} MiB on ${host} at ${picture.last}, where ${then} are`];
    });
  }
}
