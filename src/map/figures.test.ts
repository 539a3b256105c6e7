// Figures of a map, computed by hand for a machine of three nodes, and properties over any map.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UNREACHABLE } from '../machine/model.js';
import { formatDistance, hostFigures } from './figures.js';
import type { HostMap, MapDomain, MapVcpu } from './host-map.js';

const GIB_PAGES = 262_144;
const ALL = [0, 1, 2, 3, 4, 5];
const vcpu = (id: number, hard: readonly number[], soft: readonly number[]): MapVcpu => ({ id, online: true, hard, soft });

function vm(domid: number, name: string, vcpus: readonly MapVcpu[], pages: readonly number[]): MapDomain {
  return { domid, name, kind: 'hvm', state: 'running', pool: 0, vcpus, nodeAffinity: [], autoNodeAffinity: true, pages };
}

/** CPUs 0,1 on node 0; 2,3 on node 1; 4,5 on node 2. CPU 3 is offline, CPU 5 in another pool. */
function machine(domains: readonly MapDomain[]): HostMap {
  return {
    name: 'three',
    hypervisor: 'by hand',
    nodes: [0, 1, 2].map((id) => ({ id, memoryBytes: 8 * 2 ** 30, freePages: GIB_PAGES, claimedPages: 0 })),
    cpus: ALL.map((id) => ({ id, node: id >> 1, core: id, socket: 0, online: id !== 3, pool: id === 5 ? 1 : 0 })),
    distances: [
      [10, 20, 30],
      [20, 10, UNREACHABLE],
      [30, UNREACHABLE, 10],
    ],
    domains,
  };
}
const only = (vcpus: readonly MapVcpu[], pages: readonly number[]) => hostFigures(machine([vm(1, 'vm', vcpus, pages)])).domains[0]!;

describe('where a vCPU may run', () => {
  it('is its hard mask less what is offline or in another pool; it prefers what its soft mask names of that', () => {
    const one = only([vcpu(0, ALL, [2, 3, 5])], [0, GIB_PAGES, 0]).vcpus[0]!;
    expect(one).toMatchObject({
      effective: [0, 1, 2, 4],
      preferred: [2],
      nodes: [1],
      nodeShares: [0, 1, 0],
      affine: false,
      anywhere: true,
    });
  });
  it('a soft mask that names nothing usable counts as none', () => {
    expect(only([vcpu(0, [0, 4], [3, 5])], [1, 0, 0]).vcpus[0]).toMatchObject({
      preferred: [0, 4],
      nodes: [0, 2],
      nodeShares: [0.5, 0, 0.5],
    });
  });
  it('with no usable CPU it has no distance', () => {
    const one = only([vcpu(0, [3], [3])], [1, 0, 0]);
    expect(one.vcpus[0]).toMatchObject({ effective: [], preferred: [], nodes: [], meanDistance: null });
    expect(one).toMatchObject({ meanDistance: null, worstDistance: null, remotePages: 1, localPages: 0 });
  });
  it('masks may name CPUs that the machine does not have', () => {
    expect(only([vcpu(0, [0, 4095], [4095])], [1, 0, 0]).vcpus[0]).toMatchObject({ effective: [0], preferred: [0] });
  });
});

describe('how far the memory is', () => {
  it('all on the node of the vCPUs: distance 10, on one node', () => {
    const one = only([vcpu(0, ALL, [0, 1]), vcpu(1, ALL, [0, 1])], [GIB_PAGES, 0, 0]);
    expect(one).toMatchObject({ meanDistance: 10, worstDistance: 10, onOneNode: true, remotePages: 0, localPages: GIB_PAGES });
  });
  it('a quarter of it on node 1: (3 * 10 + 1 * 20) / 4', () => {
    const one = only([vcpu(0, [0], ALL)], [3000, 1000, 0]);
    expect(one).toMatchObject({ meanDistance: 12.5, worstDistance: 20, onOneNode: false, remotePages: 1000, localPages: 3000 });
    expect(one.remoteNode).toEqual([false, true, true]);
  });
  it('is the mean over vCPUs: vCPU 0 on node 0 sees 15, vCPU 1 on nodes 0 and 1 sees 15', () => {
    const one = only([vcpu(0, [0], ALL), vcpu(1, [0, 2], ALL)], [500, 500, 0]);
    expect(one.vcpus.map(({ meanDistance }) => meanDistance)).toEqual([15, 15]);
    const two = only([vcpu(0, [0], ALL), vcpu(1, [2], ALL)], [750, 250, 0]);
    // vCPU 0: (3 * 10 + 20) / 4 = 12.5; vCPU 1: (3 * 20 + 10) / 4 = 17.5.
    expect(two).toMatchObject({ meanDistance: 15, worstDistance: 20, remotePages: 0 });
  });
  it('all on a node that no vCPU runs on: on one node each, and not the same', () => {
    const one = only([vcpu(0, [2], ALL)], [GIB_PAGES, 0, 0]);
    expect(one).toMatchObject({ memoryNodes: [0], vcpuNodes: [1], onOneNode: false, remotePages: GIB_PAGES, localPages: 0 });
  });
  it('nodes of vCPUs come in ascending order, whichever vCPU runs there', () => {
    expect(only([vcpu(0, [4], ALL), vcpu(1, [2], ALL), vcpu(2, [0], ALL)], [1, 0, 0]).vcpuNodes).toEqual([0, 1, 2]);
  });
  it('takes the distances of the machine as they are, also those that no machine should have', () => {
    const odd = {
      ...machine([vm(1, 'vm', [vcpu(0, [0], ALL)], [1, 0, 0])]),
      distances: [
        [1, 20, 30],
        [20, 10, 40],
        [30, 40, 10],
      ],
    };
    expect(hostFigures(odd).domains[0]).toMatchObject({ meanDistance: 1, worstDistance: 1 });
    expect(hostFigures(odd).worstDistance).toBe(1);
  });
  it('an unreachable node is said, not computed with', () => {
    const one = only([vcpu(0, [2], ALL)], [0, 500, 500]);
    expect(one).toMatchObject({ meanDistance: 'unreachable', worstDistance: 'unreachable', remotePages: 500 });
    expect([10, 12.54, 'unreachable' as const, null].map(formatDistance)).toEqual(['10', '12.5', 'unreachable', '-']);
  });
});

describe("XenServer's figures", () => {
  it('ignore nodes that hold at most 4096 pages', () => {
    expect(only([vcpu(0, ALL, ALL)], [4097, 4096, 0]).xenserver).toEqual({
      numa_optimised: true,
      numa_nodes: 1,
      numa_node_memory: { 0: 4097 * 4096 },
      numa_node_nonaffine_vcpus: 0,
    });
  });
  it('optimised means one node, or fewer than the host has', () => {
    expect(only([], [5000, 5000, 0]).xenserver).toMatchObject({ numa_optimised: true, numa_nodes: 2 });
    expect(only([], [5000, 5000, 5000]).xenserver).toMatchObject({ numa_optimised: false, numa_nodes: 3 });
  });
  it('count vCPUs that may run outside of their soft affinity', () => {
    const one = only([vcpu(0, ALL, [0]), vcpu(1, [0], [0, 1]), vcpu(2, [0], [4])], [1, 0, 0]);
    expect(one.xenserver.numa_node_nonaffine_vcpus).toBe(2);
  });
});

describe('of the host', () => {
  const figures = () =>
    hostFigures(
      machine([
        vm(0, 'Domain-0', [vcpu(0, ALL, ALL)], [GIB_PAGES, 0, 0]),
        vm(1, 'near', [vcpu(0, [0], ALL)], [GIB_PAGES, 0, 0]),
        vm(2, 'far', [vcpu(0, [0], ALL)], [0, 3 * GIB_PAGES, 0]),
      ]),
    );
  it('sums leave Domain-0 out; the mean is weighted with pages', () => {
    expect(figures()).toMatchObject({
      vms: 2,
      vmsOnOneNode: 1,
      vmsOptimised: 2,
      vcpus: 2,
      localPages: GIB_PAGES,
      remotePages: 3 * GIB_PAGES,
    });
    // (1 GiB at 10 + 3 GiB at 20) / 4 GiB.
    expect(figures()).toMatchObject({ meanDistance: 17.5, worstDistance: 20 });
  });
  it('one VM whose memory is unreachable makes the worst distance of the host unreachable', () => {
    const near = vm(1, 'near', [vcpu(0, [0], ALL)], [1, 0, 0]);
    const lost = vm(2, 'lost', [vcpu(0, [2], ALL)], [0, 0, 1]);
    expect(hostFigures(machine([near, lost])).worstDistance).toBe('unreachable');
  });
  it("memory that is neither free nor a domain's is Xen's", () => {
    expect(figures().nodes[0]).toEqual({
      id: 0,
      totalPages: 8 * GIB_PAGES,
      freePages: GIB_PAGES,
      domainPages: 2 * GIB_PAGES,
      xenPages: 5 * GIB_PAGES,
      remotePages: 0,
    });
    expect(figures().nodes[1]).toMatchObject({ domainPages: 3 * GIB_PAGES, xenPages: 4 * GIB_PAGES, remotePages: 3 * GIB_PAGES });
  });
});

it('holds for any masks: preferred within effective within hard, shares sum to 1, local and remote make all', () => {
  const mask = fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { maxLength: 8 }).map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(mask, mask), { maxLength: 6 }),
      fc.array(fc.nat(9000), { minLength: 3, maxLength: 3 }),
      (masks, pages) => {
        const one = only(
          masks.map(([hard, soft], id) => vcpu(id, hard, soft)),
          pages,
        );
        expect(one.localPages + one.remotePages).toBe(pages[0]! + pages[1]! + pages[2]!);
        one.vcpus.forEach((reach, id) => {
          for (const cpu of reach.preferred) expect(reach.effective).toContain(cpu);
          for (const cpu of reach.effective) expect(masks[id]![0]).toContain(cpu);
          const shares = reach.nodeShares.reduce((sum, share) => sum + share, 0);
          expect(shares).toBeCloseTo(reach.preferred.length === 0 ? 0 : 1);
        });
        if (typeof one.meanDistance === 'number') expect(one.meanDistance).toBeLessThanOrEqual(one.worstDistance as number);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});
