// One replay: a trace on a fleet of equal hosts, under one policy, with one rule that chooses
// hosts. The same settings and seed give the same figures on every machine.

import type { Host } from '../machine/model.js';
import { type ChooseRule, HostChooser } from './choose/choosers.js';
import { Figures, type Moment, type Totals } from './figures.js';
import { type HostType, hostType } from './fleet/host-type.js';
import { type Flavour, LightFleet, type LightVm } from './fleet/light-fleet.js';
import { replayPolicy } from './fleet/policies.js';
import { oneNodeAtMost, type PeakBound } from './peak-bound.js';
import { peakArrival, type Trace } from './trace/trace.js';

export interface ReplaySettings {
  /** A name that `replayPolicy` knows. */
  readonly policy: string;
  readonly host: Host;
  readonly hosts: number;
  readonly choose: ChooseRule;
  readonly seed: number;
  /** Moments to record, at equal distances over the trace. */
  readonly moments: number;
  /** Also `bound`, which takes a second or so for a fleet of a thousand hosts. */
  readonly bound?: boolean;
}

export interface ReplayResult extends Totals {
  readonly vms: number;
  /** No host had room by the sizes of its VMs. */
  readonly failedForHost: number;
  /** The chosen host could not start the VM. */
  readonly failedOnHost: number;
  readonly overTime: readonly (Moment & { readonly failed: number })[];
  /** At the moment at which the trace asks for the most memory; absent unless it was wanted. */
  readonly bound?: PeakBound;
}

/** Events between two calls of `progress`. */
const PROGRESS_EVENTS = 4096;

/**
 * Arrivals come before departures of the same second.
 * @param progress events done so far
 * @throws InputError for settings that no replay can have
 */
export function replay(trace: Trace, settings: ReplaySettings, progress: (events: number) => void = () => {}): ReplayResult {
  const run = new Run(trace, settings);
  const { arrival, departure, leaving, vms } = trace;
  let [next, left] = [0, 0];
  for (let events = 0; ; events++) {
    if (events % PROGRESS_EVENTS === 0) progress(events);
    const leaver = left < vms ? leaving[left]! : -1;
    const leaves = leaver === -1 ? Number.POSITIVE_INFINITY : departure[leaver]!;
    const arrives = next < vms ? arrival[next]! : Number.POSITIVE_INFINITY;
    if (Math.min(leaves, arrives) >= trace.endSeconds && (next >= vms || arrives > trace.endSeconds)) break;
    if (arrives <= leaves) run.arrive(next++);
    else {
      run.leave(leaver);
      left++;
    }
  }
  return run.result();
}

class Run {
  readonly #trace: Trace;
  readonly #type: HostType;
  readonly #hosts: number;
  readonly #fleet: LightFleet;
  readonly #figures: Figures;
  readonly #chooser: HostChooser;
  readonly #live: (LightVm | undefined)[];
  readonly #flavours = new Map<number, Flavour>();
  readonly #overTime: (Moment & { readonly failed: number })[] = [];
  readonly #moments: number;
  /** The VM after whose arrival `bound` is taken; -1 = none. */
  readonly #peak: number;
  #bound: PeakBound | null = null;
  #failedForHost = 0;
  #failedOnHost = 0;

  constructor(trace: Trace, { policy, host, hosts, choose, seed, moments, bound }: ReplaySettings) {
    this.#trace = trace;
    this.#type = hostType(host);
    this.#hosts = hosts;
    this.#fleet = new LightFleet(this.#type, replayPolicy(policy), hosts);
    const freePages = (at: number, node: number) => this.#fleet.freePages(at, node);
    this.#figures = new Figures(this.#type, hosts, freePages, { start: trace.arrival[0]!, end: trace.endSeconds });
    const vcpus = (at: number, node: number) => this.#figures.vcpus(at, node);
    this.#chooser = new HostChooser(choose, this.#type, hosts, { freePages, vcpus }, seed);
    this.#live = new Array<undefined>(trace.vms).fill(undefined);
    this.#moments = moments;
    this.#peak = bound === true ? peakArrival(trace) : -1;
  }

  arrive(vm: number): void {
    this.#advance(this.#trace.arrival[vm]!);
    this.#start(vm);
    if (vm === this.#peak) this.#bound = this.#boundNow();
  }

  #start(vm: number): void {
    const flavour = this.#flavour(vm);
    const mib = flavour.memory.requiredHostFreeMib;
    const host = this.#chooser.choose(flavour.vcpus, mib);
    if (host < 0) {
      this.#failedForHost++;
      return;
    }
    const started = this.#fleet.start(host, flavour);
    if (started === null) {
      this.#failedOnHost++;
      return;
    }
    this.#live[vm] = started;
    this.#figures.begin(started, this.#trace.departure[vm]!);
    this.#chooser.changed(host, mib);
  }

  leave(vm: number): void {
    const live = this.#live[vm];
    if (live === undefined) return;
    this.#advance(this.#trace.departure[vm]!);
    this.#live[vm] = undefined;
    this.#fleet.stop(live);
    this.#figures.end(live);
    this.#chooser.changed(live.host, -this.#flavour(vm).memory.requiredHostFreeMib);
  }

  result(): ReplayResult {
    this.#advance(this.#trace.endSeconds);
    return {
      vms: this.#trace.vms,
      ...this.#figures.totals(),
      failedForHost: this.#failedForHost,
      failedOnHost: this.#failedOnHost,
      overTime: this.#overTime,
      ...(this.#bound === null ? {} : { bound: this.#bound }),
    };
  }

  #boundNow(): PeakBound {
    const { seconds, vms, oneNode } = this.#figures.moment();
    const pages = this.#live.flatMap((vm) => (vm === undefined ? [] : [vm.pages.reduce((sum, here) => sum + here, 0)]));
    return { seconds, vms, oneNode: oneNode ?? 1, oneNodeAtMost: oneNodeAtMost(this.#type, this.#hosts, pages) };
  }

  /** Records the moments on the way. */
  #advance(seconds: number): void {
    const { arrival, endSeconds } = this.#trace;
    const span = endSeconds - arrival[0]!;
    while (this.#overTime.length < this.#moments) {
      const at = arrival[0]! + (span * (this.#overTime.length + 1)) / this.#moments;
      if (at > seconds || (at === seconds && seconds < endSeconds)) break;
      this.#figures.advance(at);
      this.#overTime.push({ ...this.#figures.moment(), failed: this.#failedForHost + this.#failedOnHost });
    }
    this.#figures.advance(seconds);
  }

  #flavour(vm: number): Flavour {
    const [vcpus, memoryBytes] = [this.#trace.vcpus[vm]!, this.#trace.memoryBytes[vm]!];
    const key = memoryBytes * 256 + vcpus;
    let flavour = this.#flavours.get(key);
    if (flavour === undefined) {
      flavour = this.#fleet.flavour(vcpus, memoryBytes);
      this.#flavours.set(key, flavour);
    }
    return flavour;
  }
}
