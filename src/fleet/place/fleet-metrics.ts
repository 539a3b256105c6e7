// /metrics of a whole fleet, in Prometheus' text format: one process serves the figures of all
// hosts from the log, so Prometheus does not need the address of each host. Memory is that of the
// light maps.
import { Gauge, Registry } from 'prom-client';
import { MIB } from '../../base/units.js';
import { HOST_STATES, stateOfHost } from '../protocol/host-state.js';
import type { Picture, PicturedHost } from '../protocol/picture.js';

/** Data that the log lacks. */
interface FleetNow {
  readonly away: ReadonlySet<string>;
  /** null = not known: no job was ever made, or the key may not see them. */
  readonly jobs: { readonly open: number; readonly done: number } | null;
}

interface HostSums {
  total: number;
  free: number;
  claimed: number;
}

/** In MiB. @param free of each node, less the open claims, which may be more than there is */
function sumsOf({ map }: PicturedHost, free: readonly number[] | null): HostSums {
  const sums = { total: 0, free: 0, claimed: 0 };
  for (const [at, node] of (map?.nodes ?? []).entries()) {
    const left = Math.max(0, Math.min(node.freeMib, free?.[at] ?? 0));
    sums.total += node.memoryMib;
    sums.free += left;
    sums.claimed += node.freeMib - left;
  }
  return sums;
}

/** The text of one moment. Free, claimed and allocated memory are all there is. */
export function fleetMetrics(picture: Picture, { away, jobs }: FleetNow): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) => new Gauge({ name, help, labelNames, registers });
  const states = gauge('xennuma_fleet_hosts', 'Hosts of the fleet by state', ['state']);
  for (const state of HOST_STATES) states.set({ state }, 0);
  const memory = gauge('xennuma_fleet_memory_bytes', 'Memory of a host: free, claimed by placers, allocated', ['host', 'use']);
  const vms = gauge('xennuma_fleet_vms', 'VMs of a host', ['host']);
  const notLocal = gauge('xennuma_fleet_not_local_vms', 'VMs of a host with memory where no vCPU prefers to run', ['host']);
  const claims = gauge('xennuma_fleet_claims', 'Claims on a host that are not settled', ['host']);
  const undecided = gauge('xennuma_fleet_undecided_starts', 'Starts of which the pool of a host does not say what became of them', [
    'host',
  ]);
  const cpu = gauge('xennuma_fleet_cpu_ratio', "CPU time of a host's domains, as a share of its CPUs", ['host']);
  const answers = gauge('xennuma_fleet_host_up', '1 when the member answers', ['host']);
  for (const host of picture.hosts.values()) {
    const labels = { host: host.name };
    states.inc({ state: stateOfHost(host, away) });
    answers.set(labels, away.has(host.name) ? 0 : 1);
    claims.set(labels, host.claims.size);
    if (host.map === null) continue;
    const { total, free, claimed } = sumsOf(host, picture.freeBefore(host.name, Number.POSITIVE_INFINITY));
    memory.set({ ...labels, use: 'free' }, free * MIB);
    memory.set({ ...labels, use: 'claimed' }, claimed * MIB);
    memory.set({ ...labels, use: 'allocated' }, (total - free - claimed) * MIB);
    vms.set(labels, host.map.vms);
    notLocal.set(labels, host.map.drifted);
    undecided.set(labels, host.map.undecided ?? 0);
    if (host.map.cpuPercent !== undefined) cpu.set(labels, host.map.cpuPercent / 100);
  }
  if (jobs !== null) {
    const counts = gauge('xennuma_fleet_jobs', 'Jobs that no worker has done yet, and results that are kept', ['state']);
    counts.set({ state: 'open' }, jobs.open);
    counts.set({ state: 'done' }, jobs.done);
  }
  return registry.metrics();
}
