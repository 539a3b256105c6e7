// A trace: VMs that arrive and leave, in typed arrays that worker threads can share.

import { InputError } from '../../base/errors.js';
import { MIB } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';

/** Index = VM, in the order of arrival. Times are in seconds from the trace's own zero. */
export interface Trace {
  readonly name: string;
  readonly vms: number;
  readonly arrival: Float64Array<SharedArrayBuffer>;
  /** Infinity: still running when the trace ends. Never before the arrival. */
  readonly departure: Float64Array<SharedArrayBuffer>;
  readonly vcpus: Uint16Array<SharedArrayBuffer>;
  readonly memoryBytes: Float64Array<SharedArrayBuffer>;
  /** VMs in the order of their departures; those that stay come last. */
  readonly leaving: Int32Array<SharedArrayBuffer>;
  /** Where the record ends; nothing is measured after it. */
  readonly endSeconds: number;
}

export interface TraceVm {
  readonly arrival: number;
  readonly departure: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
}

export const TRACE_LIMITS = { vms: 20_000_000, seconds: 1e9, memoryBytes: 2 ** 43 } as const;
/** Less than this is no guest: its special pages and its video hole alone would fill it. */
export const LEAST_MEMORY_BYTES = 2 * MIB;

/** @param vms in any order; those that arrive at the same time keep theirs */
export function makeTrace(name: string, vms: readonly TraceVm[], endSeconds: number): Trace {
  const count = vms.length;
  const inOrder = vms.every(({ arrival }, index) => index === 0 || vms[index - 1]!.arrival <= arrival);
  // Sorting is stable: VMs of the same second keep their order.
  const order = inOrder ? vms : vms.toSorted((a, b) => a.arrival - b.arrival);
  const trace = {
    name,
    vms: count,
    arrival: new Float64Array(new SharedArrayBuffer(8 * count)),
    departure: new Float64Array(new SharedArrayBuffer(8 * count)),
    vcpus: new Uint16Array(new SharedArrayBuffer(2 * count)),
    memoryBytes: new Float64Array(new SharedArrayBuffer(8 * count)),
    leaving: new Int32Array(new SharedArrayBuffer(4 * count)),
    endSeconds,
  };
  order.forEach((vm, to) => {
    trace.arrival[to] = vm.arrival;
    trace.departure[to] = vm.departure;
    trace.vcpus[to] = vm.vcpus;
    trace.memoryBytes[to] = vm.memoryBytes;
  });
  sortByTime(trace.departure, trace.leaving);
  return trace;
}

/** Writes the indexes of the times in their order; equal times by index. */
function sortByTime(times: Float64Array, into: Int32Array): void {
  // Many times are equal: a sort with a function to compare would take longer than reading them.
  const counts = new Map<number, number>();
  for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1);
  const starts = new Map<number, number>();
  let start = 0;
  for (const time of Float64Array.from(counts.keys()).sort()) {
    starts.set(time, start);
    start += counts.get(time)!;
  }
  for (let index = 0; index < times.length; index++) {
    const at = starts.get(times[index]!)!;
    into[at] = index;
    starts.set(times[index]!, at + 1);
  }
}

/**
 * The same VMs with `scale` times the vCPUs (rounded up) and the memory.
 * @throws InputError when a VM gets more vCPUs than Xen gives a guest
 */
export function scaled(trace: Trace, scale: number): Trace {
  const vcpus = new Uint16Array(new SharedArrayBuffer(2 * trace.vms));
  const memoryBytes = new Float64Array(new SharedArrayBuffer(8 * trace.vms));
  for (let vm = 0; vm < trace.vms; vm++) {
    const wanted = Math.ceil(trace.vcpus[vm]! * scale);
    if (wanted > LIMITS.vcpusPerHvm) {
      throw new InputError(
        `a VM of the trace has ${wanted} vCPUs at scale ${scale}; Xen gives an HVM guest at most ${LIMITS.vcpusPerHvm}`,
        {},
        `choose a smaller --scale`,
      );
    }
    vcpus[vm] = wanted;
    memoryBytes[vm] = Math.min(TRACE_LIMITS.memoryBytes, Math.max(LEAST_MEMORY_BYTES, Math.ceil(trace.memoryBytes[vm]! * scale)));
  }
  return { ...trace, vcpus, memoryBytes };
}

/** Its first VMs alone, until the next one arrives. */
export function beginningOf(trace: Trace, vms: number): Trace {
  if (vms >= trace.vms) return trace;
  const { arrival, departure, vcpus, memoryBytes } = trace;
  const first = Array.from({ length: vms }, (_, vm) => ({
    arrival: arrival[vm]!,
    departure: departure[vm]!,
    vcpus: vcpus[vm]!,
    memoryBytes: memoryBytes[vm]!,
  }));
  return makeTrace(trace.name, first, arrival[vms]!);
}

export interface TracePeak {
  readonly vms: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
}

/** The most that VMs ask for at once. */
export function peakOf(trace: Trace): TracePeak {
  const peak = { vms: 0, vcpus: 0, memoryBytes: 0 };
  atArrivals(trace, (_, now) => {
    peak.vms = Math.max(peak.vms, now.vms);
    peak.vcpus = Math.max(peak.vcpus, now.vcpus);
    peak.memoryBytes = Math.max(peak.memoryBytes, now.memoryBytes);
  });
  return peak;
}

/** The first VM with whose arrival they ask for the most memory. */
export function peakArrival(trace: Trace): number {
  let [peak, most] = [0, 0];
  atArrivals(trace, (vm, { memoryBytes }) => {
    if (memoryBytes <= most) return;
    [peak, most] = [vm, memoryBytes];
  });
  return peak;
}

/** What VMs ask for after each arrival; arrivals come before departures of the same second. */
function atArrivals({ vms, arrival, departure, leaving, vcpus, memoryBytes }: Trace, each: (vm: number, now: TracePeak) => void): void {
  const now = { vms: 0, vcpus: 0, memoryBytes: 0 };
  let left = 0;
  for (let vm = 0; vm < vms; vm++) {
    for (; departure[leaving[left]!]! < arrival[vm]!; left++) {
      now.vms--;
      now.vcpus -= vcpus[leaving[left]!]!;
      now.memoryBytes -= memoryBytes[leaving[left]!]!;
    }
    now.vms++;
    now.vcpus += vcpus[vm]!;
    now.memoryBytes += memoryBytes[vm]!;
    each(vm, now);
  }
}
