// xl's vNUMA and CPU pools on the embedded host: the nodes of the memory, the soft affinity, and
// libxl's refusals.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { PAGES_PER_MIB } from '../../base/units.js';
import type { VirtualNode, VmSpec } from '../../machine/vm.js';
import { pagesByNode } from './landing.js';
import { refusalOf } from './xl-vnuma.js';

const MIB = 2 ** 20;
const vnode = (pnode: number, mib: number, vcpus: readonly number[]): VirtualNode => ({
  ...{ pnode, memoryBytes: mib * MIB, vcpus },
  distances: [10, 10],
});

async function started(spec: VmSpec, prepare = (_: Awaited<ReturnType<typeof toolstackOn>>) => {}) {
  const toolstack = await toolstackOn(machine([4096, 4096], 4), { profile: 'xl' });
  prepare(toolstack);
  await toolstack.add(spec);
  return { toolstack, xc: toolstack.doors.xc, outcome: await toolstack.start(spec.name) };
}

describe('vNUMA', () => {
  const spec = vm('a', 4, 1536, { vnuma: [vnode(1, 1024, [0, 1]), vnode(0, 512, [2, 3])] });

  it('takes each virtual node from its physical node, and has its vCPUs prefer that node; nothing is placed', async () => {
    const { toolstack, xc, outcome } = await started(spec);
    expect(outcome.failure).toBeNull();
    expect(outcome.record.nodesVisited()).not.toContain('numa_placement');
    const pages = pagesByNode(toolstack.doors, outcome.domid!);
    // The hole of the VGA is in virtual node 0; the special pages come on top.
    expect(pages[1]! / PAGES_PER_MIB).toBeGreaterThanOrEqual(1023);
    expect(pages[1]! / PAGES_PER_MIB).toBeLessThan(1040);
    expect(pages[0]! / PAGES_PER_MIB).toBeGreaterThanOrEqual(511);
    expect(pages[0]! / PAGES_PER_MIB).toBeLessThan(530);
    const soft = [0, 1, 2, 3].map((vcpu) => xc.vcpuGetAffinity(outcome.domid!, vcpu).soft);
    expect(soft).toEqual([
      [4, 5, 6, 7],
      [4, 5, 6, 7],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
  });

  it('describes the virtual nodes to Xen: memory requested for a virtual node comes from its physical node', async () => {
    const { toolstack, xc, outcome } = await started(spec);
    const domid = outcome.domid!;
    for (const [vnodeId, node] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const before = pagesByNode(toolstack.doors, domid)[node]!;
      const request = { extents: 2, order: 0, firstPfn: 0x200000 + 16 * vnodeId, vnode: vnodeId };
      expect(xc.domainPopulatePhysmap(domid, request).done).toBe(2);
      expect(pagesByNode(toolstack.doors, domid)[node]).toBe(before + 2);
    }
  });

  it('spills nowhere: a node that has too little fails the start', async () => {
    const { outcome } = await started(vm('a', 2, 4600, { vnuma: [vnode(1, 4500, [0]), vnode(0, 100, [1])] }));
    expect(outcome.failure).not.toBeNull();
  });

  it('takes the pages of an HVM and of a PVH guest from the nodes that libxenguest 4.17 takes them from', async () => {
    const wide = { vnuma: [vnode(2, 96, [0, 2]), vnode(1, 32, [1])] };
    const pages = async (kind: 'hvm' | 'pvh') => {
      const toolstack = await toolstackOn(machine([1024, 1024, 1024, 1024], 2), { profile: 'xl' });
      await toolstack.add(vm('wide', 3, 128, { ...wide, kind }));
      return pagesByNode(toolstack.doors, (await toolstack.start('wide')).domid!);
    };
    // Measured in the rig (test/xen/hvm/vnuma.ts, test/xen/guests/vnuma.ts): an HVM guest's first
    // 640 KiB are of any node.
    expect(await pages('hvm')).toEqual([44, 8236, 24428, 44]);
    expect(await pages('pvh')).toEqual([2, 8194, 24579, 2]);
  });

  it('leaves soft affinity of the config alone', async () => {
    const { xc, outcome } = await started({ ...spec, xlSoftCpus: [[0]] });
    expect(xc.vcpuGetAffinity(outcome.domid!, 0).soft).toEqual([0]);
  });

  it.each([
    ['PV', { kind: 'pv' as const }, /no vNUMA for PV/],
    ['populate on demand', { memoryTargetBytes: 512 * MIB }, /populate on demand/],
    ['other memory', { memoryStaticMaxBytes: 2048 * MIB, memoryTargetBytes: 2048 * MIB }, /1536 MiB, the guest 2048 MiB/],
    ['a node that is not there', { vnuma: [vnode(2, 1536, [0, 1, 2, 3])] }, /node 2 is not there/],
    ['a vCPU twice', { vnuma: [vnode(0, 1024, [0, 1, 2]), vnode(1, 512, [2, 3])] }, /vCPU 2 is in more than one/],
    ['a vCPU in none', { vnuma: [vnode(0, 1024, [0, 1]), vnode(1, 512, [2])] }, /vCPU 3 is in no virtual node/],
    ['odd distances', { vnuma: [{ ...vnode(0, 1536, [0, 1, 2, 3]), distances: [20, 10] }] }, /nearer to another/],
  ])('refuses %s', async (_, change, reason) => {
    expect(refusalOf({ ...spec, ...change }, 2)).toMatch(reason);
    const { outcome } = await started({ ...spec, ...change });
    expect(outcome.failure?.message).toMatch(reason);
  });
});

it('a host of 4,096 CPUs: the affinity keys of xapi 25.6 do not fit into XenStore, and the record names it', async () => {
  for (const profile of ['xapi-25.6', 'xapi-26.3'] as const) {
    const toolstack = await toolstackOn(machine([4096, 4096], 2048), { profile });
    await toolstack.add(vm('a', 1, 512));
    const { failure, record } = await toolstack.start('a');
    const named = record.entries.some((entry) => entry.kind === 'surprise' && entry.code === 'affinity-key-too-long');
    expect([failure === null, named]).toEqual(profile === 'xapi-25.6' ? [false, true] : [true, false]);
  }
});

describe('CPU pools', () => {
  const split = (toolstack: Awaited<ReturnType<typeof toolstackOn>>) => {
    const { xc } = toolstack.doors;
    for (const cpu of [4, 5, 6, 7]) xc.cpupoolRemoveCpu(0, cpu);
    xc.cpupoolCreate('credit2', 1);
    for (const cpu of [4, 5, 6, 7]) xc.cpupoolAddCpu(1, cpu);
  };

  it.each([
    [undefined, 0],
    ['Pool-0', 0],
    ['1', 1],
  ])('pool %j: only nodes of its CPUs', async (pool, node) => {
    const { toolstack, xc, outcome } = await started(vm('a', 2, 512, pool === undefined ? {} : { pool }), split);
    expect(xc.domainInfo(outcome.domid!)!.cpupool).toBe(node);
    expect(xc.domainNodeGetAffinity(outcome.domid!)).toEqual([node]);
    expect(pagesByNode(toolstack.doors, outcome.domid!)[1 - node]).toBe(0);
  });

  it('an unknown pool is refused', async () => {
    const { outcome } = await started(vm('a', 2, 512, { pool: 'fast' }), split);
    expect(outcome.failure?.message).toMatch(/pool 'fast' is not there/);
  });
});
