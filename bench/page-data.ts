// What bench/page.mjs serves: a host of 64 nodes of 64 CPUs with 1,000 VMs, and a history of 10,000
// events. The same each time.
import { Random } from '../src/base/random.js';
import type { HostMap } from '../src/map/host-map.js';
import { type PageData, pageData } from '../src/page/page-data.js';
import { DAEMON_POLICY, daemonPage } from '../src/page/page-file.js';
import type { HistoryKind, HistoryMoment } from '../src/page/page-history.js';
import { MOMENTS_MOST } from '../src/page/page-history.js';
import { profileOf } from '../src/xenopsd/api/profiles.js';

export { DAEMON_POLICY, daemonPage };

const [NODES, CPUS_PER_NODE, VMS, EVENTS] = [64, 64, 1000, 10_000];
const KINDS: readonly HistoryKind[] = ['start', 'stop', 'spill', 'drift'];

const cpus = Array.from({ length: NODES * CPUS_PER_NODE }, (_, id) => ({
  ...{ id, node: Math.floor(id / CPUS_PER_NODE), core: id >> 1, socket: id >> 9, online: true, pool: 0 },
}));
const all = cpus.map(({ id }) => id);
const onNode = Array.from({ length: NODES }, (_, node) => all.slice(node * CPUS_PER_NODE, (node + 1) * CPUS_PER_NODE));

function distance(from: number, to: number): number {
  if (from === to) return 10;
  return from >> 3 === to >> 3 ? 12 : 21;
}

/** Another moment has other VMs on other nodes. */
function hostAt(seed: number): HostMap {
  const random = new Random(seed);
  return {
    name: 'large',
    hypervisor: 'Xen 4.17',
    cpus,
    nodes: onNode.map((_, id) => ({ id, memoryBytes: 2 ** 38, freePages: 2 ** 22 + random.below(2 ** 22), claimedPages: 0 })),
    distances: onNode.map((_, from) => onNode.map((__, to) => distance(from, to))),
    domains: Array.from({ length: VMS }, (_, domid) => {
      const [home, away] = [random.below(NODES), random.below(NODES)];
      const spread = random.chance(10);
      return {
        ...({ domid, name: `vm-${domid}`, kind: 'hvm', state: 'running', pool: 0, nodeAffinity: [home], autoNodeAffinity: true } as const),
        vcpus: Array.from({ length: 4 }, (__, id) => ({ id, online: true, hard: all, soft: random.chance(5) ? all : onNode[home]! })),
        pages: onNode.map((__, node) => (node === home ? 2 ** 19 : 0) + (spread && node === away ? 2 ** 18 : 0)),
      };
    }),
  };
}

export function snapshot(kind: PageData['kind'], seed: number): string {
  const input = { map: hostAt(seed), notes: [], profile: profileOf('xapi-25.6'), policy: 'best_effort' } as const;
  return JSON.stringify(pageData(kind, 'bench', '2026-01-01T00:00:00Z', [input]));
}

export function history(): string {
  const random = new Random(7);
  const events = EVENTS / MOMENTS_MOST;
  const moments = Array.from({ length: MOMENTS_MOST }, (_, id): HistoryMoment => {
    const happened = Array.from({ length: events }, () => {
      const [kind, vm] = [KINDS[random.below(KINDS.length)]!, `vm-${random.below(VMS)}`];
      return { kind, vm, text: `${vm}: ${kind}.` };
    });
    return {
      id,
      at: 1_767_225_600_000 + id * 60_000,
      events: happened,
      vms: VMS,
      onOneNode: 900 + random.below(50),
      acrossPages: random.below(2 ** 24),
    };
  });
  return JSON.stringify({ moments });
}
