// The differences between the profiles, each shown by a VM that meets it.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../../test/support/toolstack.js';
import { GIB } from '../../base/units.js';
import type { FlowRecord } from '../../flow/record.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { createToolstack } from '../life/toolstack.js';
import { PROFILES, type ProfileName } from './profiles.js';

const FOUR = () => machine([4096, 4096, 4096, 4096], 4);
const XAPI = PROFILES.filter((name) => name !== 'xl');
const codes = (record: FlowRecord) => [...new Set(record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])))];
const claims = (record: FlowRecord) =>
  record.entries.flatMap((entry) => (entry.kind === 'note' && entry.topic === 'claim' ? [[entry.values.node, entry.values.errno]] : []));

async function started(
  profile: ProfileName,
  spec = vm('a', 2, 1024),
  policy: 'default_policy' | 'best_effort' | 'best_effort_hard' | 'prio_mem_only' = 'default_policy',
  host = FOUR(),
) {
  const toolstack = await toolstackOn(host, { profile, policy });
  await toolstack.add(spec);
  const outcome = await toolstack.start(spec.name);
  return { toolstack, outcome, xc: toolstack.doors.xc, domid: outcome.domid! };
}

describe('profiles', () => {
  it.each([
    ['xapi-25.6', false],
    ['xapi-25.21', true],
    ['xapi-25.33', true],
    ['xapi-25.39', true],
    ['xapi-26.1', true],
    ['xapi-26.2', true],
    ['xapi-26.3', true],
    ['xl', true],
  ] as const)('%s: default_policy places: %s', async (profile, places) => {
    const { outcome } = await started(profile);
    expect(outcome.failure).toBeNull();
    expect(outcome.record.nodesVisited().includes('numa_placement')).toBe(places);
  });

  it.each(XAPI)('%s: a mask becomes the hard affinity, by key or by the toolstack itself', async (profile) => {
    const { outcome, xc, domid, toolstack } = await started(profile, vmWithMask('a', 2, 512, '5,6'));
    expect(xc.vcpuGetAffinity(domid, 1).hard).toEqual([5, 6]);
    expect(xc.domainNodeGetAffinity(domid)).toEqual([1]);
    const key = `/local/domain/${domid}/platform/vcpu/0/affinity`;
    expect(toolstack.doors.store.list(key)).toHaveLength(profile === 'xapi-25.6' ? 1 : 0);
    expect(outcome.record.edgesTaken().includes('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD')).toBe(profile === 'xapi-25.6');
    const without = await started(profile);
    expect(codes(without.outcome.record).includes('all-ones-hard')).toBe(profile === 'xapi-25.6');
  });

  it.each(XAPI)('%s: a mask without a CPU fails the build with EINVAL', async (profile) => {
    const { outcome } = await started(profile, vmWithMask('a', 1, 256, '999'));
    expect(outcome.failure).toMatchObject({ step: profile === 'xapi-25.6' ? 'xenguest' : 'VM.build', errno: 'EINVAL' });
  });

  it('best_effort_hard sets the hard affinity, from 25.21 on', async () => {
    const { xc, domid } = await started('xapi-25.21', vm('a', 2, 1024), 'best_effort_hard');
    expect(xc.vcpuGetAffinity(domid, 0).hard).toEqual([0, 1, 2, 3]);
    expect(xc.vcpuGetAffinity(domid, 0).soft).toHaveLength(16);
    await expect(toolstackOn(FOUR(), { profile: 'xapi-25.6', policy: 'best_effort_hard' })).rejects.toThrow('xapi-25.6 has no policy');
  });

  it('25.39 asks for cores too; prio_mem_only does not', async () => {
    // Two threads a core: a node has 4 CPUs and 2 cores.
    const plain = FOUR();
    const host = { ...plain, cpus: plain.cpus.map((cpu) => ({ ...cpu, core: Math.floor((cpu.id % 4) / 2) })) };
    const nodes = async (profile: ProfileName, policy: 'best_effort' | 'prio_mem_only') => {
      const { xc, domid } = await started(profile, vm('a', 4, 1024), policy, host);
      return xc.vcpuGetAffinity(domid, 0).soft.length / 4;
    };
    expect(await nodes('xapi-25.21', 'best_effort')).toBe(1);
    expect(await nodes('xapi-25.39', 'best_effort')).toBe(2);
    expect(await nodes('xapi-25.39', 'prio_mem_only')).toBe(1);
  });

  it('26.3: a plan over two nodes sets nothing, but counts', async () => {
    const { toolstack, outcome, xc, domid } = await started('xapi-26.3', vm('a', 2, 6144));
    expect(codes(outcome.record)).toContain('multi-node-plan-sets-nothing');
    expect(xc.vcpuGetAffinity(domid, 0).soft).toHaveLength(16);
    expect(toolstack.placement()!.nodeUsage).toEqual([1, 1, 0, 0]);
    expect(claims(outcome.record)).toEqual([[null, null]]);
    const earlier = await started('xapi-25.39', vm('a', 2, 6144));
    expect(earlier.xc.vcpuGetAffinity(earlier.domid, 0).soft).toHaveLength(8);
  });

  it('26.1 keeps 2 GiB of node 0 free: a VM of 2 GiB goes to node 1, where the others choose node 0', async () => {
    const node = async (profile: ProfileName) => {
      const { xc, domid } = await started(profile, vm('a', 2, 2048), 'best_effort', machine([3072, 3072], 4));
      return xc.vcpuGetAffinity(domid, 0).soft;
    };
    expect(await node('xapi-26.1')).toEqual([4, 5, 6, 7]);
    for (const profile of ['xapi-25.6', 'xapi-26.2', 'xapi-26.3'] as const) expect(await node(profile)).toEqual([0, 1, 2, 3]);
  });

  it('26.1: memory that was free again counts again, where 26.2 keeps the lowest reading', async () => {
    const available = async (profile: ProfileName) => {
      const { toolstack } = await started(profile, vm('a', 2, 3072));
      await toolstack.add(vm('b', 2, 256));
      await toolstack.start('b');
      await toolstack.stop('a');
      await toolstack.add(vm('c', 2, 256));
      await toolstack.start('c');
      return toolstack.placement()!.availableBytes.map((bytes) => Math.floor(bytes / GIB));
    };
    // 'a' is on node 1, past the reserve of node 0, and 'b' on another; 26.2 has 'a' on node 0.
    expect((await available('xapi-26.1'))[1]).toBe(3);
    expect((await available('xapi-26.2'))[0]).toBe(0);
  });

  it('26.1: parallel starts see the memory that the others are about to allocate', async () => {
    const toolstack = await toolstackOn(machine([8192, 4096, 4096], 4), { profile: 'xapi-26.1', policy: 'best_effort' });
    for (const name of ['a', 'b', 'c']) await toolstack.add(vm(name, 2, 3072));
    const outcomes = await toolstack.startTogether(['a', 'b', 'c']);
    const nodes = outcomes.map(({ domid }) => toolstack.doors.xc.vcpuGetAffinity(domid!, 0).soft[0]! / 4);
    expect(nodes.toSorted()).toEqual([0, 1, 2]);
    expect(outcomes.flatMap(({ record }) => codes(record))).not.toContain('plan-not-deducted');
  });

  it('26.1 and 26.2: a plan over two nodes sets nothing, and claims nothing host-wide', async () => {
    for (const profile of ['xapi-26.1', 'xapi-26.2'] as const) {
      const { outcome, xc, domid } = await started(profile, vm('a', 2, 6144));
      expect(codes(outcome.record)).toContain('multi-node-plan-sets-nothing');
      expect(xc.vcpuGetAffinity(domid, 0).soft).toHaveLength(16);
      expect(claims(outcome.record)).toEqual([]);
    }
  });

  it('26.1 on a Xen without claims on a node: affinity is set all the same', async () => {
    const doors = await embeddedHost(FOUR(), { profile: 'xapi-25.6' });
    const toolstack = await createToolstack(doors, { profile: 'xapi-26.1', policy: 'best_effort', seed: 1 });
    await toolstack.add(vm('a', 2, 1024));
    const outcome = await toolstack.start('a');
    expect(claims(outcome.record)).toEqual([[0, 'EINVAL']]);
    expect(doors.xc.vcpuGetAffinity(outcome.domid!, 0).soft).toEqual([0, 1, 2, 3]);
  });

  it('26.3: one node is claimed, handed to the builder, and the claim is gone after the build', async () => {
    const { outcome, xc, domid } = await started('xapi-26.3');
    expect(claims(outcome.record)).toEqual([[0, null]]);
    expect(xc.domainInfo(domid)!.outstandingPages).toBe(0);
    expect(outcome.record.entries).toContainEqual(
      expect.objectContaining({ kind: 'node', node: 'exec_xenguest', values: expect.objectContaining({ memPnode: 0 }) }),
    );
  });

  it('26.3 on a Xen without claims on a node: affinity is set all the same, and the memory claimed host-wide', async () => {
    const doors = await embeddedHost(FOUR(), { profile: 'xapi-25.6' });
    const toolstack = await createToolstack(doors, { profile: 'xapi-26.3', policy: 'best_effort', seed: 1 });
    await toolstack.add(vm('a', 2, 1024));
    const outcome = await toolstack.start('a');
    expect(claims(outcome.record)).toEqual([
      [0, 'EINVAL'],
      [null, null],
    ]);
    expect(codes(outcome.record)).toContain('no-node-claims');
    expect(doors.xc.vcpuGetAffinity(outcome.domid!, 0).soft).toEqual([0, 1, 2, 3]);
  });

  it('26.3 keeps no readings: free memory is read again for each plan', async () => {
    const { toolstack } = await started('xapi-26.3', vm('a', 2, 3072));
    await toolstack.stop('a');
    await toolstack.add(vm('b', 2, 3072));
    const outcome = await toolstack.start('b');
    expect(codes(outcome.record)).not.toContain('ratchet');
    expect(toolstack.placement()!.availableBytes.every((bytes) => bytes > 3.9 * 2 ** 30)).toBe(true);
  });
});

describe('policy tight', () => {
  const start = async (spec = vm('a', 2, 1024), host = machine([6144, 4096, 4096, 4096], 4), profile: ProfileName = 'xapi-26.3') => {
    const toolstack = await toolstackOn(host, { profile, policy: 'tight' });
    await toolstack.add(spec);
    const outcome = await toolstack.start(spec.name);
    return { toolstack, outcome, soft: toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 0).soft };
  };

  it.each(XAPI)('%s: places a VM on the fullest node that holds it, past the reserve of node 0', async (profile) => {
    expect((await start(vm('a', 2, 3072), machine([4608, 6144, 4096, 5120], 4), profile)).soft).toEqual([8, 9, 10, 11]);
  });

  it('places a VM that needs two nodes on both, where 26.3 sets nothing', async () => {
    const { outcome, soft, toolstack } = await start(vm('a', 8, 6144));
    expect(soft).toHaveLength(8);
    expect(toolstack.doors.xc.domainNodeGetAffinity(outcome.domid!)).toHaveLength(2);
  });

  it('places a VM within its hard mask', async () => {
    const { outcome, soft, toolstack } = await start(vmWithMask('a', 2, 512, '9,10,13'));
    expect(toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 0).hard).toEqual([9, 10, 13]);
    expect(soft).toEqual([8, 9, 10, 11]);
    expect(toolstack.doors.xc.domainNodeGetAffinity(outcome.domid!)).toEqual([2]);
  });

  it('never promises the same memory twice, whatever the order of steps', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const toolstack = await toolstackOn(machine([2048, 4096, 4096, 4096], 4), { profile: 'xapi-25.6', policy: 'tight', seed });
      for (const name of ['a', 'b', 'c']) await toolstack.add(vm(name, 2, 3072));
      const outcomes = await toolstack.startTogether(['a', 'b', 'c']);
      const nodes = outcomes.map(({ domid }) => toolstack.doors.xc.vcpuGetAffinity(domid!, 0).soft[0]! / 4);
      expect(nodes.toSorted()).toEqual([1, 2, 3]);
      for (const { vms } of [toolstack.snapshot()].map(({ domains }) => ({ vms: domains.filter(({ domid }) => domid !== 0) }))) {
        for (const { pages } of vms) expect(pages.filter((count) => count > 4096)).toHaveLength(1);
      }
    }
  });

  it('gives back what a failed build was promised', async () => {
    const { toolstack } = await start(vm('a', 2, 3072));
    await toolstack.add(vmWithMask('broken', 2, 3072, '999'));
    expect((await toolstack.start('broken')).failure).not.toBeNull();
    for (const name of ['b', 'c']) {
      await toolstack.add(vm(name, 2, 3072));
      const { domid } = await toolstack.start(name);
      expect(toolstack.doors.xc.domainNodeGetAffinity(domid!)).toHaveLength(1);
    }
  });

  it('is no policy of xl', async () => {
    await expect(toolstackOn(FOUR(), { profile: 'xl', policy: 'tight' })).rejects.toThrow("xl has no policy 'tight'");
  });
});

describe('xl', () => {
  it('sets soft affinity and, explicitly, node affinity; writes no affinity to XenStore', async () => {
    const { toolstack, xc, domid, outcome } = await started('xl', vm('a', 2, 512));
    const nodes = xc.domainNodeGetAffinity(domid);
    expect(nodes).toHaveLength(1);
    expect(xc.vcpuGetAffinity(domid, 0)).toEqual({ hard: [...Array(16).keys()], soft: [0, 1, 2, 3].map((cpu) => cpu + 4 * nodes[0]!) });
    expect(toolstack.doors.store.list(`/local/domain/${domid}/platform/vcpu`)).toEqual([]);
    expect(outcome.record.edgesTaken()).toContain('is_new_affinity_all_nodes? -> disable_auto_node_affinity');
  });

  it('cpus= as a string does not stop placement: vCPUs in one place, memory in another; as a list it does', async () => {
    const cpus = [12, 13, 14, 15];
    const text = await started('xl', vm('a', 2, 512, { xlHardCpus: [cpus], xlHardCpusForm: 'string' }));
    expect(codes(text.outcome.record)).toEqual(expect.arrayContaining(['xl-cpus-string', 'hard-narrower-than-memory']));
    expect(text.xc.vcpuGetAffinity(text.domid, 1).hard).toEqual(cpus);
    const list = await started('xl', vm('a', 2, 512, { xlHardCpus: [cpus, cpus], xlHardCpusForm: 'list' }));
    expect(list.outcome.record.edgesTaken()).toContain('has_hard_affinity? -> exec_xenguest');
    expect(list.xc.domainNodeGetAffinity(list.domid)).toEqual([3]);
  });

  it('cpus_soft= stops placement', async () => {
    const { outcome, xc, domid } = await started('xl', vm('a', 2, 512, { xlSoftCpus: [[4, 5]] }));
    expect(outcome.record.nodesVisited()).not.toContain('numa_placement');
    expect(xc.vcpuGetAffinity(domid, 1).soft).toEqual([4, 5]);
    expect(xc.domainNodeGetAffinity(domid)).toEqual([1]);
  });

  it('a guest that fits nowhere keeps all nodes, automatically', async () => {
    const { xc, domid, outcome } = await started('xl', vm('a', 17, 512));
    expect(outcome.failure).toBeNull();
    expect(xc.vcpuGetAffinity(domid, 0).soft).toHaveLength(16);
    expect(xc.domainNodeGetAffinity(domid)).toEqual([0, 1, 2, 3]);
  });

  it("weight and cap are set by xl itself; xe's mask is ignored", async () => {
    const { toolstack, xc, domid } = await started('xl', vm('a', 1, 256, { vcpusParams: { weight: '512', cap: '50', mask: '1' } }));
    expect(xc.schedCreditGet(domid, 'credit')).toEqual({ weight: 512, cap: 50 });
    expect(toolstack.warnings('a').map(({ code }) => code)).toEqual(['xe-mask-ignored']);
  });
});

it.each(PROFILES)('%s: PV, PVH and HVM start and stop on Xen 4.13 to 4.22, and leave nothing', async (profile) => {
  for (const xenVersion of ['4.13', '4.17', '4.22']) {
    const doors = await embeddedHost(FOUR(), { profile, xenVersion });
    const toolstack = await createToolstack(doors, { profile, policy: 'default_policy', seed: 1 });
    const before = { keys: doors.store.list(), free: doors.inspect.freePages() };
    for (const kind of ['pv', 'pvh', 'hvm'] as const) {
      await toolstack.add(vm(kind, 2, 512, { kind }));
      expect((await toolstack.start(kind)).failure).toBeNull();
    }
    expect(doors.inspect.invariants()).toEqual([]);
    for (const kind of ['pv', 'pvh', 'hvm']) await toolstack.stop(kind);
    expect({ keys: doors.store.list(), free: doors.inspect.freePages() }).toEqual(before);
  }
});
