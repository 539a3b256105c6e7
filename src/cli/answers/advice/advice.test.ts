import { describe, expect, it } from 'vitest';
import { GIB } from '../../../base/units.js';
import type { VmSpec } from '../../../machine/vm.js';
import type { CompareAnswer, HostAnswer, VmAnswer } from '../answers.js';
import { type AdvisedVm, adviceFor, recommendation } from './advice.js';

const host: HostAnswer = {
  name: 'h',
  hypervisor: 'test',
  nodes: [
    { id: 0, memoryBytes: 8 * GIB, freeBytes: 2 * GIB, claimedBytes: 0, cpus: '0-1,4' },
    { id: 1, memoryBytes: 8 * GIB, freeBytes: 5 * GIB, claimedBytes: 0, cpus: '2-3,5' },
  ],
  distances: [
    [10, 20],
    [20, 10],
  ],
};
function advised(spec: Partial<VmSpec> = {}, vm: Partial<VmAnswer> = {}, more: Partial<AdvisedVm> = {}): AdvisedVm {
  return {
    spec: { name: 'web', vcpusMax: 2, memoryTargetBytes: GIB, vcpusParams: {}, ...spec } as VmSpec,
    vm: { failure: null, onOneNode: false, pagesByNode: [1, 2], ...vm } as VmAnswer,
    host,
    profile: 'xapi-25.6',
    policy: 'default_policy',
    ...more,
  };
}
const commands = (...given: Parameters<typeof advised>) => adviceFor(advised(...given)).commands;

describe('advice for a VM', () => {
  it('writes out the CPUs of a mask that xapi ignores, if it can be parsed', () => {
    const mask = (text: string) => commands({ vcpusParams: { mask: text } }, {}, { uuids: { vm: 'u' } });
    expect(mask('0-2, 5')).toEqual(['xe vm-param-set uuid=u VCPUs-params:mask=0,1,2,5']);
    expect(mask('all,^3')).toEqual([]);
    expect(mask('3-1')).toEqual([]);
  });

  it('sets the policy if the host places nothing, and a mask if it does', () => {
    expect(commands()).toEqual(['xe host-param-set uuid=$(xe host-list --minimal) numa-affinity-policy=best_effort']);
    // Node 1 has the most free memory.
    expect(commands({}, {}, { policy: 'best_effort' })).toEqual([
      'xe vm-param-set uuid=$(xe vm-list name-label=web --minimal) VCPUs-params:mask=2,3,5',
    ]);
  });

  it('gives xl commands under profile xl', () => {
    expect(commands({}, {}, { profile: 'xl' })).toEqual([`xl create web.cfg 'cpus_soft="2-3,5"'`, 'xl vcpu-pin web all - 2-3,5']);
  });

  it('leaves a guest alone whose virtual nodes are where its config wants them', () => {
    const vnode = (pnode: number) => ({ pnode, memoryBytes: GIB / 2, vcpus: [pnode], distances: [10, 20] });
    const spec = { vnuma: [vnode(1), vnode(0)] };
    const half = GIB / 2 / 4096;
    const own = adviceFor(advised(spec, { pagesByNode: [half + 9, half - 100] }, { profile: 'xl' }));
    expect(own).toEqual({
      text: 'Nothing to do: the memory of each virtual node of web is on the node that its config names.',
      commands: [],
    });
    // 16 MiB elsewhere are of no account, a page more is.
    expect(commands(spec, { pagesByNode: [half + 4096, half] }, { profile: 'xl' })).toEqual([]);
    expect(commands(spec, { pagesByNode: [half + 4097, half] }, { profile: 'xl' })).not.toEqual([]);
    expect(commands(spec, { pagesByNode: null }, { profile: 'xl' })).not.toEqual([]);
  });

  it('sets nothing for a VM that is well placed, too large, or failed for lack of memory', () => {
    expect(adviceFor(advised({}, { onOneNode: true }))).toEqual({
      text: 'Nothing to do: web is on one node, memory and vCPUs.',
      commands: [],
    });
    for (const spec of [{ memoryTargetBytes: 9 * GIB }, { vcpusMax: 4 }]) expect(commands(spec)).toEqual([]);
    const failure = { kind: 'not-enough-memory' as const, step: 'VM.build', message: 'Not_enough_memory', errno: null };
    expect(adviceFor(advised({ memoryTargetBytes: 9 * GIB }, { failure })).text).toContain('It needs 9 GiB, and the host has 7 GiB free.');
  });
});

describe('the recommendation of compare', () => {
  const row = (policy: 'any' | 'best_effort' | 'tight', failed: number, onOneNode: number, meanDistance: number | null) =>
    ({
      profile: 'xapi-25.6',
      policy,
      seed: 1,
      means: policy,
      totals: { running: 1, failed, onOneNode, remotePages: 0, meanDistance, worstDistance: null },
    }) as CompareAnswer['rows'][number];
  const policy = (...rows: CompareAnswer['rows']) => /=(\w+)$/.exec(recommendation(rows, 'u')?.commands[0] ?? '')?.[1] ?? null;

  it('prefers fewer failures, then more VMs on one node, then shorter distances', () => {
    expect(policy(row('any', 0, 0, 30), row('best_effort', 1, 9, 10))).toBe('any');
    expect(policy(row('any', 0, 1, 10), row('best_effort', 0, 2, 20))).toBe('best_effort');
    expect(policy(row('any', 0, 1, 10), row('best_effort', 0, 1, 11))).toBe('any');
    expect(policy(row('any', 0, 1, 10), row('best_effort', 0, 1, 10))).toBeNull();
    expect(policy(row('any', 0, 1, 10))).toBeNull();
  });

  it('leads to the agent where the policy is tight, which xapi refuses', () => {
    const advice = recommendation([row('best_effort', 0, 1, 11), row('tight', 0, 1, 10)], 'u')!;
    expect(advice.commands).toEqual(['xennuma agent --install']);
    expect(advice.text).toContain('xapi has no such policy');
  });

  it('begins with the VMs that fit under no policy', () => {
    expect(recommendation([row('any', 7, 1, 20), row('best_effort', 7, 1, 10)], 'u')!.text).toMatch(
      /^These VMs do not all fit: at least 7 fail/,
    );
  });

  it('never recommends under xl, which has no such setting', () => {
    expect(
      recommendation([
        { ...row('any', 0, 1, 10), profile: 'xl' },
        { ...row('best_effort', 0, 2, 10), profile: 'xl' },
      ]),
    ).toBeNull();
  });
});
