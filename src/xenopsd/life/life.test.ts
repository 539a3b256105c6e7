// A VM's life after its first start: what each operation changes, and what it does not.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../../test/support/toolstack.js';
import { InputError } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';
import type { Toolstack } from '../api/toolstack.js';

const FOUR = () => machine([4096, 4096, 4096, 4096], 4);
const codes = (record: FlowRecord) => [...new Set(record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])))];

describe('stop', () => {
  it('gives everything back but what xenopsd itself never forgets', async () => {
    const toolstack = await toolstackOn(FOUR());
    const { store, inspect } = toolstack.doors;
    const before = { keys: store.list(), free: inspect.freePages() };
    await toolstack.add(vm('a', 2, 1024));
    await toolstack.start('a');
    const stopped = await toolstack.stop('a');
    expect(stopped).toMatchObject({ operation: 'stop', domid: null, failure: null });
    expect({ keys: store.list(), free: inspect.freePages() }).toEqual(before);
    expect(toolstack.placement()!.nodeUsage).toEqual([1, 0, 0, 0]);
    const again = await toolstack.start('a');
    expect(codes(again.record)).toContain('usage-never-falls');
    // Node 0 counts as used by a VM that is gone.
    expect(toolstack.doors.xc.domainNodeGetAffinity(again.domid!)).toEqual([1]);
  });
});

describe('the ratchet of 25.6', () => {
  it('keeps the lowest reading, until nothing fits though everything is free', async () => {
    const toolstack = await toolstackOn(machine([2048, 2048], 2));
    for (const name of ['a', 'b']) await toolstack.add(vmWithMask(name, 1, 1536, name === 'a' ? '0' : '2'));
    await toolstack.add(vm('probe', 1, 64));
    await toolstack.add(vm('c', 1, 1024));
    await toolstack.start('a');
    await toolstack.start('b');
    await toolstack.start('probe');
    for (const name of ['a', 'b', 'probe']) await toolstack.stop(name);
    const outcome = await toolstack.start('c');
    expect(codes(outcome.record)).toContain('ratchet');
    expect(toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 0).soft).toEqual([0, 1, 2, 3]);
    // An upgrade restarts xenopsd.
    await toolstack.stop('c');
    toolstack.setProfile('xapi-25.21');
    expect(toolstack.placement()).toBeNull();
    const after = await toolstack.start('c');
    expect(toolstack.doors.xc.vcpuGetAffinity(after.domid!, 0).soft).toHaveLength(2);
  });
});

describe("the host's mask", () => {
  it('holds for starts after it was set, and no more for those after it was taken away', async () => {
    const toolstack = await toolstackOn(FOUR(), { policy: 'any' });
    const hardOf = async (name: string) => {
      await toolstack.add(vm(name, 1, 128));
      const { domid } = await toolstack.start(name);
      return toolstack.doors.xc.vcpuGetAffinity(domid!, 0).hard;
    };
    expect(await hardOf('before')).toHaveLength(16);
    toolstack.setHostMask('2,5');
    expect(await hardOf('with')).toEqual([2, 5]);
    toolstack.setHostMask(null);
    expect(await hardOf('after')).toHaveLength(16);
  });
});

describe('reboot and local migration', () => {
  it('a reboot reads mask and policy again, for a new domain', async () => {
    const toolstack = await toolstackOn(FOUR(), { policy: 'any' });
    await toolstack.add(vm('a', 1, 512));
    const first = await toolstack.start('a');
    await toolstack.setMask('a', '9');
    expect(toolstack.doors.xc.vcpuGetAffinity(first.domid!, 0).hard).toHaveLength(16);
    expect(toolstack.warnings('a')).toEqual([
      { code: 'policy-changes-later-builds', values: { builtBy: 'xapi-25.6, any, no mask', now: "xapi-25.6, any, mask '9'" } },
    ]);
    const second = await toolstack.reboot('a');
    expect(toolstack.warnings('a')).toEqual([]);
    expect(second.operation).toBe('reboot');
    expect(second.domid).not.toBe(first.domid);
    expect(toolstack.doors.xc.vcpuGetAffinity(second.domid!, 0).hard).toEqual([9]);
    await toolstack.setMask('a', null);
    toolstack.setPolicy('best_effort');
    const third = await toolstack.reboot('a');
    expect(third.record.nodesVisited()).toContain('numa_placement');
  });

  it('a migration holds both memories for a while: without room for both it fails, and the VM goes on', async () => {
    const toolstack = await toolstackOn(machine([2048, 2048], 2));
    const { inspect, xc, store } = toolstack.doors;
    await toolstack.add(vm('small', 1, 512));
    const first = await toolstack.start('small');
    const moved = await toolstack.migrateLocal('small');
    expect(moved).toMatchObject({ operation: 'migrate', failure: null });
    expect(xc.domainInfo(moved.domid!)).toMatchObject({ paused: false });
    expect(xc.domainList().map(({ domid }) => domid)).toEqual([0, moved.domid]);
    expect(moved.domid).not.toBe(first.domid);
    expect(store.list('/vm').filter(({ path }) => /domains\/\d+$/.test(path))).toHaveLength(1);
    await toolstack.stop('small');

    await toolstack.add(vm('big', 1, 2500));
    const running = await toolstack.start('big');
    const before = { keys: store.list(), free: inspect.freePages() };
    const failed = await toolstack.migrateLocal('big');
    expect(failed.failure!.message).toMatch(/^Not_enough_memory/);
    expect(failed.domid).toBe(running.domid);
    expect({ keys: store.list(), free: inspect.freePages() }).toEqual(before);
    expect(toolstack.vms().find(({ spec }) => spec.name === 'big')).toMatchObject({ power: 'running', domid: running.domid });
  });

  it('a paused VM stays paused through a migration', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 1, 256));
    await toolstack.start('a');
    await toolstack.pause('a');
    const moved = await toolstack.migrateLocal('a');
    expect(toolstack.vms()[0]!.power).toBe('paused');
    expect(toolstack.doors.xc.domainInfo(moved.domid!)!.paused).toBe(true);
    await toolstack.unpause('a');
    expect(toolstack.doors.xc.domainInfo(moved.domid!)!.paused).toBe(false);
  });
});

describe('which request is refused in which state', () => {
  const REQUESTS: Readonly<Record<string, (toolstack: Toolstack) => Promise<unknown>>> = {
    start: (toolstack) => toolstack.start('a'),
    startTogether: (toolstack) => toolstack.startTogether(['a']),
    stop: (toolstack) => toolstack.stop('a'),
    shutdown: (toolstack) => toolstack.shutdown('a'),
    resume: (toolstack) => toolstack.resume('a'),
    reboot: (toolstack) => toolstack.reboot('a'),
    migrate: (toolstack) => toolstack.migrateLocal('a'),
    pause: (toolstack) => toolstack.pause('a'),
    unpause: (toolstack) => toolstack.unpause('a'),
    pin: (toolstack) => toolstack.pin('a', 0, { hard: [1] }),
    nodes: (toolstack) => toolstack.setNodeAffinity('a', [0]),
    pool: (toolstack) => toolstack.moveToPool('a', 0),
    mask: (toolstack) => toolstack.setMask('a', '1'),
    remove: (toolstack) => toolstack.remove('a'),
  };
  // As the diagram of life/states.ts has it.
  const ADMITTED: Readonly<Record<string, readonly string[]>> = {
    halted: ['start', 'startTogether', 'mask', 'remove'],
    running: ['stop', 'shutdown', 'reboot', 'migrate', 'pause', 'pin', 'nodes', 'pool', 'mask'],
    paused: ['stop', 'reboot', 'migrate', 'unpause', 'pin', 'nodes', 'pool', 'mask'],
  };

  it.each(Object.keys(ADMITTED))('%s', async (state) => {
    for (const [request, perform] of Object.entries(REQUESTS)) {
      const toolstack = await toolstackOn(machine([512, 512], 2));
      await toolstack.add(vm('a', 1, 64));
      if (state !== 'halted') await toolstack.start('a');
      if (state === 'paused') await toolstack.pause('a');
      expect(toolstack.vms()[0]!.power).toBe(state);
      const refused = await perform(toolstack).then(
        () => null,
        (error: unknown) => error,
      );
      if (ADMITTED[state]!.includes(request)) expect(refused, request).toBeNull();
      else {
        expect(refused, request).toBeInstanceOf(InputError);
        expect(String(refused), request).toContain(`VM 'a' is ${state}`);
        expect(toolstack.vms()[0]!.power, request).toBe(state);
      }
    }
  });
});

describe('manual changes', () => {
  it('a pin moves neither memory nor, before the last vCPU, the node affinity', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 2, 512));
    const { domid } = await toolstack.start('a');
    const pages = toolstack.doors.pagesByNode!(domid!);
    const one = await toolstack.pin('a', 0, { hard: [4] });
    expect(one.failure).toBeNull();
    const all = await toolstack.pin('a', 'all', { hard: [4, 5], soft: [4, 5] });
    expect(toolstack.doors.xc.domainNodeGetAffinity(domid!)).toEqual([1]);
    // Nothing was populated, so nothing spilled.
    expect(codes(all.record)).toEqual(['pin-moves-no-memory', 'hard-narrower-than-memory']);
    expect(toolstack.doors.pagesByNode!(domid!)).toEqual(pages);
  });

  it('a pin to no CPU is refused by Xen, and said so', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 1, 256));
    await toolstack.start('a');
    expect((await toolstack.pin('a', 'all', { hard: [] })).failure).toMatchObject({ errno: 'EINVAL' });
  });

  it("every node of the host is not 'all', and an explicit choice survives a move to another pool", async () => {
    const toolstack = await toolstackOn(FOUR());
    const { xc } = toolstack.doors;
    await toolstack.add(vm('a', 1, 256));
    const { domid } = await toolstack.start('a');
    expect(codes((await toolstack.setNodeAffinity('a', [0, 1, 2, 3])).record)).toEqual(['all-nodes-is-not-all']);
    expect(xc.domainNodeGetAffinity(domid!)).toEqual([0, 1, 2, 3]);
    expect(codes((await toolstack.setNodeAffinity('a', [0, 1])).record)).toEqual(['manual-node-affinity']);
    for (const cpu of [12, 13]) xc.cpupoolRemoveCpu(0, cpu);
    const pool = xc.cpupoolCreate('credit');
    for (const cpu of [12, 13]) xc.cpupoolAddCpu(pool, cpu);
    const moved = await toolstack.moveToPool('a', pool);
    expect(moved.failure).toBeNull();
    expect(codes(moved.record)).toEqual(expect.arrayContaining(['pool-move-resets-masks', 'manual-node-affinity']));
    expect(xc.domainNodeGetAffinity(domid!)).toEqual([0, 1]);
    await toolstack.setNodeAffinity('a', 'all');
    expect(xc.domainNodeGetAffinity(domid!)).toEqual([3]);
  });
});

describe('what the caller got wrong', () => {
  it('is one clear error, and nothing happens', async () => {
    const toolstack = await toolstackOn(FOUR());
    await toolstack.add(vm('a', 1, 256));
    await expect(toolstack.add(vm('a', 1, 256))).rejects.toThrow(InputError);
    expect(() => toolstack.warnings('b')).toThrow("there is no VM 'b'");
    await expect(toolstack.start('b')).rejects.toThrow(InputError);
    await expect(toolstack.stop('a')).rejects.toThrow("VM 'a' is halted");
    await expect(toolstack.startTogether(['a', 'a'])).rejects.toThrow('named twice');
    await toolstack.start('a');
    await expect(toolstack.start('a')).rejects.toThrow('running already');
    await expect(toolstack.unpause('a')).rejects.toThrow(InputError);
    await expect(toolstack.pin('a', 1, { hard: [0] })).rejects.toThrow('no vCPU 1');
    await expect(toolstack.remove('a')).rejects.toThrow("VM 'a' is running");
    expect(() => toolstack.setPolicy('prio_mem_only')).toThrow('xapi-25.6 has no policy');
    await toolstack.stop('a');
    await toolstack.remove('a');
    expect(toolstack.vms()).toEqual([]);
  });
});
