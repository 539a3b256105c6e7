// Virtual nodes of policy `tight` on the embedded host: the nodes of the memory, the soft affinity,
// the refusals, and how many such guests start.
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { numbersBelow } from '../../base/random.js';
import { PAGES_PER_MIB } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import type { ProfileName } from '../api/profiles.js';
import { pagesByNode } from './landing.js';

const MIB = 2 ** 20;
/** Special pages of an HVM guest, and Xen's own for it. */
const EXTRA_MIB = 20;

async function host(freeMib: readonly number[], cpusOfNode: number, profile: ProfileName = 'xapi-25.21') {
  return toolstackOn(machine(freeMib, cpusOfNode), { profile, policy: 'tight' });
}

async function started(spec: VmSpec, toolstack: Awaited<ReturnType<typeof host>>) {
  await toolstack.add(spec);
  const outcome = await toolstack.start(spec.name);
  const mib = outcome.domid === null ? [] : pagesByNode(toolstack.doors, outcome.domid).map((pages) => pages / PAGES_PER_MIB);
  return { outcome, mib, soft: (vcpu: number) => toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, vcpu).soft };
}

describe('vnuma: a number', () => {
  it('takes an equal part from each of so many nodes, and has the vCPUs prefer the node of their part', async () => {
    const toolstack = await host([4096, 2048, 4096], 4);
    const { outcome, mib, soft } = await started(vm('a', 4, 2048, { virtualNodes: 2 }), toolstack);
    expect(outcome.failure).toBeNull();
    expect(mib[1]).toBe(0);
    for (const node of [0, 2]) {
      expect(mib[node]).toBeGreaterThanOrEqual(1023);
      expect(mib[node]).toBeLessThan(1024 + EXTRA_MIB);
    }
    expect([0, 1, 2, 3].map(soft)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [8, 9, 10, 11],
      [8, 9, 10, 11],
    ]);
    expect(toolstack.doors.xc.domainNodeGetAffinity(outcome.domid!)).toEqual([0, 2]);
  });

  it('describes them to Xen: memory requested for a virtual node comes from its physical node', async () => {
    const toolstack = await host([4096, 1024, 4096], 4);
    const { outcome } = await started(vm('a', 4, 2048, { virtualNodes: 2 }), toolstack);
    for (const [vnode, node] of [
      [0, 0],
      [1, 2],
    ] as const) {
      const before = pagesByNode(toolstack.doors, outcome.domid!)[node]!;
      const request = { extents: 2, order: 0, firstPfn: 0x200000 + 16 * vnode, vnode };
      expect(toolstack.doors.xc.domainPopulatePhysmap(outcome.domid!, request).done).toBe(2);
      expect(pagesByNode(toolstack.doors, outcome.domid!)[node]).toBe(before + 2);
    }
  });

  it('stays within a hard mask', async () => {
    const toolstack = await host([4096, 4096, 4096], 4);
    const spec = vm('a', 4, 1024, { virtualNodes: 2, vcpusParams: { mask: '4,5,6,7,8,9,10,11' } });
    const { mib } = await started(spec, toolstack);
    expect(mib[0]).toBeLessThan(EXTRA_MIB);
    expect(Math.min(mib[1]!, mib[2]!)).toBeGreaterThanOrEqual(511);
  });

  it('divides what does not divide: vCPUs and 2 MiB blocks', async () => {
    const { outcome, mib } = await started(vm('a', 5, 1001, { virtualNodes: 3 }), await host([4096, 4096, 4096], 4));
    expect(outcome.failure).toBeNull();
    for (const part of mib) {
      expect(part).toBeGreaterThanOrEqual(331);
      expect(part).toBeLessThan(336 + EXTRA_MIB);
    }
  });

  it.each<[string, Partial<VmSpec>, RegExp, string?]>([
    ['PV', { kind: 'pv' }, /no vNUMA for PV/],
    ['a PV guest in a shim', { kind: 'pvh' }, /PV shim/],
    ['populate on demand', { memoryTargetBytes: 512 * MIB }, /populate on demand/],
    ['a mask for each vCPU', { vcpusParams: { mask: '0;1;2;3' } }, /one mask for all/],
    ['more parts than nodes', { virtualNodes: 3 }, /no 3 nodes have room/, 'VM.build'],
    ['parts larger than a node', { memoryStaticMaxBytes: 5120 * MIB, memoryTargetBytes: 5120 * MIB }, /no 2 nodes have room/, 'VM.build'],
  ])('refuses %s, and leaves no domain behind', async (_, change, reason, step = 'VM.create') => {
    const toolstack = await host([4096, 2048], 4);
    const { outcome } = await started({ ...vm('a', 4, 2048, { virtualNodes: 2 }), ...change }, toolstack);
    expect(outcome.failure).toMatchObject({ step, message: expect.stringMatching(reason) });
    expect(toolstack.doors.xc.domainList().map(({ domid }) => domid)).toEqual([0]);
  });

  it('is the same after a restart and a local migration', async () => {
    const toolstack = await host([4096, 4096], 4);
    const { outcome } = await started(vm('a', 4, 1024, { virtualNodes: 2 }), toolstack);
    expect(outcome.failure).toBeNull();
    for (const again of [await toolstack.reboot('a'), await toolstack.migrateLocal('a')]) {
      expect(again.failure).toBeNull();
      const pages = pagesByNode(toolstack.doors, again.domid!);
      expect(Math.min(...pages) / PAGES_PER_MIB).toBeGreaterThanOrEqual(511);
    }
  });

  it.each(['xapi-25.21', 'xl'] as const)('%s without policy tight ignores it, and says so', async (profile) => {
    const toolstack = await toolstackOn(machine([4096, 4096], 4), { profile, policy: 'default_policy' });
    const { outcome } = await started(vm('a', 2, 1024, { virtualNodes: 2 }), toolstack);
    expect(outcome.failure).toBeNull();
    expect(outcome.record.entries).toContainEqual({ kind: 'surprise', code: 'vnuma-needs-tight', values: { virtualNodes: 2 } });
    expect(toolstack.warnings('a').map(({ code }) => code)).toContain('vnuma-needs-tight');
  });
});

describe('vnuma: auto', () => {
  it('gives none to a guest that fits one node', async () => {
    const { outcome, mib } = await started(vm('a', 2, 1024, { virtualNodes: 'auto' }), await host([4096, 4096], 4));
    expect(outcome.record.entries.some((entry) => entry.kind === 'note' && entry.topic === 'virtual nodes')).toBe(false);
    expect(mib.filter((part) => part > EXTRA_MIB)).toHaveLength(1);
  });

  it('gives a guest that needs two nodes the memory of its vCPUs on each', async () => {
    const { outcome, mib, soft } = await started(vm('a', 6, 6144, { virtualNodes: 'auto' }), await host([4096, 4096], 4));
    expect(outcome.failure).toBeNull();
    expect(mib.every((part) => part >= 3071 && part < 3072 + EXTRA_MIB)).toBe(true);
    expect([0, 2, 3, 5].map(soft)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [4, 5, 6, 7],
    ]);
  });
});

it('starts side by side never promise the same memory twice', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const toolstack = await toolstackOn(machine([2200, 2200, 2200], 16), { profile: 'xapi-25.21', policy: 'tight', seed });
    const names = ['a', 'b', 'c'];
    for (const name of names) await toolstack.add(vm(name, 2, 2048, { virtualNodes: 2 }));
    const outcomes = await toolstack.startTogether(names);
    // Two parts of 1 GiB a node, three VMs of two parts: all fit, and only without a mix-up.
    expect(outcomes.map(({ failure }) => failure?.message ?? null)).toEqual([null, null, null]);
  }
});

/** The most VMs of k equal parts on k nodes each; node i has room for b[i] (arXiv 2604.15033). */
function mostVms(b: readonly number[], k: number): number {
  const sorted = b.toSorted((x, y) => y - x);
  const rest = (r: number) => sorted.slice(r).reduce((sum, parts) => sum + parts, 0);
  return Math.min(...Array.from({ length: k }, (_, r) => Math.floor(rest(r) / (k - r))));
}

it('starts as many guests as any placement could, on random hosts', async () => {
  const partMib = 512;
  const slackMib = 380;
  const pick = numbersBelow(2604);
  for (let round = 0; round < cases(12, 300); round++) {
    const b = Array.from({ length: 2 + pick(4) }, () => pick(5));
    const k = 1 + pick(b.length);
    const toolstack = await host(
      b.map((parts) => parts * partMib + slackMib),
      16,
    );
    let running = 0;
    for (;;) {
      const { outcome } = await started(vm(`vm-${running}`, k, k * partMib, { virtualNodes: k }), toolstack);
      if (outcome.failure !== null) break;
      running++;
    }
    expect({ b, k, running }).toEqual({ b, k, running: mostVms(b, k) });
  }
});
