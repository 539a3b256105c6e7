// One replay: a trace on a fleet of equal hosts, under one policy, with one rule that chooses
// hosts. The same settings and seed give the same figures on every machine.

import type { Host } from '../machine/model.js';
import { type ChooseRule, HostChooser, readsNodes } from './choose/choosers.js';
import { Figures, type Moment, type Totals } from './figures.js';
import { type HostType, hostType } from './fleet/host-type.js';
import type { Flavour } from './fleet/light-fleet.js';
import { PatientFleet } from './fleet/patient-fleet.js';
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

/** In place of a VM's host: why it has none. */
const NO_HOST = -1;
const FAILED_ON_HOST = -2;

/**
 * What each event is, is decided at once; the fleet and the figures follow in turns (`#settle`):
 * both work through the events in their order.
 */
class Run {
  readonly #trace: Trace;
  readonly #type: HostType;
  readonly #hosts: number;
  readonly #fleet: PatientFleet;
  readonly #figures: Figures;
  readonly #chooser: HostChooser;
  /** The rule looks at nodes, so that nothing can be put off. */
  readonly #eager: boolean;
  /** By VM: the host that it was started on. */
  readonly #hostOf: Int32Array;
  /** Events that the figures lack: a VM that came, or ~VM for one that left. */
  readonly #events: number[] = [];
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
    const flavours = (vm: number) => this.#flavour(vm);
    this.#fleet = new PatientFleet(this.#type, replayPolicy(policy), hosts, { vms: trace.vms, flavours });
    const empty = Array.from({ length: this.#type.nodes }, (_, node) => this.#fleet.freePages(0, node));
    this.#figures = new Figures(this.#type, hosts, empty, { start: trace.arrival[0]!, end: trace.endSeconds });
    this.#chooser = new HostChooser(choose, this.#type, hosts, this.#figures, seed);
    this.#eager = readsNodes(choose);
    this.#hostOf = new Int32Array(trace.vms);
    this.#moments = moments;
    this.#peak = bound === true ? peakArrival(trace) : -1;
  }

  arrive(vm: number): void {
    const flavour = this.#flavour(vm);
    const mib = flavour.memory.requiredHostFreeMib;
    const host = this.#chooser.choose(flavour.vcpus, mib);
    const started = host >= 0 && this.#fleet.start(host, vm);
    const failure = host < 0 ? NO_HOST : FAILED_ON_HOST;
    this.#hostOf[vm] = started ? host : failure;
    this.#happened(vm);
    if (started) this.#chooser.changed(host, mib);
    if (vm !== this.#peak) return;
    this.#settle();
    this.#bound = this.#boundNow();
  }

  leave(vm: number): void {
    const host = this.#hostOf[vm]!;
    if (host < 0) return;
    this.#fleet.stop(host, vm);
    this.#happened(~vm);
    this.#chooser.changed(host, -this.#flavour(vm).memory.requiredHostFreeMib);
  }

  result(): ReplayResult {
    this.#settle();
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

  #happened(event: number): void {
    this.#events.push(event);
    if (this.#eager || this.#fleet.full) this.#settle();
  }

  /** Brings the fleet and the figures up to the last event. */
  #settle(): void {
    this.#fleet.settle();
    for (const event of this.#events) {
      if (event >= 0) this.#begin(event);
      else this.#end(~event);
    }
    this.#events.length = 0;
  }

  #begin(vm: number): void {
    this.#advance(this.#trace.arrival[vm]!);
    const host = this.#hostOf[vm]!;
    if (host === NO_HOST) this.#failedForHost++;
    else if (host === FAILED_ON_HOST) this.#failedOnHost++;
    else this.#figures.begin(this.#fleet.vm(vm), this.#trace.departure[vm]!);
  }

  #end(vm: number): void {
    this.#advance(this.#trace.departure[vm]!);
    this.#figures.end(this.#fleet.vm(vm));
    this.#fleet.forget(vm);
  }

  #boundNow(): PeakBound {
    const { seconds, vms, oneNode } = this.#figures.moment();
    return { seconds, vms, oneNode: oneNode ?? 1, oneNodeAtMost: oneNodeAtMost(this.#type, this.#hosts, this.#fleet.guestPages()) };
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
