// What a VM has now, and what only a forced migration moves: the answers of xapi_vm.ml, agility.ml
// and xapi_vm_lifecycle.ml.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { GIB, MIB } from '../../../base/units.js';
import { embeddedHost } from '../../../xenopsd/hosts/embedded-host.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import { WireFloat } from '../../wire/values.js';

const NULL = 'OpaqueRef:NULL';
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function two(): Promise<
  TestDaemon & { readonly hosts2: readonly string[]; refused(method: string, ...params: Wire[]): Promise<readonly string[]> }
> {
  const daemon = await testDaemon({ others: [await embeddedHost({ ...smallHost(), name: 'b' }, { profile: 'xapi-25.6' })] });
  ends.push(() => daemon.close());
  const refused = (method: string, ...params: Wire[]) => failure(daemon.call(method, ...params));
  return { ...daemon, hosts2: daemon.hosts.all.map(({ ref }) => ref), refused };
}

describe('memory of a running VM', () => {
  it('wait_memory_target_live ends when the memory is near the target, or with the call', async () => {
    const { call, refused, database, dispatcher, session } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    expect(await refused('VM.wait_memory_target_live', vm)).toEqual(['VM_BAD_POWER_STATE', vm, 'running', 'halted']);
    expect(await refused('VM.set_memory_target_live', vm, GIB)).toEqual(['VM_BAD_POWER_STATE', vm, 'running', 'halted']);
    await call('VM.start', vm, false, false);
    await call('VM.set_memory_target_live', vm, GIB);
    expect(await call('VM.get_memory_target', vm), 'it has no effect in xapi either').toBe(2 * GIB);
    // The domain of an HVM guest has a little less than its target.
    const metrics = (await call('VM.get_metrics', vm)) as string;
    database.update('VM_metrics', metrics, { memory_actual: 2 * GIB - MIB }, 'derived');
    await call('VM.wait_memory_target_live', vm);
    database.update('VM_metrics', metrics, { memory_actual: 2 * GIB - MIB - 1 }, 'derived');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    ends.push(() => vi.useRealTimers());
    const gone = new AbortController();
    const waits = failure(dispatcher.call({ method: 'VM.wait_memory_target_live', params: [session, vm] }, '', gone.signal));
    await vi.advanceTimersByTimeAsync(5000);
    // Other operations on the VM do not wait for it.
    expect(await refused('VM.pause', vm)).toEqual(['success']);
    expect(await refused('VM.unpause', vm)).toEqual(['success']);
    gone.abort();
    expect((await waits)[0]).toBe('TASK_CANCELLED');
    const late = refused('VM.wait_memory_target_live', vm);
    await vi.advanceTimersByTimeAsync(300_000);
    expect((await late)[0]).toBe('VM_MEMORY_TARGET_WAIT_TIMEOUT');
  });

  it('the largest memory fits, and one MiB more does not', async () => {
    const { call, refused, hosts2 } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    const free = (await call('host.compute_free_memory', hosts2[0]!)) as number;
    const most = (await call('VM.maximise_memory', vm, free, false)) as number;
    expect(most % MIB).toBe(0);
    expect(await call('VM.maximise_memory', vm, free, true), 'with room for 64 vCPUs').toBeLessThan(most);
    expect(await call('VM.maximise_memory', vm, 0, false)).toBe(0);
    await call('VM.set_memory', vm, most + MIB);
    expect((await refused('VM.assert_can_boot_here', vm, hosts2[0]!))[0]).toBe('HOST_NOT_ENOUGH_FREE_MEMORY');
    await call('VM.set_memory', vm, most);
    expect(await refused('VM.assert_can_boot_here', vm, hosts2[0]!)).toEqual(['success']);
  });

  it('the shadow multiplier is for halted VMs, and at least 1', async () => {
    const { call, refused } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    expect(await refused('VM.set_HVM_shadow_multiplier', vm, new WireFloat(0.5))).toEqual(['INVALID_VALUE', 'multiplier', '0.5']);
    await call('VM.set_HVM_shadow_multiplier', vm, new WireFloat(2));
    expect(await call('VM.get_HVM_shadow_multiplier', vm)).toEqual(new WireFloat(2));
    await call('VM.start', vm, false, false);
    expect(await refused('VM.set_HVM_shadow_multiplier', vm, new WireFloat(3))).toEqual(['VM_BAD_POWER_STATE', vm, 'halted', 'running']);
  });
});

describe('a VM that cannot move', () => {
  it.each([['nomigrate'], ['nested-virt']])('with platform:%s stays, unless it is forced', async (key) => {
    const { call, refused, hosts2 } = await two();
    const [a, b] = hosts2 as [string, string];
    const vm = (await call('VM.create', vmRecord('a', { platform: { [key]: 'true' } }))) as string;
    await call('VM.start_on', vm, a, false, true);
    // What counts is the platform that it started with.
    await call('VM.remove_from_platform', vm, key);
    expect(await refused('VM.pool_migrate', vm, b, { live: 'true' })).toEqual(['VM_IS_IMMOBILE', vm]);
    expect(await refused('VM.suspend', vm)).toEqual(['VM_IS_IMMOBILE', vm]);
    const range = key === 'nested-virt' ? ['VM_IS_USING_NESTED_VIRT', vm] : ['success'];
    expect(await refused('VM.set_memory_dynamic_range', vm, GIB, 2 * GIB)).toEqual(range);
    const allowed = (await call('VM.get_allowed_operations', vm)) as string[];
    expect(allowed.filter((one) => ['suspend', 'checkpoint', 'pool_migrate'].includes(one))).toEqual([]);
    expect(allowed.includes('changing_dynamic_range')).toBe(key !== 'nested-virt');
    expect(await call('host.get_vms_which_prevent_evacuation', a)).toEqual({ [vm]: ['VM_IS_IMMOBILE', vm] });
    await call('VM.pool_migrate', vm, b, { force: 'true' });
    expect(await call('VM.get_resident_on', vm)).toBe(b);
    // It is another start, with the platform of now.
    await call('VM.pool_migrate', vm, a, {});
    expect(await call('VM.get_resident_on', vm)).toBe(a);
  });

  it('the network of a migration needs an address on the other host', async () => {
    const { call, refused, hosts2 } = await two();
    const [a, b] = hosts2 as [string, string];
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    await call('VM.start_on', vm, a, false, false);
    const [eth0, eth1] = (await call('host.get_PIFs', b)) as [string, string];
    const own = (await call('network.create', { name_label: 'n' })) as string;
    const by = async (network: Wire) => refused('VM.pool_migrate', vm, b, { network });
    expect(await by(own)).toEqual(['PIF_NOT_PRESENT', b, own]);
    const second = await call('PIF.get_network', eth1);
    expect(await by(second)).toEqual(['INTERFACE_HAS_NO_IP', eth1]);
    await call('PIF.unplug', eth1);
    expect(await by(second)).toEqual(['REQUIRED_PIF_IS_UNPLUGGED', eth1]);
    expect(await by(await call('PIF.get_network', eth0))).toEqual(['success']);
    await call('VM.restart_device_models', vm);
    expect(await call('VM.get_resident_on', vm)).toBe(b);
  });

  it('is not agile with a disk in local storage, or on a network that a host lacks', async () => {
    const { call, refused, hosts2, objects } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    expect(await refused('VM.assert_agile', vm)).toEqual(['success']);
    const network = (await call('network.create', { name_label: 'n' })) as string;
    const vif = (await call('VIF.create', { VM: vm, network, device: '0', MAC: '', MTU: 1500 })) as string;
    expect(await refused('VM.assert_agile', vm)).toEqual(['HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED', network]);
    await call('VIF.move', vif, await call('PIF.get_network', ((await call('host.get_PIFs', hosts2[0]!)) as string[])[0]!));
    expect(await refused('VM.assert_agile', vm)).toEqual(['success']);
    const sr = (await call('pool.get_default_SR', objects.pool)) as string;
    const vdi = (await call('VDI.create', { name_label: 'd', SR: sr, virtual_size: GIB, type: 'user' })) as string;
    await call('VBD.create', { VM: vm, VDI: vdi, userdevice: '0', mode: 'RW', type: 'Disk', empty: false });
    expect(await refused('VM.assert_agile', vm)).toEqual(['HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED', sr]);
  });
});

describe('firmware and guests', () => {
  it("BIOS strings are set once, by key or from a host, to which the VM's affinity goes then", async () => {
    const { call, refused, hosts2 } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    expect(await refused('VM.set_bios_strings', vm, { serial: 'x' })).toEqual(['INVALID_VALUE', 'serial', 'Unknown key']);
    expect((await refused('VM.set_bios_strings', vm, { 'bios-vendor': '' }))[0]).toBe('INVALID_VALUE');
    expect((await refused('VM.set_bios_strings', vm, { 'bios-vendor': 'x'.repeat(513) }))[0]).toBe('INVALID_VALUE');
    await call('VM.set_bios_strings', vm, { 'bios-vendor': 'x'.repeat(512) });
    expect(await call('VM.get_bios_strings', vm)).toMatchObject({ 'bios-vendor': 'x'.repeat(512), 'system-product-name': 'HVM domU' });
    expect(await refused('VM.copy_bios_strings', vm, hosts2[1]!)).toEqual(['VM_BIOS_STRINGS_ALREADY_SET']);
    const other = (await call('VM.create', vmRecord('b'))) as string;
    await call('VM.copy_bios_strings', other, hosts2[1]!);
    expect(await call('VM.get_bios_strings', other)).toEqual(await call('host.get_bios_strings', hosts2[1]!));
    expect(await call('VM.get_affinity', other)).toBe(hosts2[1]);
  });

  it('what needs an agent, a schedule or quiescing is refused with the code of xapi', async () => {
    const { call, refused } = await two();
    const vm = (await call('VM.create', vmRecord('a'))) as string;
    expect((await refused('VM.call_plugin', vm, 'p', 'f', {}))[0]).toBe('VM_BAD_POWER_STATE');
    await call('VM.start', vm, false, false);
    expect(await refused('VM.call_plugin', vm, 'p', 'f', {})).toEqual(['XENAPI_MISSING_PLUGIN', 'p']);
    expect((await refused('VM.call_plugin', vm, 'guest-agent-operation', 'run-script', {}))[0]).toBe('XENAPI_PLUGIN_FAILURE');
    expect(await refused('VM.snapshot_with_quiesce', vm, 's')).toEqual(['MESSAGE_REMOVED']);
    expect(await refused('VM.send_sysrq', vm, 'b')).toEqual(['NOT_IMPLEMENTED', 'send_sysrq']);
    expect(await refused('VM.set_snapshot_schedule', vm, NULL)).toEqual(['success']);
    expect(((await call('VM.get_boot_record', vm)) as WireStruct).name_label).toBe('a');
    expect(await refused('VM.set_has_vendor_device', vm, true)).toEqual(['VM_BAD_POWER_STATE', vm, 'halted', 'running']);
  });
});
