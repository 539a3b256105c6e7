// Hand-made hosts for the tests of the pictures.
import fc from 'fast-check';
import type { HostMap, MapDomain } from '../../src/map/host-map.js';

export const GIB_PAGES = 262_144;
export const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);

export interface Shape {
  readonly nodes: number;
  readonly cpusPerNode: number;
  readonly nodeGib: number;
  readonly threads?: number;
}

/** An idle machine of equal nodes: Domain-0 with 4 GiB on node 0, 1 GiB of each node for Xen. */
export function idleHost({ nodes, cpusPerNode, nodeGib, threads = 2 }: Shape): HostMap {
  const cpus = range(0, nodes * cpusPerNode);
  return {
    name: `lab-${nodes}n`,
    hypervisor: 'embedded Xen 4.17',
    nodes: range(0, nodes).map((id) => ({
      id,
      memoryBytes: nodeGib * 2 ** 30,
      freePages: (nodeGib - 1 - (id === 0 ? 4 : 0)) * GIB_PAGES,
      claimedPages: 0,
    })),
    cpus: cpus.map((id) => ({
      id,
      node: Math.floor(id / cpusPerNode),
      core: Math.floor(id / threads),
      socket: Math.floor((Math.floor(id / cpusPerNode) * 2) / Math.max(2, nodes)),
      online: true,
      pool: 0,
    })),
    distances: range(0, nodes).map((i) => range(0, nodes).map((j) => distance(i, j))),
    domains: [domain(0, 'Domain-0', 4, cpus, cpus, { 0: 4 }, nodes)],
  };
}

export function domain(
  domid: number,
  name: string,
  vcpus: number,
  hard: readonly number[],
  soft: readonly number[],
  gib: Readonly<Record<number, number>>,
  nodes: number,
): MapDomain {
  const pages = range(0, nodes).map((node) => Math.round((gib[node] ?? 0) * GIB_PAGES));
  return {
    domid,
    name,
    kind: domid === 0 ? 'pv' : 'hvm',
    state: 'running',
    pool: 0,
    vcpus: range(0, vcpus).map((id) => ({ id, online: true, hard, soft })),
    nodeAffinity: pages.flatMap((count, node) => (count > 0 ? [node] : [])),
    autoNodeAffinity: true,
    pages,
  };
}

/** Adds domains and subtracts their pages from the free memory. */
export function withDomains(map: HostMap, added: readonly MapDomain[]): HostMap {
  return {
    ...map,
    nodes: map.nodes.map((node, index) => ({
      ...node,
      freePages: Math.max(0, node.freePages - added.reduce((sum, { pages }) => sum + (pages[index] ?? 0), 0)),
    })),
    domains: [...map.domains, ...added],
  };
}

/**
 * Eight nodes of 64 GiB and a dozen VMs: local ones, one pinned, one over two nodes, one with
 * remote memory, one without preference.
 */
export function dozenHost(): HostMap {
  const host = idleHost({ nodes: 8, cpusPerNode: 8, nodeGib: 64 });
  const all = range(0, 64);
  const on = (node: number) => range(node * 8, 8);
  const vms: MapDomain[] = [
    domain(1, 'web-1', 4, all, on(1), { 1: 16 }, 8),
    domain(2, 'web-2', 4, all, on(2), { 2: 16 }, 8),
    domain(3, 'web-3', 4, all, on(3), { 3: 16 }, 8),
    domain(4, 'web-4', 4, all, on(1), { 1: 16 }, 8),
    domain(5, 'cache-1', 2, all, on(4), { 4: 32 }, 8),
    domain(6, 'cache-2', 2, all, on(5), { 5: 32 }, 8),
    domain(7, 'pinned', 3, [1, 2, 3], all, { 0: 8 }, 8),
    domain(8, 'warehouse', 16, all, [...on(6), ...on(7)], { 6: 48, 7: 48 }, 8),
    domain(9, 'desktop', 2, all, on(2), { 2: 4, 3: 4 }, 8),
    domain(10, 'batch', 8, all, all, { 0: 4, 1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 4 }, 8),
    domain(11, 'legacy', 1, [40], all, { 5: 1, 4: 7 }, 8),
    domain(12, 'appliance', 2, all, on(3), { 3: 2 }, 8),
  ];
  const map = withDomains(host, vms);
  return {
    ...map,
    cpus: map.cpus.map((cpu) => (cpu!.id === 63 ? { ...cpu!, online: false } : cpu)),
    nodes: map.nodes.map((node) => (node.id === 4 ? { ...node, claimedPages: 6 * GIB_PAGES } : node)),
  };
}

/**
 * The largest machine of the project's limits: 64 nodes, 4096 CPUs, and `vms` VMs, each fifth with
 * memory on a second node.
 */
export function largestHost(vms: number): HostMap {
  const host = idleHost({ nodes: 64, cpusPerNode: 64, nodeGib: 256 });
  const all = range(0, 4096);
  const masks = range(0, 64).map((node) => range(node * 64, 64));
  return withDomains(
    host,
    range(1, vms).map((domid) => {
      const node = (domid * 7) % 64;
      const gib: Record<number, number> = domid % 5 === 0 ? { [node]: 6, [(node + 3) % 64]: 2 } : { [node]: 4 + (domid % 5) };
      return domain(domid, `vm-${String(domid).padStart(4, '0')}`, 2 + (domid % 7), all, masks[node]!, gib, 64);
    }),
  );
}

/** Two nodes, one VM on each, one with all its memory on the wrong node. */
export function twoNodeHost(): HostMap {
  const host = idleHost({ nodes: 2, cpusPerNode: 8, nodeGib: 32 });
  const all = range(0, 16);
  return withDomains(host, [
    domain(1, 'db', 4, all, range(0, 8), { 0: 12 }, 2),
    domain(2, 'app', 4, all, range(8, 8), { 1: 8 }, 2),
    domain(3, 'strayed', 2, range(8, 8), all, { 0: 6 }, 2),
  ]);
}

/**
 * Any host that the types allow: absent, offline and poolless CPUs, empty nodes, odd distances,
 * stray masks, any names.
 */
export const anyHost: fc.Arbitrary<HostMap> = fc
  .record({ nodes: fc.integer({ min: 1, max: 20 }), cpus: fc.integer({ min: 1, max: 40 }), vms: fc.integer({ min: 0, max: 40 }) })
  .chain(({ nodes, cpus, vms }) => {
    const mask = fc.uniqueArray(fc.nat(cpus + 3), { maxLength: cpus }).map((list) => list.sort((a, b) => a - b));
    const pages = fc.oneof(fc.constant(0), fc.nat(GIB_PAGES * 64), fc.nat(10));
    return fc.record({
      name: fc.string({ unit: 'binary' }),
      hypervisor: fc.string(),
      nodes: fc.tuple(
        ...range(0, nodes).map((id) =>
          fc.record({ id: fc.constant(id), memoryBytes: pages.map((count) => count * 4096), freePages: pages, claimedPages: pages }),
        ),
      ),
      cpus: fc.tuple(
        ...range(0, cpus).map((id) =>
          fc.option(
            fc.record({
              id: fc.constant(id),
              node: fc.nat(nodes - 1),
              core: fc.nat(10),
              socket: fc.nat(2),
              online: fc.boolean(),
              pool: fc.constantFrom(0, 0, 0, 1, null),
            }),
          ),
        ),
      ),
      distances: fc.tuple(
        ...range(0, nodes).map(() => fc.tuple(...range(0, nodes).map(() => fc.constantFrom(10, 20, 21, 254, 0xffffffff)))),
      ),
      domains: fc.tuple(
        ...range(0, vms).map((domid) =>
          fc.record({
            domid: fc.constant(domid),
            name: fc.string({ unit: 'binary', maxLength: 60 }),
            kind: fc.constantFrom('hvm' as const, 'pvh' as const, 'pv' as const),
            state: fc.constantFrom('running' as const, 'paused' as const, 'dying' as const),
            pool: fc.constantFrom(0, 1),
            vcpus: fc.array(fc.record({ id: fc.nat(40), online: fc.boolean(), hard: mask, soft: mask }), { maxLength: 6 }),
            nodeAffinity: fc.uniqueArray(fc.nat(nodes + 1)).map((list) => list.sort((a, b) => a - b)),
            autoNodeAffinity: fc.constantFrom(true, false, null),
            pages: fc.tuple(...range(0, nodes).map(() => pages)),
          }),
        ),
      ),
    });
  });

/** Two nodes a socket. */
function distance(a: number, b: number): number {
  if (a === b) return 10;
  return a >> 1 === b >> 1 ? 16 : 28;
}
