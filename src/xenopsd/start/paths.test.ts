// Paths through the chart, each by a VM that takes it. Together they take every edge.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../../test/support/toolstack.js';
import type { EdgeId } from '../../flow/chart.js';
import type { FlowRecord } from '../../flow/record.js';
import type { Outcome } from '../api/outcome.js';

const FOUR = () => machine([4096, 4096, 4096, 4096], 4);

function codes(record: FlowRecord): string[] {
  return [...new Set(record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])))];
}

/** Nodes that hold more than a few stray pages of the domain. */
function nodesOf(toolstack: { doors: { pagesByNode?: (domid: number) => readonly number[] | null } }, { domid }: Outcome): number[] {
  return toolstack.doors.pagesByNode!(domid!)!.flatMap((pages, node) => (pages > 512 ? [node] : []));
}

describe('a mask', () => {
  it('a mask goes through XenStore to a hard affinity, and there is no placement', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 2, 512, '5,6'));
    const outcome = await toolstack.start('a');
    expect(outcome.failure).toBeNull();
    const { xs, xc } = toolstack.doors;
    const platform = `/local/domain/${outcome.domid}/platform`;
    expect(await xs.read(`${platform}/vcpu/0/affinity`)).toBe('0000011000000000');
    expect(await xs.read(`${platform}/vcpu/1/affinity`)).toBe('0000011000000000');
    expect(await xs.read(`${platform}/vcpu/number`)).toBe('2');
    expect(await xs.read(`${platform}/vcpu/weight`)).toBe('256');
    expect(xc.vcpuGetAffinity(outcome.domid!, 1).hard).toEqual([5, 6]);
    expect(nodesOf(toolstack, outcome)).toEqual([1]);
    expect(outcome.record.edgesTaken()).toEqual(
      expect.arrayContaining<EdgeId>([
        'is_xe_vCPUparams_mask_set? -> set_hard_affinity',
        'set_hard_affinity -> is_Host.numa_affinity_policy_set?',
        'is_Host.numa_affinity_policy_set? -> has_hard_affinity?',
        'has_hard_affinity? -> exec_xenguest',
        'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD',
      ]),
    );
    expect(outcome.record.nodesVisited()).not.toContain('numa_placement');
  });

  it('1,2;3,4 gives each vCPU its own, and those past the list the first', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 3, 512, '1,2;3,4'));
    const outcome = await toolstack.start('a');
    const hard = [0, 1, 2].map((vcpu) => toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, vcpu).hard);
    expect(hard).toEqual([
      [1, 2],
      [3, 4],
      [1, 2],
    ]);
    expect(codes(outcome.record)).toContain('first-mask-reused');
    // CPU 4 is of node 1: the union of the vCPUs spans both.
    expect(toolstack.doors.xc.domainNodeGetAffinity(outcome.domid!)).toEqual([0, 1]);
  });

  it('with a space is ignored, and a warning says so', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 2, 512, '1,2,3; 4,5,6'));
    expect(toolstack.warnings('a')).toEqual([{ code: 'mask-ignored', values: { mask: '1,2,3; 4,5,6', reason: 'white space' } }]);
    const outcome = await toolstack.start('a');
    expect(codes(outcome.record)).toContain('mask-ignored');
    expect(outcome.record.edgesTaken()).toContain('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
    expect(toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 0).hard).toHaveLength(16);
    expect(outcome.record.nodesVisited()).toContain('numa_placement');
  });

  it.each(['99', '-1', '16'])('%s leaves no CPU: the build fails as in the field, and nothing is left behind', async (mask) => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 2, 512, mask));
    const { store, inspect, xc } = toolstack.doors;
    const before = { keys: store.list(), domains: xc.domainList(), free: inspect.freePages() };
    const outcome = await toolstack.start('a');
    expect(outcome.failure).toEqual({
      step: 'xenguest',
      message: 'xenguest: xc_vcpu_setaffinity: [22] Invalid argument',
      errno: 'EINVAL',
      kind: 'builder',
    });
    expect(outcome.domid).toBeNull();
    expect(codes(outcome.record)).toEqual(expect.arrayContaining(['empty-mask', 'cpus-beyond-host']));
    expect({ keys: store.list(), domains: xc.domainList(), free: inspect.freePages() }).toEqual(before);
    expect(toolstack.vms()[0]!.power).toBe('halted');
  });

  it("that the host's mask leaves nothing of is still a mask, and fails the build", async () => {
    const toolstack = await toolstackOn(FOUR(), { hostMask: '4,5' });
    await toolstack.add(vmWithMask('a', 1, 512, '1'));
    expect((await toolstack.start('a')).failure?.errno).toBe('EINVAL');
  });

  it('of the host turns placement off for a VM without one', async () => {
    const toolstack = await toolstackOn(FOUR(), { hostMask: '8,9' });
    await toolstack.add(vm('a', 1, 512));
    expect(toolstack.warnings('a').map(({ code }) => code)).toEqual(['host-mask-stops-placement']);
    const outcome = await toolstack.start('a');
    expect(codes(outcome.record)).toContain('host-mask-stops-placement');
    expect(outcome.record.nodesVisited()).not.toContain('numa_placement');
    expect(nodesOf(toolstack, outcome)).toEqual([2]);
  });
});

describe('placement', () => {
  it('off: the domain may use every node, and its memory alternates over them', async () => {
    const toolstack = await toolstackOn(FOUR(), { policy: 'default_policy' });
    await toolstack.add(vm('a', 2, 1024));
    const outcome = await toolstack.start('a');
    expect(outcome.record.edgesTaken()).toContain('is_Host.numa_affinity_policy_set? -> exec_xenguest');
    expect(outcome.record.nodesVisited()).not.toContain('XEN_VCPUAFFINITY_SOFT');
    expect(nodesOf(toolstack, outcome)).toEqual([0, 1, 2, 3]);
    expect(codes(outcome.record)).toEqual(expect.arrayContaining(['all-ones-hard', 'memory-alternates']));
  });

  it('best_effort: a VM that fits one node is there, with all its vCPUs and memory', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 2, 1024));
    const outcome = await toolstack.start('a');
    expect(nodesOf(toolstack, outcome)).toEqual([0]);
    expect(toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 1)).toEqual({ hard: [...Array(16).keys()], soft: [0, 1, 2, 3] });
    expect(toolstack.placement()!.nodeUsage).toEqual([1, 0, 0, 0]);
  });

  it('best_effort: a VM too big for a node gets two', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 2, 6144));
    const outcome = await toolstack.start('a');
    expect(nodesOf(toolstack, outcome)).toEqual([0, 1]);
    expect(codes(outcome.record)).toContain('memory-alternates');
  });

  it('best_effort: a VM with more vCPUs than CPUs gets no plan and starts anyway', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 17, 512));
    const outcome = await toolstack.start('a');
    expect(outcome.failure).toBeNull();
    expect(codes(outcome.record)).toContain('more-vcpus-than-cpus');
    expect(outcome.record.edgesTaken()).not.toContain('numa_placement -> XEN_VCPUAFFINITY_SOFT');
  });

  it('spills over from a full node, whose number the node affinity keeps', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 2, 3072, '4,5'));
    await toolstack.add(vmWithMask('b', 2, 2048, '4,5'));
    await toolstack.start('a');
    const outcome = await toolstack.start('b');
    expect(outcome.failure).toBeNull();
    const pages = toolstack.doors.pagesByNode!(outcome.domid!)!;
    expect(pages[1]).toBeGreaterThan(512);
    expect(pages.some((count, node) => node !== 1 && count > 512)).toBe(true);
    expect(toolstack.doors.xc.domainNodeGetAffinity(outcome.domid!)).toEqual([1]);
    expect(codes(outcome.record)).toEqual(expect.arrayContaining(['memory-spilled', 'hard-narrower-than-memory']));
  });

  it('leaves the low memory of node 0 alone while other nodes have any', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vmWithMask('a', 2, 3072, '0,1'));
    await toolstack.add(vm('b', 2, 2048, { kind: 'pv', vcpusParams: { mask: '0,1' } }));
    await toolstack.start('a');
    const outcome = await toolstack.start('b');
    expect(toolstack.doors.inspect.freePages()[0]).toBeGreaterThan(200_000);
    expect(Math.max(...toolstack.doors.pagesByNode!(outcome.domid!)!.slice(1))).toBeGreaterThan(512);
    expect(codes(outcome.record)).toContain('dma-memory-last');
  });

  it('a host without the memory refuses the build, and nothing is left behind', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 2, 20_000));
    const { store, inspect } = toolstack.doors;
    const before = { keys: store.list(), free: inspect.freePages() };
    const { failure } = await toolstack.start('a');
    expect(failure).toMatchObject({ step: 'VM.build', errno: null });
    expect(failure!.message).toMatch(/^Not_enough_memory: [\d.]+ [GM]iB needed, [\d.]+ [GM]iB free/);
    expect({ keys: store.list(), free: inspect.freePages() }).toEqual(before);
  });

  it('on more than 16 nodes knows only single nodes', async () => {
    const toolstack = await toolstackOn(machine(Array(17).fill(1024), 1));
    await toolstack.add(vm('a', 1, 1500));
    const outcome = await toolstack.start('a');
    expect(codes(outcome.record)).toContain('single-nodes-only');
    expect(nodesOf(toolstack, outcome)).toHaveLength(17);
  });
});
