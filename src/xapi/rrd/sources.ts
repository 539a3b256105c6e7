// The data sources of a host and of its VMs: names, units and bounds of xapi's
// (xcp-rrdd/bin/rrdp-squeezed/rrdp_squeezed.ml and rrdp-cpu/rrdp_cpu.ml of xen-api e2ee48d6), with
// their current values.
import { KIB, PAGE_BYTES } from '../../base/units.js';
import { hostFigures } from '../../map/figures.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { SourceInfo } from './rrd.js';

export interface Reading {
  readonly info: SourceInfo;
  readonly value: number;
}

export interface Readings {
  readonly host: readonly Reading[];
  /** By domid. */
  readonly domains: ReadonlyMap<number, readonly Reading[]>;
}

const SECOND_NS = 1e9;

function reading(
  [name, description, units]: readonly [string, string, string],
  value: number,
  { max = Number.POSITIVE_INFINITY, standard = true } = {},
): Reading {
  return { info: { name, description, units, min: 0, max, standard }, value };
}

const fraction = { max: 1 };

/** Reads a host again and again: shares of time need the time before. */
export class SourceReader {
  readonly #toolstack: Toolstack;
  #before: { readonly atMs: number; readonly cpuNs: ReadonlyMap<number, readonly number[]> } | null = null;

  constructor(toolstack: Toolstack) {
    this.#toolstack = toolstack;
  }

  /** @param atMs of a clock that never goes back */
  read(atMs: number): Readings {
    const map = this.#toolstack.snapshot();
    const figures = hostFigures(map);
    const { xc } = this.#toolstack.doors;
    const seconds = this.#before === null ? 0 : (atMs - this.#before.atMs) / 1000;
    const cpuNs = new Map<number, number[]>();
    const domains = new Map<number, Reading[]>();
    let busySeconds = 0;
    map.domains.forEach((domain, index) => {
      // Domains may go between two calls.
      const times = domain.vcpus.map(({ id, online }) => (online ? cpuTimeOf(xc, domain.domid, id) : 0));
      cpuNs.set(domain.domid, times);
      const before = this.#before?.cpuNs.get(domain.domid);
      const shares = times.map((time, vcpu) => share(time, before?.[vcpu], seconds));
      busySeconds += shares.reduce((sum, one) => sum + (Number.isNaN(one) ? 0 : one), 0) * seconds;
      // xapi records nothing of paused domains (rrdp_squeezed.ml, CA-34383).
      if (domain.state === 'paused') return;
      const { xenserver } = figures.domains[index]!;
      const bytes = domain.pages.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES;
      domains.set(domain.domid, [
        ...shares.map((one, vcpu) => reading([`cpu${vcpu}`, `CPU${vcpu} usage`, '(fraction)'], one, fraction)),
        reading(['cpu_usage', 'Domain CPU usage', '(fraction)'], mean(shares), fraction),
        reading(['memory', 'Memory currently allocated to VM', 'B'], bytes),
        reading(['numa_nodes', 'Number of NUMA nodes used by VM', 'count'], xenserver.numa_nodes, { standard: false }),
        ...domain.pages.map((pages, node) =>
          reading([`memory_numa_node_${node}`, `Memory from NUMA node ${node} used by VM`, 'B'], pages * PAGE_BYTES, { standard: false }),
        ),
        reading(
          ['numa_node_nonaffine_vcpus', 'vCPUs that may run outside of their soft affinity', '(fraction)'],
          xenserver.numa_node_nonaffine_vcpus,
          { standard: false },
        ),
      ]);
    });
    this.#before = { atMs, cpuNs };
    const { totalPages, freePages } = xc.physInfo();
    const online = map.cpus.filter((cpu) => cpu?.online).length;
    const host = [
      reading(['memory_total_kib', 'Total amount of memory in the host', 'KiB'], (totalPages * PAGE_BYTES) / KIB),
      reading(['memory_free_kib', 'Total amount of free memory', 'KiB'], (freePages * PAGE_BYTES) / KIB),
      reading(['cpu_avg', 'Average physical cpu usage', '(fraction)'], seconds > 0 ? busySeconds / seconds / online : Number.NaN, fraction),
      reading(
        ['running_domains', 'Total number of running domains', 'count'],
        map.domains.filter(({ state }) => state !== 'paused').length,
      ),
      ...map.nodes.map(({ id, freePages: free }) =>
        reading([`memory_free_numa_node_${id}`, `Free memory of NUMA node ${id}`, 'B'], free * PAGE_BYTES, { standard: false }),
      ),
    ];
    return { host, domains };
  }
}

function cpuTimeOf(xc: Toolstack['doors']['xc'], domid: number, vcpu: number): number {
  try {
    return xc.vcpuInfo(domid, vcpu).cpuTimeNs;
  } catch {
    return Number.NaN;
  }
}

function share(time: number, before: number | undefined, seconds: number): number {
  if (before === undefined || seconds <= 0) return Number.NaN;
  return Math.min(1, Math.max(0, (time - before) / SECOND_NS / seconds));
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, one) => sum + one, 0) / values.length;
}
