// VMs that start in order, and VMs that are kept apart: the rules of xapi_vm_appliance.ml,
// xapi_vm_appliance_lifecycle.ml and xapi_vm_helpers.ml of xen-api.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { GIB } from '../../../base/units.js';
import { embeddedHost } from '../../../xenopsd/hosts/embedded-host.js';
import type { WireStruct } from '../../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function pool(hosts: number): Promise<TestDaemon> {
  const others = [];
  for (let one = 1; one < hosts; one++) others.push(await embeddedHost(smallHost(2, 4, 8), { profile: 'xapi-25.6' }));
  const daemon = await testDaemon({ machine: smallHost(2, 4, 8), others });
  ends.push(() => daemon.close());
  return daemon;
}

const create = async ({ call }: TestDaemon, name: string, more: WireStruct = {}) =>
  (await call('VM.create', vmRecord(name, more))) as string;
const appliance = ({ call }: TestDaemon) => call('VM_appliance.create', { name_label: 'app', name_description: '' }) as Promise<string>;

describe('an appliance', () => {
  const make = async (orders: readonly number[]) => {
    const daemon = await pool(1);
    const app = await appliance(daemon);
    const vms: string[] = [];
    for (const [index, order] of orders.entries()) {
      const vm = await create(daemon, `vm${index}`);
      await daemon.call('VM.set_order', vm, order);
      await daemon.call('VM.set_appliance', vm, app);
      vms.push(vm);
    }
    /** Power states as they come. */
    const seen: string[] = [];
    daemon.database.subscribe({
      published: (objects) => {
        for (const { ref, record } of objects) {
          const at = vms.indexOf(ref);
          const text = `${at} ${String(record?.power_state)}`;
          if (at >= 0 && seen.filter((one) => one.startsWith(`${at} `)).at(-1) !== text) seen.push(text);
        }
      },
    });
    const allowed = () => daemon.call('VM_appliance.get_allowed_operations', app);
    return { ...daemon, app, vms, seen, allowed };
  };

  it('starts its VMs from the lowest order, and stops them from the highest', async () => {
    const { call, app, seen, allowed, vms } = await make([2, 0, 1]);
    expect([await call('VM_appliance.get_VMs', app), await allowed()]).toEqual([vms, ['start']]);
    await call('VM_appliance.start', app, false);
    expect(seen.filter((one) => one.endsWith('Running'))).toEqual(['1 Running', '2 Running', '0 Running']);
    expect(await allowed()).toEqual(['clean_shutdown', 'hard_shutdown', 'shutdown']);
    expect(await failure(call('VM_appliance.start', app, false))).toEqual([
      'OPERATION_NOT_ALLOWED',
      'There are no halted VMs in this appliance.',
    ]);
    seen.length = 0;
    await call('VM_appliance.clean_shutdown', app);
    expect(seen.filter((one) => one.endsWith('Halted'))).toEqual(['0 Halted', '2 Halted', '1 Halted']);
    expect(await failure(call('VM_appliance.hard_shutdown', app))).toEqual([
      'OPERATION_NOT_ALLOWED',
      'All VMs in this appliance are halted.',
    ]);
    expect(await call('VM_appliance.get_current_operations', app)).toEqual({});
  });

  it('names the VMs that did not start, and starts the others', async () => {
    const { call, app, vms } = await make([0, 1, 1]);
    await call('VM.add_to_blocked_operations', vms[1]!, 'start', 'no');
    expect(await failure(call('VM_appliance.start', app, false))).toEqual(['OPERATION_PARTIALLY_FAILED', 'VM_appliance.start', vms[1]]);
    const states = await Promise.all(vms.map((vm) => call('VM.get_power_state', vm)));
    expect(states).toEqual(['Running', 'Halted', 'Running']);
    await call('VM_appliance.shutdown', app);
    await call('VM_appliance.start', app, true).catch(() => {});
    expect(await call('VM.get_power_state', vms[0]!)).toBe('Paused');
  });

  it('loses VMs that go, and lets its VMs go', async () => {
    const { call, app, vms } = await make([0, 0]);
    await call('VM.destroy', vms[0]!);
    expect(await call('VM_appliance.get_VMs', app)).toEqual([vms[1]]);
    const [template] = (await call('VM.get_all_where', 'field "is_default_template" = "true"')) as string[];
    expect((await failure(call('VM.set_appliance', template!, app)))[0]).toBe('OPERATION_NOT_ALLOWED');
    await call('VM_appliance.destroy', app);
    expect(await call('VM.get_appliance', vms[1]!)).toBe('OpaqueRef:NULL');
    const empty = (await call('VM_appliance.create', { name_label: 'empty', name_description: '' })) as string;
    expect(await failure(call('VM_appliance.start', empty, false))).toEqual(['OPERATION_NOT_ALLOWED', 'Appliance has no VMs.']);
  });
});

describe('delays', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => vi.useRealTimers());

  it('VM.start is answered start_delay later, with the VM running before', async () => {
    const daemon = await pool(1);
    const vm = await create(daemon, 'vm');
    await daemon.call('VM.set_start_delay', vm, 100);
    let answered = false;
    const start = daemon.call('VM.start', vm, false, false).then(() => (answered = true));
    while (vi.getTimerCount() === 0) await new Promise((done) => setImmediate(done));
    expect([await daemon.call('VM.get_power_state', vm), answered]).toEqual(['Running', false]);
    await vi.advanceTimersByTimeAsync(99_000);
    expect(answered).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    await start;
    expect(await daemon.call('VM.get_allowed_operations', vm)).toContain('clean_shutdown');
  });

  it('the end of the daemon waits for none', async () => {
    const daemon = await pool(1);
    const vm = await create(daemon, 'vm');
    await daemon.call('VM.set_start_delay', vm, 100_000);
    const start = daemon.call('VM.start', vm, false, false);
    while (vi.getTimerCount() === 0) await new Promise((done) => setImmediate(done));
    await daemon.close();
    ends.length = 0;
    expect(await failure(start)).toEqual(['success']);
  });
});

describe('a group', () => {
  it('with anti-affinity spreads its VMs over the hosts', async () => {
    const daemon = await pool(3);
    const { call } = daemon;
    const group = (await call('VM_group.create', { name_label: 'apart', name_description: '', placement: 'anti_affinity' })) as string;
    const vms: string[] = [];
    for (let index = 0; index < 6; index++) {
      vms.push(await create(daemon, `vm${index}`, { memory_static_max: GIB, memory_dynamic_max: GIB, memory_dynamic_min: GIB }));
      await call('VM.set_groups', vms[index]!, [group]);
      await call('VM.start', vms[index]!, false, false);
      const homes = await Promise.all(vms.map((vm) => call('VM.get_resident_on', vm)));
      const counts = daemon.hosts.all.map(({ ref }) => homes.filter((home) => home === ref).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    expect(await call('VM_group.get_VMs', group)).toEqual(vms);
    // Its own host comes before that.
    const bound = await create(daemon, 'bound', { affinity: daemon.objects.host });
    await call('VM.set_groups', bound, [group]);
    await call('VM.start', bound, false, false);
    expect(await call('VM.get_resident_on', bound)).toBe(daemon.objects.host);
    const other = (await call('VM_group.create', { name_label: 'other', name_description: '', placement: 'normal' })) as string;
    expect(await failure(call('VM.set_groups', bound, [group, other]))).toEqual(['TOO_MANY_GROUPS']);
    await call('VM_group.destroy', group);
    expect(await call('VM.get_groups', vms[0]!)).toEqual([]);
  });

  it('with anti-affinity is kept apart when a host is emptied', async () => {
    const daemon = await pool(3);
    const { call } = daemon;
    const [a, b, c] = daemon.hosts.all.map(({ ref }) => ref);
    const ofSize = (gib: number) => ({ memory_static_max: gib * GIB, memory_dynamic_max: gib * GIB, memory_dynamic_min: gib * GIB });
    const group = (await call('VM_group.create', { name_label: 'apart', name_description: '', placement: 'anti_affinity' })) as string;
    const [one, two, load] = [
      await create(daemon, 'one', ofSize(1)),
      await create(daemon, 'two', ofSize(1)),
      await create(daemon, 'load', ofSize(8)),
    ];
    for (const vm of [one, two]) await call('VM.set_groups', vm, [group]);
    await call('VM.start_on', one, a!, false, false);
    await call('VM.start_on', two, b!, false, false);
    await call('VM.start_on', load, c!, false, false);
    await call('host.evacuate', a!);
    // b has more memory.
    expect(await call('VM.get_resident_on', one)).toBe(c);
  });
});
