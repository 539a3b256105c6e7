// /metrics: XenServer's NUMA figures under XenServer's names, the memory of each node, and
// latencies of the daemon, in Prometheus' text format.
import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { harmless } from '../../base/safe-text.js';
import { PAGE_BYTES } from '../../base/units.js';
import { hostFigures } from '../../map/figures.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { CallEnd } from '../calls/dispatch.js';
import type { Database } from '../model/database.js';
import type { PoolHost, PoolHosts } from '../model/pool-hosts.js';
import type { WireStruct } from '../wire/values.js';

/** The host is read no more often than this, however often a client asks. */
const FRESH_MS = 1000;
const CALL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

export interface MetricsSources {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly sessions: { readonly count: number };
  readonly events: { readonly watchers: number };
  /** The reason why no changes are accepted now; null = they are. */
  readonly writable: () => unknown;
  readonly lostAuditLines: () => number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #calls: Histogram;
  readonly #operations: Histogram;
  readonly #host = new Registry();
  #sources: MetricsSources | null = null;
  #pending: Promise<string> | null = null;
  #text = { atMs: Number.NEGATIVE_INFINITY, host: '' };

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#calls = new Histogram({
      name: 'xennuma_xapi_call_duration_seconds',
      help: 'Time from a call read to its answer, by method; event.from waits',
      labelNames: ['method', 'result'],
      buckets: CALL_BUCKETS,
      registers,
    });
    this.#operations = new Histogram({
      name: 'xennuma_vm_operation_duration_seconds',
      help: 'Time that an operation on a VM took in the toolstack',
      labelNames: ['operation', 'result'],
      buckets: CALL_BUCKETS,
      registers,
    });
    const gauge = (name: string, help: string, value: (sources: MetricsSources) => number) => {
      const one: Gauge = new Gauge({
        name,
        help,
        registers,
        collect: () => {
          if (this.#sources !== null) one.set(value(this.#sources));
        },
      });
    };
    gauge('xennuma_storage_writable', '1 when changes are accepted; 0 while storage fails and the daemon is read-only', ({ writable }) =>
      writable() === null ? 1 : 0,
    );
    gauge('xennuma_audit_lost_lines', 'Lines that the audit log lost since the daemon started', ({ lostAuditLines }) => lostAuditLines());
    gauge('xennuma_xapi_sessions', 'Sessions that are logged in', ({ sessions }) => sessions.count);
    gauge('xennuma_xapi_event_watchers', 'Calls that wait for events', ({ events }) => events.watchers);
    gauge('xennuma_xapi_objects', 'Objects of class VM', ({ database }) => database.published.count('VM'));
  }

  attach(sources: MetricsSources): void {
    this.#sources = sources;
  }

  /** Only existing methods are counted, so that invented names create no series. */
  call({ method, error, durationMs }: CallEnd): void {
    this.#calls.observe({ method, result: error === null ? 'success' : 'failure' }, durationMs / 1000);
  }

  outcome(outcome: Outcome, durationMs: number): void {
    this.#operations.observe({ operation: outcome.operation, result: outcome.failure === null ? 'success' : 'failure' }, durationMs / 1000);
  }

  /** Those who ask at once share an answer. */
  text(): Promise<string> {
    this.#pending ??= this.#newText().finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  async #newText(): Promise<string> {
    const now = performance.now();
    if (this.#sources !== null && now - this.#text.atMs > FRESH_MS) {
      this.#text = { atMs: now, host: await this.#hostText(this.#sources) };
    }
    return `${await this.#registry.metrics()}${this.#text.host}`;
  }

  /** In a pool of several hosts each series has the label of its host. */
  async #hostText({ database, hosts }: MetricsSources): Promise<string> {
    this.#host.clear();
    const several = hosts.all.length > 1;
    const gauges = new Map<string, Gauge>();
    const gauge = (name: string, help: string, labels: string[]): Gauge => {
      const known = gauges.get(name);
      if (known !== undefined) return known;
      const labelNames = several ? [...labels, 'host'] : labels;
      const newGauge = new Gauge({ name, help, labelNames, registers: [this.#host] });
      gauges.set(name, newGauge);
      return newGauge;
    };
    for (const host of hosts.all) {
      const name = harmless(String(database.published.get('host', host.ref).name_label).slice(0, 200));
      this.#measure(database, host, gauge, several ? { host: name } : {});
    }
    return this.#host.metrics();
  }

  #measure(database: Database, { ref, toolstack }: PoolHost, gauge: MakeGauge, common: Readonly<Record<string, string>>): void {
    const here = [...database.published.records('VM')].filter(([, vm]) => vm.resident_on === ref);
    const names = new Map(here.map(([, vm]) => [vm.domid as number, vm] as const));
    const map = toolstack.snapshot();
    const figures = hostFigures(map);
    const total = gauge('xennuma_numa_node_memory_bytes', 'Memory of a node', ['node']);
    const free = gauge('xennuma_numa_node_free_bytes', 'Free memory of a node', ['node']);
    const claimed = gauge('xennuma_numa_node_claimed_bytes', 'Memory of a node claimed by domains not built yet', ['node']);
    const remote = gauge('xennuma_numa_node_remote_bytes', 'Memory of VMs on a node where none of their vCPUs has a preferred CPU', [
      'node',
    ]);
    map.nodes.forEach((node, index) => {
      const labels = { node: String(node.id), ...common };
      total.set(labels, node.memoryBytes);
      free.set(labels, node.freePages * PAGE_BYTES);
      claimed.set(labels, node.claimedPages * PAGE_BYTES);
      remote.set(labels, figures.nodes[index]!.remotePages * PAGE_BYTES);
    });
    const perNode = map.nodes.map(({ id }) => gauge(`memory_numa_node_${id}`, `Memory of a VM on node ${id}, in bytes`, ['uuid', 'name']));
    const optimised = gauge('numa_optimised', 'Is the memory of a VM on one node, or on fewer than the host has?', ['uuid', 'name']);
    const nodes = gauge('numa_nodes', 'Nodes that hold more than 4096 pages of a VM', ['uuid', 'name']);
    const nonaffine = gauge('numa_node_nonaffine_vcpus', 'vCPUs of a VM that may run outside of their soft affinity', ['uuid', 'name']);
    map.domains.forEach((domain, index) => {
      const labels = { ...labelsOf(names.get(domain.domid), domain.name), ...common };
      const { xenserver } = figures.domains[index]!;
      optimised.set(labels, xenserver.numa_optimised ? 1 : 0);
      nodes.set(labels, xenserver.numa_nodes);
      nonaffine.set(labels, xenserver.numa_node_nonaffine_vcpus);
      domain.pages.forEach((pages, node) => {
        perNode[node]?.set(labels, pages * PAGE_BYTES);
      });
    });
  }
}

type MakeGauge = (name: string, help: string, labelNames: string[]) => Gauge;

function labelsOf(vm: WireStruct | undefined, name: string): { uuid: string; name: string } {
  return { uuid: String(vm?.uuid ?? ''), name: harmless(String(vm?.name_label ?? name).slice(0, 200)) };
}
