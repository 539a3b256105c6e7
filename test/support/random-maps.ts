// Hosts at random, odd ones included: nodes without CPUs or memory, CPUs offline or in no pool,
// masks that name CPUs which are not there, hostile names.
import fc from 'fast-check';
import type { HostMap, MapCpu, MapDomain } from '../../src/map/host-map.js';

export const HOSTILE_NAMES = [
  '<img src=x onerror="globalThis.harmed=1">',
  '</script><script>globalThis.harmed=1</script>',
  '<!--<script>',
  '\u202eevil\u202c',
  'nul\u0000inside',
  'lone\ud800surrogate',
  '\'"`&amp;',
  '',
  'x'.repeat(500),
] as const;

const PAGES_MOST = 2 ** 28;

export function hostMaps({ nodesMost = 8, domainsMost = 12 } = {}): fc.Arbitrary<HostMap> {
  return fc.integer({ min: 1, max: nodesMost }).chain((nodeCount) =>
    fc
      .record({
        name: fc.oneof(fc.string(), fc.constantFrom(...HOSTILE_NAMES)),
        memory: fc.array(fc.integer({ min: 0, max: PAGES_MOST }), { minLength: nodeCount, maxLength: nodeCount }),
        cpus: fc.array(fc.option(cpu(nodeCount), { freq: 10 }), { maxLength: 64 }),
        distances: fc.array(fc.constantFrom(10, 12, 20, 32, 255, 0xffffffff), { minLength: nodeCount ** 2, maxLength: nodeCount ** 2 }),
        domains: fc.array(domain(nodeCount), { maxLength: domainsMost }),
      })
      .map(
        ({ name, memory, cpus, distances, domains }): HostMap => ({
          name,
          hypervisor: 'embedded Xen 4.17',
          nodes: memory.map((pages, id) => ({ id, memoryBytes: pages * 4096, freePages: Math.floor(pages / 2), claimedPages: pages % 7 })),
          cpus: cpus.map((one, id) => (one === null ? null : { ...one, id })),
          distances: memory.map((_, from) => memory.map((__, to) => (from === to ? 10 : distances[from * nodeCount + to]!))),
          domains: domains.map((one, domid) => ({ ...one, domid })),
        }),
      ),
  );
}

function cpu(nodeCount: number): fc.Arbitrary<Omit<MapCpu, 'id'>> {
  return fc.record({
    node: fc.integer({ min: 0, max: nodeCount - 1 }),
    core: fc.integer({ min: 0, max: 31 }),
    socket: fc.integer({ min: 0, max: 3 }),
    online: fc.boolean(),
    pool: fc.option(fc.integer({ min: 0, max: 2 })),
  });
}

function domain(nodeCount: number): fc.Arbitrary<Omit<MapDomain, 'domid'>> {
  const list = fc.uniqueArray(fc.integer({ min: 0, max: 80 }), { maxLength: 20 }).map((cpus) => cpus.sort((a, b) => a - b));
  return fc.record({
    name: fc.oneof(fc.string(), fc.constantFrom(...HOSTILE_NAMES)),
    kind: fc.constantFrom('hvm' as const, 'pvh' as const, 'pv' as const),
    state: fc.constantFrom('running' as const, 'blocked' as const, 'paused' as const, 'shutdown' as const, 'dying' as const),
    pool: fc.integer({ min: 0, max: 2 }),
    vcpus: fc
      .array(fc.record({ online: fc.boolean(), hard: list, soft: list }), { maxLength: 6 })
      .map((vcpus) => vcpus.map((vcpu, id) => ({ ...vcpu, id }))),
    nodeAffinity: fc.uniqueArray(fc.integer({ min: 0, max: nodeCount - 1 })),
    autoNodeAffinity: fc.option(fc.boolean()),
    pages: fc.array(fc.integer({ min: 0, max: PAGES_MOST }), { minLength: nodeCount, maxLength: nodeCount }),
  });
}
