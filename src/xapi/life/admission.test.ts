// The reasons why a VM cannot start on a host, in xapi's codes, and the messages and commands that
// report them.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { type XeHost, xeHost } from '../../../test/support/xe-host.js';
import { GIB } from '../../base/units.js';
import { type Wire, WireFloat, type WireStruct } from '../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** 4 nodes of 4 CPUs. */
async function start(): Promise<TestDaemon & { readonly host: string }> {
  const daemon = await testDaemon({ machine: smallHost() });
  ends.push(() => daemon.close());
  return { ...daemon, host: daemon.objects.host };
}

async function vmWith({ call }: TestDaemon, more: WireStruct): Promise<string> {
  return (await call('VM.create', vmRecord('a', more))) as string;
}

describe('more vCPUs than the host has CPUs', () => {
  const large = { VCPUs_max: 32, VCPUs_at_startup: 1 };

  it('is refused by the host that is named, and leaves VM.start no host', async () => {
    const daemon = await start();
    const { call, host } = daemon;
    const vm = await vmWith(daemon, large);
    expect(await failure(call('VM.assert_can_boot_here', vm, host))).toEqual(['HOST_NOT_ENOUGH_PCPUS', '32', '16']);
    expect(await failure(call('VM.start_on', vm, host, false, false))).toEqual(['HOST_NOT_ENOUGH_PCPUS', '32', '16']);
    // Each host is asked, and the reasons of those that refuse are not told (vm_can_run_on_host).
    expect(await failure(call('VM.start', vm, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    expect(await call('VM.get_possible_hosts', vm)).toEqual([]);
    expect([await call('VM.get_power_state', vm), daemon.toolstack.vms()]).toEqual(['Halted', []]);
  });

  it.each(['true', '1', 'TRUE'])('is taken with platform:vcpu-unrestricted=%s', async (value) => {
    const daemon = await start();
    const vm = await vmWith(daemon, { ...large, platform: { 'vcpu-unrestricted': value } });
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['success']);
  });

  it.each(['false', '0', 'yes', ''])('is not with platform:vcpu-unrestricted=%s', async (value) => {
    const daemon = await start();
    const vm = await vmWith(daemon, { ...large, platform: { 'vcpu-unrestricted': value } });
    expect((await failure(daemon.call('VM.start_on', vm, daemon.host, false, false)))[0]).toBe('HOST_NOT_ENOUGH_PCPUS');
  });

  it('is no more than it has at the bound', async () => {
    const daemon = await start();
    const vm = await vmWith(daemon, { VCPUs_max: 16, VCPUs_at_startup: 16 });
    expect(await daemon.call('VM.get_possible_hosts', vm)).toEqual([daemon.host]);
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['success']);
  });
});

describe('cores-per-socket', () => {
  it.each([
    ['3', ['VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE', '4', '3']],
    ['0', ['VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE', '4', '0']],
    ['8', ['VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE', '4', '8']],
    ['two', ['INVALID_VALUE', 'platform:cores-per-socket', 'two']],
    ['2', ['success']],
    // OCaml's int_of_string reads it.
    ['0x4', ['success']],
  ])('%s of 4 vCPUs', async (cores, answer) => {
    const daemon = await start();
    const vm = await vmWith(daemon, { VCPUs_max: 4, VCPUs_at_startup: 4, platform: { 'cores-per-socket': cores } });
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(answer);
  });

  it('means nothing to a PV VM', async () => {
    const daemon = await start();
    const vm = await vmWith(daemon, { domain_type: 'pv', VCPUs_max: 4, VCPUs_at_startup: 4, platform: { 'cores-per-socket': '3' } });
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['success']);
  });

  it('that became wrong leaves the old domain where it was at a reboot', async () => {
    const daemon = await start();
    const vm = await vmWith(daemon, { VCPUs_max: 4, VCPUs_at_startup: 4 });
    await daemon.call('VM.start', vm, false, false);
    const domid = await daemon.call('VM.get_domid', vm);
    await daemon.call('VM.set_platform', vm, { 'cores-per-socket': '3' });
    expect((await failure(daemon.call('VM.clean_reboot', vm)))[0]).toBe('VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE');
    expect([await daemon.call('VM.get_domid', vm), await daemon.call('VM.get_power_state', vm)]).toEqual([domid, 'Running']);
  });
});

describe('a host that is disabled', () => {
  it('takes no VM until it is enabled; those that run stay, stop and migrate', async () => {
    const daemon = await start();
    const { call, host } = daemon;
    const running = await vmWith(daemon, {});
    await call('VM.start', running, false, false);
    const vm = await vmWith(daemon, {});
    await call('host.disable', host);
    expect(await call('host.get_enabled', host)).toBe(false);
    expect(await failure(call('VM.assert_can_boot_here', vm, host))).toEqual(['HOST_DISABLED', host]);
    expect(await failure(call('VM.start_on', vm, host, false, false))).toEqual(['HOST_DISABLED', host]);
    expect(await failure(call('VM.start', vm, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    expect(await call('VM.get_possible_hosts', vm)).toEqual([]);
    expect(await failure(call('VM.pool_migrate', running, host, {}))).toEqual(['success']);
    expect(await failure(call('VM.clean_reboot', running))).toEqual(['success']);
    await call('VM.suspend', running);
    expect(await failure(call('VM.resume', running, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    expect(await failure(call('VM.resume_on', running, host, false, false))).toEqual(['HOST_DISABLED', host]);
    expect(await call('VM.get_power_state', running)).toBe('Suspended');
    await call('host.enable', host);
    expect(await failure(call('VM.resume', running, false, false))).toEqual(['success']);
    expect(await failure(call('VM.start', vm, false, false))).toEqual(['success']);
    expect(await failure(call('host.disable', 'OpaqueRef:none'))).toEqual(['HANDLE_INVALID', 'host', 'OpaqueRef:none']);
  });
});

it('memory that no host has is told by the host that is named; where any would do, none is available (vm_placement.ml)', async () => {
  const daemon = await start();
  const bytes = 512 * GIB;
  const memory = { memory_dynamic_min: bytes, memory_dynamic_max: bytes, memory_static_max: bytes };
  const vm = await vmWith(daemon, memory);
  for (const call of ['VM.assert_can_boot_here', 'VM.start_on'] as const) {
    const args: Wire[] = call === 'VM.start_on' ? [false, false] : [];
    const [code, needed, free] = await failure(daemon.call(call, vm, daemon.host, ...args));
    expect([code, Number(needed) > bytes, Number(free) <= 64 * GIB]).toEqual(['HOST_NOT_ENOUGH_FREE_MEMORY', true, true]);
  }
  expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
});

describe('settings that no domain is built with', () => {
  it.each<[string, WireStruct, readonly string[]]>([
    ['a shadow multiplier', { HVM_shadow_multiplier: new WireFloat(0) }, ['INVALID_VALUE', 'HVM_shadow_multiplier', '0.']],
    ['an action', { actions_after_crash: 'rename_restart' }, ['VALUE_NOT_SUPPORTED', 'VM.actions_after_crash', 'rename_restart']],
    [
      'a core dump',
      { actions_after_crash: 'coredump_and_restart' },
      ['VALUE_NOT_SUPPORTED', 'VM.actions_after_crash', 'coredump_and_restart'],
    ],
  ])('%s', async (_, more, answer) => {
    const daemon = await start();
    const vm = await vmWith(daemon, more);
    expect((await failure(daemon.call('VM.start_on', vm, daemon.host, false, false))).slice(0, 3)).toEqual(answer);
  });

  it('nested virtualisation with memory that may change, unless forced', async () => {
    const daemon = await start();
    const vm = await vmWith(daemon, { memory_dynamic_min: GIB, platform: { 'nested-virt': 'true' } });
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['MEMORY_CONSTRAINT_VIOLATION_MAXPIN', 'nested virt']);
    expect(await failure(daemon.call('VM.start', vm, false, true))).toEqual(['success']);
    const odd = await vmWith(daemon, { platform: { 'nested-virt': 'maybe' } });
    expect(await failure(daemon.call('VM.start', odd, false, true))).toEqual(['INVALID_VALUE', 'platform:nested-virt', 'maybe']);
  });
});

describe('evacuation of the only host', () => {
  it('names each VM that has nowhere to go, and not Domain-0', async () => {
    const daemon = await start();
    const { call, host } = daemon;
    expect(await call('host.get_vms_which_prevent_evacuation', host)).toEqual({});
    expect(await failure(call('host.evacuate', host))).toEqual(['success']);
    const vm = await vmWith(daemon, {});
    await call('VM.start', vm, false, false);
    expect(await call('host.get_vms_which_prevent_evacuation', host)).toEqual({ [vm]: ['NO_HOSTS_AVAILABLE', vm] });
    expect(await failure(call('host.evacuate', host, 'OpaqueRef:NULL', 0))).toEqual(['NO_HOSTS_AVAILABLE', vm]);
    expect(await failure(call('host.assert_can_evacuate', host))).toEqual(['CANNOT_EVACUATE_HOST', `NO_HOSTS_AVAILABLE,${vm}`]);
  });
});

describe('the order of starts, and restarts', () => {
  it('are kept, within the bounds that xapi has', async () => {
    const daemon = await start();
    const { call } = daemon;
    const vm = await vmWith(daemon, {});
    for (const field of ['order', 'start_delay', 'shutdown_delay']) {
      await call(`VM.set_${field}`, vm, 3);
      expect(await call(`VM.get_${field}`, vm)).toBe(3);
      expect(await failure(call(`VM.set_${field}`, vm, -1))).toEqual(['INVALID_VALUE', `${field} must be non-negative`, '-1']);
    }
    expect(await failure(call('VM.set_ha_restart_priority', vm, '1'))).toEqual(['INVALID_VALUE', 'ha_restart_priority', '1']);
  });

  it('a VM with priority restart is protected while it runs', async () => {
    const daemon = await start();
    const { call } = daemon;
    const vm = await vmWith(daemon, {});
    const isProtected = () => call('VM.get_ha_always_run', vm);
    await call('VM.set_ha_restart_priority', vm, 'restart');
    expect(await isProtected()).toBe(false);
    await call('VM.start', vm, false, false);
    expect(await isProtected()).toBe(true);
    await call('VM.set_ha_restart_priority', vm, 'best-effort');
    expect(await isProtected()).toBe(false);
    await call('VM.set_ha_always_run', vm, true);
    expect([await isProtected(), await call('VM.get_ha_restart_priority', vm)]).toEqual([true, 'restart']);
    await call('VM.clean_shutdown', vm);
    expect(await isProtected()).toBe(false);
  });
});

it('the granularity of scheduling is read, and not changed', async () => {
  const { call, host } = await start();
  expect(await call('host.get_sched_gran', host)).toBe('cpu');
  expect(await failure(call('host.set_sched_gran', host, 'core'))).toEqual(['OPERATION_NOT_ALLOWED', 'Disabled by xapi.conf']);
});

it('a power state is reset only where there is no domain', async () => {
  const daemon = await start();
  const { call } = daemon;
  const vm = await vmWith(daemon, {});
  await call('VM.start', vm, false, false);
  expect(await failure(call('VM.power_state_reset', vm))).toEqual(['DOMAIN_EXISTS', vm]);
  await call('VM.suspend', vm);
  await call('VM.power_state_reset', vm);
  expect(await call('VM.get_power_state', vm)).toBe('Halted');
  const dom0 = (await call('host.get_control_domain', daemon.host)) as string;
  expect(await failure(call('VM.power_state_reset', dom0))).toEqual(['CANNOT_RESET_CONTROL_DOMAIN', dom0]);
});

describe('xe', () => {
  async function xe(): Promise<XeHost> {
    const host = await xeHost();
    ends.push(() => host.close());
    return host;
  }

  it('host-disable, why no host takes a VM, and host-enable', async () => {
    const host = await xe();
    expect(await host.xe('host-disable', 'host=xcp-1')).toEqual({ code: 0, out: '', err: '' });
    const refused = await host.xe('vm-start', 'vm=db');
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/no suitable hosts to start this VM on[\s\S]*\nxcp-1 +: Cannot start here \[Host disabled/);
    expect(refused.err).toMatch(/no servers available to complete/);
    expect(await host.xe('host-enable', 'uuid=<host>')).toEqual({ code: 0, out: '', err: '' });
    expect((await host.xe('vm-start', 'vm=db')).code).toBe(0);
    expect((await host.xe('host-disable', 'host=nobody')).err).toMatch(/No matching hosts found/);
  });

  it('host-get-vms-which-prevent-evacuation, host-evacuate, vm-reset-powerstate', async () => {
    const host = await xe();
    const { out } = await host.xe('host-get-vms-which-prevent-evacuation', 'uuid=<host>');
    expect(out).toMatch(
      new RegExp(`^uuid \\( RO\\) +: ${host.uuids.web}\\n +name-label \\( RW\\): web\\n +reason \\( RO\\): NO_HOSTS_AVAILABLE,`),
    );
    expect((await host.xe('host-evacuate', 'host=xcp-1')).err).toMatch(/no servers available/);
    expect((await host.xe('vm-reset-powerstate', 'vm=web', '--force')).err).toMatch(/a domain still exists/);
  });

  it('vm-param-set of order, delays and priority', async () => {
    const host = await xe();
    const words = ['order=2', 'start-delay=3', 'shutdown-delay=4', 'ha-restart-priority=restart'];
    expect(await host.xe('vm-param-set', 'uuid=<db>', ...words)).toEqual({ code: 0, out: '', err: '' });
    const { out } = await host.xe('vm-list', 'uuid=<db>', 'params=order,start-delay,shutdown-delay,ha-restart-priority');
    expect(out).toMatch(/ha-restart-priority \( RW\) +: restart/);
    expect((await host.xe('vm-param-set', 'uuid=<db>', 'order=-1')).err).toMatch(/must be non-negative/);
  });
});

describe('a host that is rebooted', () => {
  it('must be disabled and have no VMs that run; then it is up again and takes them', async () => {
    const daemon = await start();
    const { call, host } = daemon;
    const vm = await vmWith(daemon, {});
    await call('VM.start', vm, false, false);
    expect(await failure(call('host.reboot', host))).toEqual(['HOST_NOT_DISABLED']);
    await call('host.disable', host);
    expect(await failure(call('host.reboot', host))).toEqual(['HOST_IN_USE', host, 'vm', vm]);
    await call('VM.hard_shutdown', vm);
    await call('host.reboot', host);
    expect(await call('host.get_enabled', host)).toBe(true);
    await call('VM.start', vm, false, false);
  });
});

it('VM.compute_memory_overhead is what a start takes beside the memory of the VM', async () => {
  const daemon = await start();
  // 2 GiB, 2 vCPUs: 1 MiB inside, 1 MiB outside, and (256 x 2 + 2 x 2048) pages of shadow.
  const vm = await vmWith(daemon, {});
  expect(await daemon.call('VM.compute_memory_overhead', vm)).toBe((1 + 1 + 18) * 2 ** 20);
});

describe('memory of a VM that is being built', () => {
  const memory = (gib: number): WireStruct => ({
    memory_dynamic_min: gib * GIB,
    memory_dynamic_max: gib * GIB,
    memory_static_max: gib * GIB,
  });

  it('is promised to it: another VM has no host, and not one whose build fails (allocate_vm_to_host)', async () => {
    const daemon = await start();
    const [one, other] = [await vmWith(daemon, memory(40)), await vmWith(daemon, memory(40))];
    const starts = [one, other].map((vm) => failure(daemon.call('VM.start', vm, false, false)));
    expect(await Promise.all(starts)).toEqual([['success'], ['NO_HOSTS_AVAILABLE']]);
    expect(await daemon.call('VM.get_power_state', other)).toBe('Halted');
  });

  it('is no longer promised once it is taken, or the start failed', async () => {
    const daemon = await start();
    const [one, other, third] = [await vmWith(daemon, memory(40)), await vmWith(daemon, memory(10)), await vmWith(daemon, memory(8))];
    const starts = [one, other].map((vm) => failure(daemon.call('VM.start', vm, false, false)));
    expect(await Promise.all(starts)).toEqual([['success'], ['success']]);
    expect(await failure(daemon.call('VM.start', third, false, false))).toEqual(['success']);
    for (const vm of [one, other, third]) {
      expect(await daemon.call('VM.get_scheduled_to_be_resident_on', vm)).toBe('OpaqueRef:NULL');
    }
  });

  it('is told by the host that is named, with what it can still give', async () => {
    const daemon = await start();
    const [one, other] = [await vmWith(daemon, memory(40)), await vmWith(daemon, memory(40))];
    const starts = [one, other].map((vm) => failure(daemon.call('VM.start_on', vm, daemon.host, false, false)));
    const [first, [code, needed, free]] = (await Promise.all(starts)) as [string[], string[]];
    expect([first, code]).toEqual([['success'], 'HOST_NOT_ENOUGH_FREE_MEMORY']);
    expect([Number(needed) > 40 * GIB, Number(free) <= 24 * GIB]).toEqual([true, true]);
  });
});
