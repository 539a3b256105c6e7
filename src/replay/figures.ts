// The figures of a replay, at any moment and over all the time: the distance of VMs' memory from
// their vCPUs, and the use of the nodes' cores and free memory.
import { DEFAULT_CORES_PER_VCPU } from '../planner/tight/busy-cores.js';
import type { HostType } from './fleet/host-type.js';
import type { LightVm } from './fleet/light-fleet.js';
import { type VmFigures, VmMeter } from './vm-figures.js';

/** The fleet at one moment. Shares are of 1; null where there is nothing to measure. */
export interface Moment {
  readonly seconds: number;
  readonly vms: number;
  /** Share of the fleet's guest memory that guests, and Xen for them, have taken. */
  readonly memoryTaken: number;
  /** Shares of the guests' memory: of VMs on one node, and read remotely. */
  readonly oneNode: number | null;
  readonly remote: number | null;
  readonly meanDistance: number | null;
  /** Share of the CPU demand above the cores of its node. */
  readonly overload: number | null;
  /** Share of the free memory that is on nodes without free cores. */
  readonly stranded: number | null;
}

export interface Totals extends Omit<Moment, 'seconds' | 'vms'> {
  readonly started: number;
  readonly startedOnOneNode: number;
  readonly peakVms: number;
}

/** What hosts and VMs come to at a moment, or summed over time. */
class Sums {
  pages = 0;
  oneNode = 0;
  remote = 0;
  distance = 0;
  over = 0;
  demand = 0;
  stranded = 0;
  free = 0;

  addVm({ pages, onOneNode, remotePages, distancePages }: VmFigures, factor: number): void {
    this.pages += pages * factor;
    if (onOneNode) this.oneNode += pages * factor;
    this.remote += remotePages * factor;
    this.distance += distancePages * factor;
  }

  shares(allPages: number): Omit<Moment, 'seconds' | 'vms'> {
    const share = (part: number, whole: number) => (whole > 0 ? Math.max(0, part) / whole : null);
    return {
      memoryTaken: 1 - this.free / allPages,
      oneNode: share(this.oneNode, this.pages),
      remote: share(this.remote, this.pages),
      meanDistance: share(this.distance, this.pages),
      overload: share(this.over, this.demand),
      stranded: share(this.stranded, this.free),
    };
  }
}

export class Figures {
  readonly #type: HostType;
  readonly #meter: VmMeter;
  /** By node of the fleet: free pages. */
  readonly #free: Int32Array;
  readonly #endSeconds: number;
  /** By node of the fleet: vCPUs, on average. */
  readonly #vcpus: Float64Array;
  /** By host: what it last added to #now. */
  readonly #overOf: Float64Array;
  readonly #strandedOf: Float64Array;
  readonly #freeOf: Float64Array;
  readonly #now = new Sums();
  readonly #overTime = new Sums();
  readonly #allPages: number;
  readonly #startSeconds: number;
  #seconds: number;
  #vms = 0;
  #started = 0;
  #startedOnOneNode = 0;
  #peakVms = 0;

  /**
   * @param empty free pages of each node of a host without VMs
   * @param span of the trace, in seconds
   */
  constructor(type: HostType, hosts: number, empty: readonly number[], span: { readonly start: number; readonly end: number }) {
    this.#type = type;
    this.#meter = new VmMeter(type);
    this.#startSeconds = span.start;
    this.#seconds = span.start;
    this.#endSeconds = span.end;
    this.#vcpus = new Float64Array(hosts * type.nodes);
    this.#overOf = new Float64Array(hosts);
    this.#strandedOf = new Float64Array(hosts);
    this.#freeOf = new Float64Array(hosts);
    this.#free = new Int32Array(hosts * type.nodes);
    for (let at = 0; at < this.#free.length; at++) this.#free[at] = empty[at % type.nodes]!;
    for (let host = 0; host < hosts; host++) this.#lookAt(host);
    this.#allPages = this.#now.free;
  }

  freePages(host: number, node: number): number {
    return this.#free[host * this.#type.nodes + node]!;
  }

  /** vCPUs that run on the node, on average. */
  vcpus(host: number, node: number): number {
    return this.#vcpus[host * this.#type.nodes + node]!;
  }

  /** Until then everything stays as it is now. */
  advance(seconds: number): void {
    const span = Math.min(seconds, this.#endSeconds) - this.#seconds;
    if (span <= 0) return;
    for (const key of ['over', 'demand', 'stranded', 'free'] as const) this.#overTime[key] += this.#now[key] * span;
    this.#seconds += span;
  }

  /** @param leaves when the VM will, in seconds */
  begin(vm: LightVm, leaves: number): void {
    const figures = this.#meter.measure(vm);
    this.#started++;
    this.#vms++;
    if (figures.onOneNode) this.#startedOnOneNode++;
    this.#peakVms = Math.max(this.#peakVms, this.#vms);
    this.#now.addVm(figures, 1);
    this.#overTime.addVm(figures, Math.max(0, Math.min(leaves, this.#endSeconds) - this.#seconds));
    this.#load(vm, 1);
  }

  end(vm: LightVm): void {
    this.#now.addVm(this.#meter.measure(vm), -1);
    this.#vms--;
    this.#load(vm, -1);
  }

  moment(): Moment {
    return { seconds: this.#seconds - this.#startSeconds, vms: this.#vms, ...this.#now.shares(this.#allPages) };
  }

  totals(): Totals {
    return {
      started: this.#started,
      startedOnOneNode: this.#startedOnOneNode,
      peakVms: this.#peakVms,
      ...this.#overTime.shares(this.#allPages * Math.max(this.#seconds - this.#startSeconds, Number.MIN_VALUE)),
    };
  }

  #load({ host, vcpus, affinity, allPages }: LightVm, sign: 1 | -1): void {
    const { time } = this.#meter.reachOf(affinity);
    const first = host * this.#type.nodes;
    for (let node = 0; node < allPages.length; node++) this.#free[first + node]! -= sign * allPages[node]!;
    for (const node of affinity.nodes) {
      const now = this.#vcpus[first + node]! + sign * vcpus * time[node]!;
      // Shares of vCPUs are fractions: what is left of them by rounding is nothing.
      this.#vcpus[first + node] = now < 1e-9 ? 0 : now;
    }
    this.#now.demand = Math.max(0, this.#now.demand + sign * vcpus * DEFAULT_CORES_PER_VCPU);
    this.#lookAt(host);
  }

  /** Puts what the host is now in the place of what it was. */
  #lookAt(host: number): void {
    const { nodes, cores } = this.#type;
    let [over, stranded, free] = [0, 0, 0];
    for (let node = 0; node < nodes; node++) {
      const pages = this.#free[host * nodes + node]!;
      const above = this.vcpus(host, node) * DEFAULT_CORES_PER_VCPU - cores[node]!;
      free += pages;
      if (above > 0) over += above;
      if (above >= 0) stranded += pages;
    }
    this.#now.over += over - this.#overOf[host]!;
    this.#now.stranded += stranded - this.#strandedOf[host]!;
    this.#now.free += free - this.#freeOf[host]!;
    this.#overOf[host] = over;
    this.#strandedOf[host] = stranded;
    this.#freeOf[host] = free;
  }
}
