// The data sources that a host's Xen tells: names, units and bounds of xapi's
// (xcp-rrdd/bin/rrdp-squeezed/rrdp_squeezed.ml and rrdp-cpu/rrdp_cpu.ml of xen-api e2ee48d6), with
// their current values.
import { loadavg } from 'node:os';
import { KIB, PAGE_BYTES } from '../../base/units.js';
import { type DomainFigures, hostFigures } from '../../map/figures.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { FRACTION, type Reading, reading } from './readings.js';

export interface Readings {
  readonly host: readonly Reading[];
  /** By domid. */
  readonly domains: ReadonlyMap<number, readonly Reading[]>;
}

const SECOND_NS = 1e9;

/** Those about NUMA: xapi records them only once somebody asks for them. */
const NUMA = { standard: false, recorded: true } as const;

interface Times {
  readonly atMs: number;
  /** Of each vCPU, by domid. */
  readonly vcpuNs: ReadonlyMap<number, readonly number[]>;
  /** Of each CPU; null = this Xen does not tell. */
  readonly idleNs: readonly number[] | null;
}

/** Reads a host again and again: shares of time need the time before. */
export class SourceReader {
  readonly #toolstack: Toolstack;
  #before: Times | null = null;

  constructor(toolstack: Toolstack) {
    this.#toolstack = toolstack;
  }

  /** @param atMs of a clock that never goes back */
  read(atMs: number): Readings {
    const map = this.#toolstack.snapshot();
    const figures = hostFigures(map);
    const { xc } = this.#toolstack.doors;
    const physical = xc.physInfo();
    const idleNs = xc.cpuIdleNs(physical.onlineCpus);
    const before = this.#before;
    const seconds = before === null ? 0 : (atMs - before.atMs) / 1000;
    const vcpuNs = new Map<number, number[]>();
    const domains = new Map<number, readonly Reading[]>();
    let load = 0;
    map.domains.forEach((domain, index) => {
      const vcpus = domain.vcpus.map(({ id }) => vcpuOf(xc, domain.domid, id));
      const times = vcpus.map((one) => (one?.online === false ? 0 : (one?.cpuTimeNs ?? Number.NaN)));
      vcpuNs.set(domain.domid, times);
      load += vcpus.filter((one) => one?.online === true && !one.blocked).length;
      const usage = usageReadings(times, before?.vcpuNs.get(domain.domid), seconds);
      // xapi records no memory of paused domains (rrdp_squeezed.ml, CA-34383).
      domains.set(domain.domid, domain.state === 'paused' ? usage : [...usage, ...memoryReadings(domain, figures.domains[index]!)]);
    });
    this.#before = { atMs, vcpuNs, idleNs };
    const busy = idleNs?.map((time, cpu) => 1 - share(time, before?.idleNs?.[cpu], seconds));
    const host = [
      ...memoryOf(map, physical.totalPages, physical.freePages),
      ...cpuReadings(busy ?? new Array<number>(physical.onlineCpus).fill(0), idleNs),
      // Nothing runs on an embedded host, Domain-0 included.
      reading('loadavg', 'Load average of Domain-0', '(fraction)', idleNs === null ? 0 : loadavg()[0]!, { min: Number.NEGATIVE_INFINITY }),
      ...loadReadings(map, idleNs === null ? 0 : load, physical.onlineCpus),
    ];
    return { host, domains };
  }
}

function usageReadings(times: readonly number[], before: readonly number[] | undefined, seconds: number): Reading[] {
  const shares = times.map((time, vcpu) => share(time, before?.[vcpu], seconds));
  const counter = (time: number) => ({ ...FRACTION, counter: time / SECOND_NS });
  return [
    ...shares.map((one, vcpu) => reading(`cpu${vcpu}`, `Usage of vCPU ${vcpu}`, '(fraction)', one, counter(times[vcpu]!))),
    reading('cpu_usage', 'CPU usage of the domain', '(fraction)', mean(shares), counter(mean(times))),
  ];
}

function memoryReadings({ pages }: MapDomain, { xenserver }: DomainFigures): Reading[] {
  const bytes = pages.reduce((sum, one) => sum + one, 0) * PAGE_BYTES;
  return [
    reading('memory', 'Memory currently allocated to VM', 'B', bytes),
    reading('numa_nodes', 'Number of NUMA nodes used by VM', 'count', xenserver.numa_nodes, NUMA),
    ...pages.map((one, node) =>
      reading(`memory_numa_node_${node}`, `Memory from NUMA node ${node} used by VM`, 'B', one * PAGE_BYTES, NUMA),
    ),
    reading(
      'numa_node_nonaffine_vcpus',
      'vCPUs that may run outside of their soft affinity',
      '(fraction)',
      xenserver.numa_node_nonaffine_vcpus,
      NUMA,
    ),
  ];
}

function memoryOf(map: HostMap, totalPages: number, freePages: number): Reading[] {
  return [
    reading('memory_total_kib', 'Total amount of memory in the host', 'KiB', (totalPages * PAGE_BYTES) / KIB),
    reading('memory_free_kib', 'Total amount of free memory', 'KiB', (freePages * PAGE_BYTES) / KIB),
    ...map.nodes.map(({ id, freePages: free }) =>
      reading(`memory_free_numa_node_${id}`, `Free memory of NUMA node ${id}`, 'B', free * PAGE_BYTES, NUMA),
    ),
  ];
}

/** @param busy of each CPU, from 0 to 1 */
function cpuReadings(busy: readonly number[], idleNs: readonly number[] | null): Reading[] {
  const counter = (time: number) => ({ ...FRACTION, counter: time / SECOND_NS });
  return [
    ...busy.map((one, cpu) => reading(`cpu${cpu}`, `Usage of physical CPU ${cpu}`, '(fraction)', one, counter(idleNs?.[cpu] ?? 0))),
    reading('cpu_avg', 'Average usage of the physical CPUs', '(fraction)', mean(busy), counter(mean(idleNs ?? [0]))),
  ];
}

function loadReadings(map: HostMap, load: number, cpus: number): Reading[] {
  return [
    reading('hostload', 'Running and runnable vCPUs for each physical CPU', '(fraction)', load / cpus),
    reading('running_vcpus', 'Total number of running vCPUs', 'count', load),
    reading('running_domains', 'Total number of running domains', 'count', map.domains.filter(({ state }) => state !== 'paused').length),
  ];
}

/** Domains may go between two calls. */
function vcpuOf(xc: Toolstack['doors']['xc'], domid: number, vcpu: number) {
  try {
    return xc.vcpuInfo(domid, vcpu);
  } catch {
    return null;
  }
}

function share(time: number, before: number | undefined, seconds: number): number {
  if (before === undefined || seconds <= 0) return Number.NaN;
  return Math.min(1, Math.max(0, (time - before) / SECOND_NS / seconds));
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, one) => sum + one, 0) / values.length;
}
