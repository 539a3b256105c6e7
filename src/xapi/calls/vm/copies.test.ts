// Copies of VMs without disks: what they share with the original, how they refer to each other, and
// how a VM is reverted.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { xeHost } from '../../../../test/support/xe-host.js';
import type { GuestStreams } from '../../../xenguest/xenguest.js';
import { embeddedHost } from '../../../xenopsd/hosts/embedded-host.js';
import type { WireStruct } from '../../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(canSuspend = true) {
  const doors = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  const daemon = await testDaemon({ doors: { ...doors, can: { ...doors.can, suspend: canSuspend } } });
  ends.push(() => daemon.close());
  const { call } = daemon;
  const vm = (await call('VM.create', vmRecord('a', { VCPUs_params: { mask: '1,2' }, tags: ['x'], other_config: { a: 'b' } }))) as string;
  const record = async (ref: string) => (await call('VM.get_record', ref)) as WireStruct;
  return { daemon, call, vm, record };
}

/** A host whose guests have a memory, which goes along. */
async function startMoving() {
  const doors = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  const unused = () => Promise.reject(new Error('nothing is saved'));
  const bounds = { mode: 'pvh_build', image: '', memMaxMib: 256, memStartMib: 256 } as const;
  const streams: GuestStreams = {
    save: unused,
    restore: unused,
    resume: unused,
    move: (save, _suspend, { mode: _, ...restore }, run) => {
      moves.push([save.domid, restore.domid]);
      return doors.xenguest.run({ ...bounds, ...restore }, run);
    },
  };
  const moves: [number, number][] = [];
  const daemon = await testDaemon({
    doors: { ...doors, can: { ...doors.can, suspend: false }, xenguest: { run: (args, run) => doors.xenguest.run(args, run), streams } },
  });
  ends.push(() => daemon.close());
  return { daemon, call: daemon.call, moves };
}

describe('VM.pool_migrate where guests have a memory', () => {
  it('takes it to a new domain on the same host; a guest with a device model is refused', async () => {
    const { daemon, call, moves } = await startMoving();
    const { host } = daemon.objects;
    const vm = (await call('VM.create', vmRecord('a', { domain_type: 'pvh' }))) as string;
    await call('VM.start', vm, false, false);
    const before = Number(await call('VM.get_domid', vm));
    await call('VM.pool_migrate', vm, host, {});
    const after = Number(await call('VM.get_domid', vm));
    expect(moves).toEqual([[before, after]]);
    expect(await call('VM.get_power_state', vm)).toBe('Running');

    const hvm = (await call('VM.create', vmRecord('b', { domain_type: 'hvm' }))) as string;
    await call('VM.start', hvm, false, false);
    expect(await failure(call('VM.pool_migrate', hvm, host, {}))).toEqual(['VM_LACKS_FEATURE', hvm]);
    expect(await failure(call('VM.suspend', vm))).toEqual(['VM_LACKS_FEATURE', vm]);
    expect(moves).toHaveLength(1);
  });
});

describe('a snapshot', () => {
  it('is a template that remembers its VM, its time and its state, while the VM runs on', async () => {
    const { call, vm, record } = await start();
    await call('VM.start', vm, false, false);
    const domid = await call('VM.get_domid', vm);
    const snapshot = (await call('VM.snapshot', vm, 'before', [])) as string;
    expect(await record(snapshot)).toMatchObject({
      name_label: 'before',
      is_a_snapshot: true,
      is_a_template: true,
      snapshot_of: vm,
      snapshot_info: { 'power-state-at-snapshot': 'Running', 'disk-snapshot-type': 'crash_consistent' },
      power_state: 'Halted',
      domid: -1,
      VCPUs_params: { mask: '1,2' },
      children: [vm],
    });
    expect(await record(vm)).toMatchObject({ snapshots: [snapshot], parent: snapshot, domid, power_state: 'Running' });
    const second = (await call('VM.snapshot', vm, 'later')) as string;
    expect(await record(second)).toMatchObject({ parent: snapshot, children: [vm] });
    expect(await record(vm)).toMatchObject({ snapshots: [snapshot, second], parent: second });
    await call('VM.destroy', second);
    expect(await record(vm)).toMatchObject({ snapshots: [snapshot], parent: snapshot });
    expect((await record(snapshot)).children).toEqual([vm]);
  });

  it('allows what xapi allows of it', async () => {
    const { call, vm } = await start();
    const snapshot = (await call('VM.snapshot', vm, 's')) as string;
    expect(await call('VM.get_allowed_operations', snapshot)).toEqual(['destroy', 'revert', 'copy', 'clone']);
    expect(await failure(call('VM.start', snapshot, false, false))).toEqual(['VM_IS_SNAPSHOT', snapshot, 'start']);
    expect(await failure(call('VM.snapshot', snapshot, 't'))).toEqual(['VM_IS_SNAPSHOT', snapshot, 'snapshot']);
    expect(await failure(call('VM.revert', vm))).toEqual(['REVERT_ONLY_ALLOWED_ON_SNAPSHOT']);
    await call('VM.set_is_a_template', vm, true);
    expect(await failure(call('VM.snapshot', vm, 't'))).toEqual(['VM_IS_TEMPLATE', vm, 'snapshot']);
  });

  it('takes its VM back: its settings, and not its name', async () => {
    const { call, vm, record } = await start();
    const snapshot = (await call('VM.snapshot', vm, 's')) as string;
    await call('VM.set_name_label', vm, 'renamed');
    await call('VM.set_VCPUs_params', vm, { mask: '5' });
    await call('VM.set_VCPUs_max', vm, 8);
    await call('VM.start', vm, false, false);
    await call('VM.revert', snapshot);
    expect(await record(vm)).toMatchObject({
      name_label: 'renamed',
      VCPUs_params: { mask: '1,2' },
      VCPUs_max: 2,
      power_state: 'Halted',
      domid: -1,
      is_a_template: false,
      is_a_snapshot: false,
      parent: snapshot,
    });
    await call('VM.start', vm, false, false);
  });

  it('of a VM that was destroyed makes it anew', async () => {
    const { daemon, call, vm, record } = await start();
    const snapshot = (await call('VM.snapshot', vm, 's')) as string;
    await call('VM.destroy', vm);
    await call('VM.revert', snapshot);
    const copied = (await call('VM.get_by_name_label', 's')) as string[];
    const [fresh] = copied.filter((ref) => ref !== snapshot);
    expect(await record(fresh!)).toMatchObject({ is_a_snapshot: false, is_a_template: false, parent: snapshot, power_state: 'Halted' });
    await call('VM.start', fresh!, false, false);
    expect(daemon.toolstack.vms()).toHaveLength(1);
  });
});

describe('a checkpoint', () => {
  it('is suspended, and so is the VM that goes back to it', async () => {
    const { call, vm } = await start();
    expect((await failure(call('VM.checkpoint', vm, 'c')))[0]).toBe('VM_BAD_POWER_STATE');
    await call('VM.start', vm, false, false);
    const checkpoint = (await call('VM.checkpoint', vm, 'c')) as string;
    expect([await call('VM.get_power_state', checkpoint), await call('VM.get_power_state', vm)]).toEqual(['Suspended', 'Running']);
    await call('VM.revert', checkpoint);
    expect(await call('VM.get_power_state', vm)).toBe('Suspended');
    await call('VM.resume', vm, false, false);
    expect(await call('VM.get_power_state', vm)).toBe('Running');
  });

  it('of a guest whose memory cannot be saved is refused, as are its suspend and its migration', async () => {
    const { call, vm } = await start(false);
    await call('VM.start', vm, false, false);
    const host = await call('VM.get_resident_on', vm);
    const domid = await call('VM.get_domid', vm);
    expect(await failure(call('VM.checkpoint', vm, 'c'))).toEqual(['VM_LACKS_FEATURE', vm]);
    expect(await failure(call('VM.suspend', vm))).toEqual(['VM_LACKS_FEATURE', vm]);
    expect(await failure(call('VM.pool_migrate', vm, host, {}))).toEqual(['VM_LACKS_FEATURE', vm]);
    expect([await call('VM.get_power_state', vm), await call('VM.get_domid', vm)]).toEqual(['Running', domid]);
  });
});

describe.each(['clone', 'copy'] as const)('a %s', (name) => {
  const sr = name === 'copy' ? ['OpaqueRef:NULL'] : [];

  it('is a VM of its own, with a seed of its own for network cards', async () => {
    const { call, vm, record } = await start();
    await call('VM.set_order', vm, 7);
    await call('VM.add_to_blocked_operations', vm, 'destroy', 'NO');
    const copy = (await call(`VM.${name}`, vm, 'b', ...sr)) as string;
    const copied = await record(copy);
    expect(copied).toMatchObject({
      name_label: 'b',
      VCPUs_params: { mask: '1,2' },
      order: 0,
      blocked_operations: {},
      parent: 'OpaqueRef:NULL',
    });
    expect(copied.other_config).toMatchObject({ a: 'b', mac_seed: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown });
    expect((await record(vm)).other_config).not.toEqual(copied.other_config);
    await call('VM.start', copy, false, false);
    expect((await failure(call(`VM.${name}`, copy, 'c', ...sr)))[0]).toBe('VM_BAD_POWER_STATE');
  });

  it('of a template remembers its name', async () => {
    const { call, vm, record } = await start();
    await call('VM.set_is_a_template', vm, true);
    const copy = (await call(`VM.${name}`, vm, 'b', ...sr)) as string;
    expect((await record(copy)).other_config).toMatchObject({ base_template_name: 'a' });
  });
});

it('a copy to storage that is not there names it', async () => {
  const { call, vm } = await start();
  const sr = 'OpaqueRef:0d3f2b1a-0000-4000-8000-000000000001';
  expect(await failure(call('VM.copy', vm, 'b', sr))).toEqual(['HANDLE_INVALID', 'SR', sr]);
});

it('xe: vm-snapshot, snapshot-list, snapshot-revert, snapshot-destroy, vm-copy, template-list', async () => {
  const host = await xeHost();
  ends.push(() => host.close());
  const uuid = (await host.xe('vm-snapshot', 'vm=web', 'new-name-label=before')).out.trim();
  expect((await host.xe('snapshot-list', '--minimal')).out.trim()).toBe(uuid);
  expect((await host.xe('template-list', 'params=name-label', '--minimal')).out.trim().split(',')).toContain('template');
  expect((await host.xe('snapshot-param-get', `uuid=${uuid}`, 'param-name=snapshot-of')).out.trim()).toBe(host.uuids.web);
  expect((await host.xe('vm-checkpoint', 'vm=web', 'new-name-label=memory')).code).toBe(0);
  expect(await host.xe('snapshot-revert', `snapshot-uuid=${uuid}`)).toEqual({ code: 0, out: '', err: '' });
  expect(await host.field('web', 'power_state')).toBe('Halted');
  expect((await host.xe('snapshot-revert', 'uuid=<web>')).code).toBe(1);
  expect(await host.xe('snapshot-destroy', `uuid=${uuid}`)).toEqual({ code: 0, out: '', err: '' });
  expect((await host.xe('vm-copy', 'vm=db', 'new-name-label=db2')).out).toMatch(/^[0-9a-f-]{36}\n$/);
});
