// vCPUs and memory of running VMs, and the bounds of both. XenStore has the request to the guest.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { xeHost } from '../../../../test/support/xe-host.js';
import { GIB, MIB } from '../../../base/units.js';
import type { WireStruct } from '../../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A VM that runs with 2 of 4 vCPUs and 1 to 2 GiB of memory, on a host of 64 GiB. */
async function running(more: WireStruct = {}) {
  const daemon = await testDaemon({ machine: smallHost() });
  ends.push(() => daemon.close());
  const record = vmRecord('a', { VCPUs_max: 4, VCPUs_at_startup: 2, memory_dynamic_min: GIB, ...more });
  const vm = (await daemon.call('VM.create', record)) as string;
  await daemon.call('VM.start', vm, false, false);
  return { daemon, vm, call: daemon.call, requestedValue: (key: string) => keyOf(daemon, vm, key) };
}

async function keyOf(daemon: TestDaemon, vm: string, key: string): Promise<string> {
  return daemon.toolstack.doors.xs.read(`/local/domain/${String(await daemon.call('VM.get_domid', vm))}/${key}`);
}

describe('vCPUs of a VM that runs', () => {
  const online = async (requestedValue: (key: string) => Promise<string>) =>
    Promise.all([0, 1, 2, 3].map((vcpu) => requestedValue(`cpu/${vcpu}/availability`)));

  it('are added and taken away, and stay so after a migration and a reboot', async () => {
    const { daemon, vm, call, requestedValue } = await running();
    expect(await online(requestedValue)).toEqual(['online', 'online', 'offline', 'offline']);
    await call('VM.set_VCPUs_number_live', vm, 3);
    expect(await online(requestedValue)).toEqual(['online', 'online', 'online', 'offline']);
    const metrics = await call('VM.get_metrics', vm);
    expect([await call('VM.get_VCPUs_at_startup', vm), await call('VM_metrics.get_VCPUs_number', metrics)]).toEqual([3, 3]);
    await call('VM.pool_migrate', vm, daemon.objects.host, {});
    expect(await online(requestedValue)).toEqual(['online', 'online', 'online', 'offline']);
    await call('VM.set_VCPUs_number_live', vm, 1);
    expect(await online(requestedValue)).toEqual(['online', 'offline', 'offline', 'offline']);
    await call('VM.clean_reboot', vm);
    expect(await online(requestedValue)).toEqual(['online', 'offline', 'offline', 'offline']);
  });

  it.each([0, -1, 5])('cannot be %i of 4', async (count) => {
    const { vm, call } = await running();
    expect(await failure(call('VM.set_VCPUs_number_live', vm, count))).toEqual([
      'INVALID_VALUE',
      'VCPU values must satisfy: 0 < VCPUs ≤ VCPUs_max',
      String(count),
    ]);
  });

  it('at its next start are set in any state, within their bounds', async () => {
    const { vm, call } = await running();
    await call('VM.set_VCPUs_at_startup', vm, 4);
    expect((await failure(call('VM.set_VCPUs_at_startup', vm, 5)))[0]).toBe('INVALID_VALUE');
    expect((await failure(call('VM.set_VCPUs_max', vm, 8)))[0]).toBe('VM_BAD_POWER_STATE');
    await call('VM.hard_shutdown', vm);
    expect((await failure(call('VM.set_VCPUs_number_live', vm, 2)))[0]).toBe('VM_BAD_POWER_STATE');
    expect((await failure(call('VM.set_VCPUs_max', vm, 3)))[0]).toBe('INVALID_VALUE');
    expect(await failure(call('VM.set_VCPUs_max', vm, 8))).toEqual(['success']);
  });
});

describe('the memory of a VM that runs', () => {
  it('has a target within its range, as much as the host has left', async () => {
    const { daemon, vm, call, requestedValue } = await running();
    await call('VM.set_memory_dynamic_range', vm, GIB, GIB + 512 * MIB);
    expect(await call('VM.get_memory_target', vm)).toBe(GIB + 512 * MIB);
    expect(await Promise.all(['dynamic-min', 'dynamic-max', 'target'].map((key) => requestedValue(`memory/${key}`)))).toEqual(
      [GIB, GIB + 512 * MIB, GIB + 512 * MIB].map((bytes) => String(bytes / 1024)),
    );
    await call('VM.set_memory_dynamic_min', vm, GIB + 256 * MIB);
    expect(await call('VM.get_memory_dynamic_min', vm)).toBe(GIB + 256 * MIB);
    await call('VM.pool_migrate', vm, daemon.objects.host, {});
    expect([await requestedValue('memory/target'), await call('VM.get_memory_target', vm)]).toEqual([
      String(1.5 * 2 ** 20),
      GIB + 512 * MIB,
    ]);
  });

  it('stays within the static range, and is not set while it is paused', async () => {
    const { vm, call } = await running();
    expect(await failure(call('VM.set_memory_dynamic_range', vm, GIB, 3 * GIB))).toEqual(['MEMORY_CONSTRAINT_VIOLATION_ORDER']);
    expect((await failure(call('VM.set_memory_static_range', vm, 0, 3 * GIB)))[0]).toBe('VM_BAD_POWER_STATE');
    await call('VM.pause', vm);
    expect(await failure(call('VM.set_memory_dynamic_range', vm, GIB, GIB))).toEqual([
      'VM_BAD_POWER_STATE',
      vm,
      'halted, running',
      'paused',
    ]);
  });

  it('that is promised must be there, in KiB', async () => {
    const most = { memory_static_max: 200 * GIB, memory_dynamic_max: 2 * GIB };
    const { vm, call } = await running({ ...most, memory_dynamic_min: GIB });
    const [code, needed, available] = await failure(call('VM.set_memory_dynamic_range', vm, 190 * GIB, 200 * GIB));
    expect([code, needed]).toEqual(['HOST_NOT_ENOUGH_FREE_MEMORY', String(189 * 2 ** 20)]);
    expect(Number(available)).toBeLessThanOrEqual(64 * 2 ** 20);
    expect(await call('VM.get_memory_dynamic_min', vm)).toBe(GIB);
  });
});

it('xe vm-vcpu-hotplug and vm-memory-target-set', async () => {
  const host = await xeHost();
  ends.push(() => host.close());
  expect(await host.xe('vm-vcpu-hotplug', 'vm=web', 'new-vcpus=1')).toEqual({ code: 0, out: '', err: '' });
  expect(await host.field('web', 'VCPUs_at_startup')).toBe(1);
  expect((await host.xe('vm-vcpu-hotplug', 'vm=web', 'new-vcpus=9')).err).toMatch(/The value given is invalid/);
  expect(await host.xe('vm-memory-target-set', 'vm=web', 'target=1GiB')).toEqual({ code: 0, out: '', err: '' });
  expect([await host.field('web', 'memory_target'), await host.field('web', 'memory_dynamic_max')]).toEqual([GIB, GIB]);
});
