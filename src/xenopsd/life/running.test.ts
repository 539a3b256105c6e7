// What a running VM is asked for, and how one whose store is lost is given up.
import { expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { MIB } from '../../base/units.js';

const HOST = () => machine([2048, 2048], 4);

it('vCPUs and memory asked for live are keys of the guest, and what its next domain starts with', async () => {
  const toolstack = await toolstackOn(HOST());
  const { xs } = toolstack.doors;
  await toolstack.add(vm('a', 4, 512, { vcpusAtStartup: 2 }));
  const { domid } = await toolstack.start('a');
  const path = `/local/domain/${domid}`;
  const online = (at = path) => Promise.all([0, 1, 2, 3].map((vcpu) => xs.read(`${at}/cpu/${vcpu}/availability`)));
  expect(await online()).toEqual(['online', 'online', 'offline', 'offline']);
  const target = await xs.read(`${path}/memory/target`);
  await toolstack.setLive('a', { vcpus: 3 });
  expect(await online()).toEqual(['online', 'online', 'online', 'offline']);
  expect(await xs.read(`${path}/memory/target`)).toBe(target);
  await expect(xs.read(`${path}/memory/dynamic-min`)).rejects.toMatchObject({ errno: 'ENOENT' });
  const memory = { dynamicMinBytes: 128 * MIB, dynamicMaxBytes: 512 * MIB + 1023, targetBytes: 256 * MIB };
  await toolstack.setLive('a', { memory });
  // In KiB, rounded down.
  for (const [key, kib] of [
    ['dynamic-min', 128 * 1024],
    ['dynamic-max', 512 * 1024],
    ['target', 256 * 1024],
  ] as const) {
    expect(await xs.read(`${path}/memory/${key}`)).toBe(String(kib));
  }
  expect(await online()).toEqual(['online', 'online', 'online', 'offline']);
  expect(toolstack.vms()[0]!.spec).toMatchObject({ vcpusAtStartup: 3, memoryTargetBytes: 256 * MIB });
  const next = await toolstack.reboot('a');
  expect(await online(`/local/domain/${next.domid}`)).toEqual(['online', 'online', 'online', 'offline']);
  await toolstack.stop('a');
  await expect(toolstack.setLive('a', { vcpus: 1 })).rejects.toThrow();
  expect(toolstack.vms()[0]!.spec.vcpusAtStartup).toBe(3);
});

it('a VM that is discarded leaves no domain, key or page', async () => {
  const toolstack = await toolstackOn(HOST());
  const { store, inspect, xc } = toolstack.doors;
  const before = { keys: store.list(), free: inspect.freePages() };
  await toolstack.add(vm('a', 1, 256));
  await expect(toolstack.discard('a')).rejects.toThrow();
  await toolstack.start('a');
  expect(await toolstack.discard('a')).toMatchObject({ operation: 'stop', domid: null, failure: null });
  expect({ keys: store.list(), free: inspect.freePages() }).toEqual(before);
  expect(xc.domainList()).toHaveLength(1);
  expect(toolstack.vms()[0]).toMatchObject({ power: 'halted', domid: null });
});

it("pausing is seen in Xen and in the VM's state, and refused where it makes no sense", async () => {
  const toolstack = await toolstackOn(HOST());
  const { xc } = toolstack.doors;
  await toolstack.add(vm('a', 1, 64));
  const { domid } = await toolstack.start('a');
  await expect(toolstack.unpause('a')).rejects.toThrow();
  expect(await toolstack.pause('a')).toMatchObject({ operation: 'change', domid, failure: null });
  expect([xc.domainInfo(domid!)!.paused, toolstack.vms()[0]!.power]).toEqual([true, 'paused']);
  await expect(toolstack.pause('a')).rejects.toThrow();
  await toolstack.unpause('a');
  expect([xc.domainInfo(domid!)!.paused, toolstack.vms()[0]!.power]).toEqual([false, 'running']);
});

it('a pin of one vCPU leaves a domain whose other vCPUs may run anywhere with all nodes, and that is said', async () => {
  const toolstack = await toolstackOn(HOST(), { policy: 'any' });
  const { xc } = toolstack.doors;
  await toolstack.add(vm('a', 2, 64));
  const { domid } = await toolstack.start('a');
  const codesOf = (outcome: Awaited<ReturnType<typeof toolstack.pin>>) =>
    outcome.record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : []));
  expect(codesOf(await toolstack.pin('a', 1, { hard: [0] }))).toContain('one-unrestricted-vcpu');
  expect(xc.domainNodeGetAffinity(domid!)).toEqual([0, 1]);
  expect(xc.vcpuGetAffinity(domid!, 0).hard).toHaveLength(8);
  // All of them: the memory stays where it is, on both nodes.
  expect(codesOf(await toolstack.pin('a', 'all', { hard: [0] }))).not.toContain('one-unrestricted-vcpu');
  expect(xc.domainNodeGetAffinity(domid!)).toEqual([0]);
  for (const bad of [-1, 2, 0.5]) {
    const { failure } = await toolstack.pin('a', bad, { hard: [1] }).catch((error: Error) => ({ failure: error }));
    expect(failure!.message).toContain(`VM 'a' has no vCPU ${bad}`);
  }
});
