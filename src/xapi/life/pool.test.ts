// A pool of several embedded hosts in one daemon: where VMs start, how they move, and what hosts
// refuse. The rules are those of xen-api's files named in placing.ts and evacuation.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failure, guestRefs, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { GIB } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import type { Wire, WireStruct } from '../wire/values.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Pool extends TestDaemon {
  /** Refs, in the order in which the hosts were given. */
  readonly refs: readonly string[];
}

const named = (host: Host, name: string): Host => ({ ...host, name });
/** 2 nodes of 4 CPUs and so many GiB each. */
const sized = (name: string, gibPerNode: number) => named(smallHost(2, 4, gibPerNode), name);

async function poolOf(machines: readonly Host[], state: string | null = null): Promise<Pool> {
  const [machine, ...rest] = machines;
  const others = [];
  for (const one of rest) others.push(await embeddedHost(one, { profile: 'xapi-25.6' }));
  const daemon = await testDaemon({ machine: machine!, others, state });
  let open = true;
  const close = async () => {
    if (open) await daemon.close();
    open = false;
  };
  ends.push(close);
  return { ...daemon, close, refs: daemon.hosts.all.map(({ ref }) => ref) };
}

const three = (state: string | null = null) => poolOf([sized('a', 8), sized('b', 8), sized('c', 8)], state);

const create = async ({ call }: TestDaemon, name: string, more: WireStruct = {}) =>
  (await call('VM.create', vmRecord(name, more))) as string;
const ofSize = (gib: number) => ({ memory_static_max: gib * GIB, memory_dynamic_max: gib * GIB, memory_dynamic_min: gib * GIB });
const where = async ({ call }: TestDaemon, vm: string) => (await call('VM.get_resident_on', vm)) as string;
const freeOf = ({ hosts }: TestDaemon, ref: string) => hosts.get(ref).toolstack.doors.xc.physInfo().freePages * 4096;
const guestsOn = ({ hosts }: TestDaemon, ref: string) =>
  hosts
    .get(ref)
    .toolstack.doors.xc.domainList()
    .filter(({ domid }) => domid !== 0).length;

describe('a pool of several hosts', () => {
  it('has each host with its own CPUs, memory and Domain-0, and one coordinator', async () => {
    const pool = await poolOf([sized('a', 8), sized('a', 16), sized('C D', 4)]);
    const hosts = (await pool.call('host.get_all_records')) as Record<string, WireStruct>;
    expect(pool.refs.map((ref) => [hosts[ref]!.name_label, hosts[ref]!.hostname])).toEqual([
      ['a', 'a'],
      ['a-2', 'a-2'],
      ['C D', 'c-d'],
    ]);
    const [record] = Object.values((await pool.call('pool.get_all_records')) as Record<string, WireStruct>);
    expect([record!.master, (record!.cpu_info as WireStruct).cpu_count]).toEqual([pool.refs[0], '24']);
    for (const [index, ref] of pool.refs.entries()) {
      const control = (await pool.call('VM.get_record', hosts[ref]!.control_domain!)) as WireStruct;
      expect([control.resident_on, control.is_control_domain]).toEqual([ref, true]);
      const total = await pool.call('host_metrics.get_memory_total', hosts[ref]!.metrics!);
      expect((total as number) / GIB).toBeGreaterThan([15, 31, 7][index]!);
      const cpus = (await pool.call('host_cpu.get_all_records')) as Record<string, WireStruct>;
      expect(Object.values(cpus).filter(({ host }) => host === ref)).toHaveLength(8);
    }
    expect(pool.refs.map((ref) => (hosts[ref]!.PIFs as readonly Wire[]).length)).toEqual([3, 3, 3]);
  });

  it('starts VMs where there is room for them, on the host of their affinity first', async () => {
    const pool = await poolOf([sized('a', 4), sized('b', 16)]);
    const [, b] = pool.refs;
    const [a] = pool.refs;
    const large = await create(pool, 'large', ofSize(20));
    expect(await pool.call('VM.get_possible_hosts', large)).toEqual([b]);
    await pool.call('VM.start', large, false, false);
    expect(await where(pool, large)).toBe(b);
    // b has less room now, but it is where the VM belongs.
    const bound = await create(pool, 'bound', { ...ofSize(2), affinity: b! });
    await pool.call('VM.start', bound, false, false);
    expect(await where(pool, bound)).toBe(b);
    await pool.call('VM.start_on', await create(pool, 'named'), a!, false, false);
    expect([guestsOn(pool, a!), guestsOn(pool, b!)]).toEqual([1, 2]);
    // Its least is more than any host has left: it is in no category (vm_placement.ml).
    const rest = await create(pool, 'rest', ofSize(20));
    expect(await failure(pool.call('VM.start', rest, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    expect(await pool.call('VM.get_possible_hosts', rest)).toEqual([]);
    expect((await failure(pool.call('VM.start_on', rest, a!, false, false)))[0]).toBe('HOST_NOT_ENOUGH_FREE_MEMORY');
    expect(await pool.call('host.get_resident_VMs', b!)).toHaveLength(3);
  });

  it('starts VMs at the same time without giving the same memory twice', async () => {
    const pool = await three();
    const vms: string[] = [];
    for (let index = 0; index < 6; index++) vms.push(await create(pool, `vm${index}`, ofSize(6)));
    expect(await Promise.all(vms.map((vm) => failure(pool.call('VM.start', vm, false, false))))).toEqual(vms.map(() => ['success']));
    // A host has room for two of them.
    expect(pool.refs.map((ref) => guestsOn(pool, ref))).toEqual([2, 2, 2]);
    const homes = await Promise.all(vms.map((vm) => where(pool, vm)));
    expect(pool.refs.map((ref) => homes.filter((home) => home === ref).length)).toEqual([2, 2, 2]);
    expect(await pool.call('VM.get_scheduled_to_be_resident_on', vms[0]!)).toBe('OpaqueRef:NULL');
  });

  it('keeps a VM with a disk in local storage on the host that has it', async () => {
    const pool = await three();
    const [a, b] = pool.refs;
    const vm = await create(pool, 'disk');
    const [master] = (await pool.call('pool.get_all')) as string[];
    const sr = (await pool.call('pool.get_default_SR', master!)) as string;
    const vdi = await pool.call('VDI.create', {
      SR: sr,
      virtual_size: GIB,
      type: 'user',
      sharable: false,
      read_only: false,
      other_config: {},
    });
    const vbd = { VM: vm, VDI: vdi, userdevice: '0', bootable: true, mode: 'RW', type: 'Disk', empty: false };
    await pool.call('VBD.create', { ...vbd, other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {} });
    expect(await pool.call('VM.get_possible_hosts', vm)).toEqual([a]);
    expect(await failure(pool.call('VM.start_on', vm, b!, false, false))).toEqual(['VM_REQUIRES_SR', vm, sr]);
    await pool.call('VM.start', vm, false, false);
    expect(await where(pool, vm)).toBe(a);
    expect(await failure(pool.call('VM.pool_migrate', vm, b!, {}))).toEqual(['VM_REQUIRES_SR', vm, sr]);
    expect(await failure(pool.call('host.evacuate', a!))).toEqual(['VM_REQUIRES_SR', vm, sr]);
    expect(await pool.call('host.get_vms_which_prevent_evacuation', a!)).toEqual({ [vm]: ['VM_REQUIRES_SR', vm, sr] });
  });
});

describe('VM.pool_migrate', () => {
  it('takes the memory on the other host, then gives it back here', async () => {
    const pool = await three();
    const [a, b] = pool.refs;
    const vm = await create(pool, 'vm');
    const free = [freeOf(pool, a!), freeOf(pool, b!)];
    await pool.call('VM.start_on', vm, a!, false, false);
    const taken = free[0]! - freeOf(pool, a!);
    expect(taken).toBeGreaterThanOrEqual(2 * GIB);
    await pool.call('VM.pool_migrate', vm, b!, { live: 'true' });
    expect([freeOf(pool, a!), free[1]! - freeOf(pool, b!)]).toEqual([free[0], taken]);
    const record = (await pool.call('VM.get_record', vm)) as WireStruct;
    expect([record.resident_on, record.power_state]).toEqual([b, 'Running']);
    const domain = pool.hosts.get(b!).toolstack.doors.xc.domainInfo(record.domid as number)!;
    const metrics = (await pool.call('VM_metrics.get_record', record.metrics!)) as WireStruct;
    expect(metrics.memory_actual).toBe(domain.totPages * 4096);
    expect(
      [await pool.call('host.get_resident_VMs', a!), await pool.call('host.get_resident_VMs', b!)].map((one) =>
        (one as Wire[]).includes(vm),
      ),
    ).toEqual([false, true]);
    const free2 = await pool.call('host.compute_free_memory', a!);
    expect(free2).toBe(free[0]);
  });

  it('leaves a VM where it is when the other host lacks the memory, is disabled or is down', async () => {
    const pool = await poolOf([sized('a', 8), sized('b', 2)]);
    const [a, b] = pool.refs;
    const vm = await create(pool, 'vm', ofSize(6));
    await pool.call('VM.start_on', vm, a!, false, false);
    const domid = await pool.call('VM.get_domid', vm);
    expect((await failure(pool.call('VM.pool_migrate', vm, b!, {})))[0]).toBe('HOST_NOT_ENOUGH_FREE_MEMORY');
    await pool.call('host.disable', b!);
    expect(await failure(pool.call('VM.pool_migrate', vm, b!, {}))).toEqual(['HOST_DISABLED', b!]);
    await pool.call('host.shutdown', b!);
    expect(await failure(pool.call('VM.pool_migrate', vm, b!, {}))).toEqual(['HOST_NOT_LIVE']);
    expect([await where(pool, vm), await pool.call('VM.get_domid', vm)]).toEqual([a, domid]);
    expect(guestsOn(pool, b!)).toBe(0);
    // To where it is, on a disabled host too.
    await pool.call('host.disable', a!);
    await pool.call('VM.pool_migrate', vm, a!, {});
    expect(await pool.call('VM.get_domid', vm)).not.toBe(domid);
  });

  it('keeps what its guest was given, and a paused VM does not move', async () => {
    const pool = await three();
    const [a, b] = pool.refs;
    const vm = await create(pool, 'vm', { ...ofSize(4), memory_dynamic_min: GIB });
    await pool.call('VM.start_on', vm, a!, false, false);
    await pool.call('VM.set_memory_dynamic_range', vm, GIB, 2 * GIB);
    await pool.call('VM.pool_migrate', vm, b!, {});
    expect([await pool.call('VM.get_memory_target', vm), freeOf(pool, a!) - freeOf(pool, b!) < 3 * GIB]).toEqual([2 * GIB, true]);
    await pool.call('VM.pause', vm);
    expect((await failure(pool.call('VM.pool_migrate', vm, a!, {})))[0]).toBe('VM_BAD_POWER_STATE');
  });
});

describe('hosts that are emptied, shut down and leave', () => {
  it('host.evacuate moves all VMs, and host.shutdown needs it', async () => {
    const pool = await three();
    const [a, b, c] = pool.refs;
    const vms: string[] = [];
    for (let index = 0; index < 5; index++) {
      vms.push(await create(pool, `vm${index}`));
      await pool.call('VM.start_on', vms[index]!, a!, false, false);
    }
    expect(await failure(pool.call('host.shutdown', a!))).toEqual(['HOST_NOT_DISABLED']);
    await pool.call('host.disable', a!);
    expect(await failure(pool.call('host.shutdown', a!))).toEqual(['HOST_IN_USE', a!, 'vm', vms[0]!]);
    await pool.call('host.evacuate', a!);
    expect([guestsOn(pool, a!), guestsOn(pool, b!) + guestsOn(pool, c!)]).toEqual([0, 5]);
    expect(await pool.call('host.get_current_operations', a!)).toEqual({});
    await pool.call('host.shutdown', a!);
    const metrics = (await pool.call('host.get_metrics', a!)) as string;
    expect(await pool.call('host_metrics.get_live', metrics)).toBe(false);
    expect(await failure(pool.call('VM.start_on', await create(pool, 'x'), a!, false, false))).toEqual(['HOST_NOT_LIVE']);
    expect(await failure(pool.call('host.power_on', a!))).toEqual(['HOST_POWER_ON_MODE_DISABLED']);
    await pool.call('host.set_power_on_mode', a!, 'wake-on-lan', {});
    await pool.call('host.power_on', a!);
    expect([await pool.call('host_metrics.get_live', metrics), await pool.call('host.get_enabled', a!)]).toEqual([true, true]);
    expect(await failure(pool.call('host.power_on', a!))).toEqual(['HOST_IS_LIVE', a!]);
  });

  it('host.evacuate moves none when one of them fits nowhere', async () => {
    const pool = await poolOf([sized('a', 16), sized('b', 4)]);
    const [a] = pool.refs;
    const small = await create(pool, 'small');
    const large = await create(pool, 'large', ofSize(10));
    for (const vm of [small, large]) await pool.call('VM.start_on', vm, a!, false, false);
    expect(await failure(pool.call('host.evacuate', a!))).toEqual(['HOST_NOT_ENOUGH_FREE_MEMORY', large]);
    expect(guestsOn(pool, a!)).toBe(2);
    expect(await failure(pool.call('host.assert_can_evacuate', a!))).toEqual([
      'CANNOT_EVACUATE_HOST',
      `HOST_NOT_ENOUGH_FREE_MEMORY,${large}`,
    ]);
  });

  it('pool.eject takes a host out with its objects; the coordinator and a host with VMs stay', async () => {
    const pool = await three();
    const [a, b] = pool.refs;
    const vm = await create(pool, 'vm', { affinity: b! });
    await pool.call('VM.start', vm, false, false);
    expect(await where(pool, vm)).toBe(b);
    expect((await failure(pool.call('pool.eject', a!)))[0]).toBe('INTERNAL_ERROR');
    expect(await failure(pool.call('pool.eject', b!))).toEqual(['OPERATION_NOT_ALLOWED', 'VM resident on host']);
    await pool.call('VM.hard_shutdown', vm);
    await pool.call('pool.eject', b!);
    expect(await pool.call('host.get_all')).toHaveLength(2);
    expect(await failure(pool.call('host.get_record', b!))).toEqual(['HANDLE_INVALID', 'host', b!]);
    const [record] = Object.values((await pool.call('pool.get_all_records')) as Record<string, WireStruct>);
    expect((record!.cpu_info as WireStruct).cpu_count).toBe('16');
    expect(await pool.call('VM.get_affinity', vm)).toBe('OpaqueRef:NULL');
    for (const type of ['PIF', 'PBD', 'host_cpu', 'VM']) {
      const all = Object.values((await pool.call(`${type}.get_all_records`)) as Record<string, WireStruct>);
      expect(
        all.filter((one) => one.host === b || one.resident_on === b),
        type,
      ).toEqual([]);
    }
    pool.rrds.read();
    await pool.call('VM.start', vm, false, false);
    expect([await where(pool, vm)].every((host) => pool.hosts.all.some(({ ref }) => ref === host))).toBe(true);
    expect(await failure(pool.call('pool.join', 'elsewhere', 'root', ''))).toEqual(['JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS']);
  });
});

describe('a VM on its way to a host', () => {
  /** The next build on the host waits until it is let go. */
  const held = ({ hosts }: Pool, host: string) => {
    const { toolstack } = hosts.get(host);
    let release = () => {};
    const gate = new Promise<void>((done) => {
      release = done;
    });
    const start = toolstack.start.bind(toolstack);
    let begun = () => {};
    const begins = new Promise<void>((done) => {
      begun = done;
    });
    const spy = vi.spyOn(toolstack, 'start').mockImplementationOnce(async (name) => {
      begun();
      await gate;
      return start(name);
    });
    ends.push(() => spy.mockRestore());
    return { begins, release };
  };

  it.each(['VM.start_on', 'VM.pool_migrate'])('keeps that host from being left, shut down and ejected: %s', async (method) => {
    const pool = await three();
    const [a, b] = pool.refs;
    const vm = await create(pool, 'coming');
    const migrates = method === 'VM.pool_migrate';
    if (migrates) await pool.call('VM.start_on', vm, a!, false, false);
    const { begins, release } = held(pool, b!);
    const coming = failure(migrates ? pool.call(method, vm, b!, {}) : pool.call(method, vm, b!, false, false));
    await begins;
    await pool.call('host.disable', b!);
    for (const leaving of ['host.evacuate', 'host.shutdown', 'host.reboot']) {
      const [code, ...words] = await failure(pool.call(leaving, b!));
      expect([code, ...words.slice(0, 3)], leaving).toEqual([
        'OTHER_OPERATION_IN_PROGRESS',
        'host',
        b!,
        migrates ? 'vm_migrate' : 'vm_start',
      ]);
    }
    expect(await failure(pool.call('pool.eject', b!))).toEqual(['OPERATION_NOT_ALLOWED', 'VM resident on host']);
    release();
    expect(await coming).toEqual(['success']);
    expect([await where(pool, vm), guestsOn(pool, b!)]).toEqual([b, 1]);
    expect(await failure(pool.call('host.evacuate', b!))).toEqual(['success']);
    expect(await failure(pool.call('pool.eject', b!))).toEqual(['success']);
    expect(pool.refs).toContain(await where(pool, vm));
  });

  it('does not go to a host that its VMs leave', async () => {
    const pool = await three();
    const [a, b, c] = pool.refs;
    const [leaving, staying, halted] = [await create(pool, 'leaving'), await create(pool, 'staying'), await create(pool, 'halted')];
    await pool.call('VM.start_on', leaving, c!, false, false);
    await pool.call('VM.start_on', staying, a!, false, false);
    await pool.call('host.disable', a!);
    const { begins, release } = held(pool, b!);
    const evacuated = failure(pool.call('host.evacuate', c!));
    await begins;
    const [code, ...words] = await failure(pool.call('VM.pool_migrate', staying, c!, {}));
    expect([code, ...words.slice(0, 3)]).toEqual(['OTHER_OPERATION_IN_PROGRESS', 'host', c!, 'evacuate']);
    expect(await failure(pool.call('VM.start_on', halted, c!, false, false))).toEqual(['HOST_EVACUATE_IN_PROGRESS', c!]);
    release();
    expect(await evacuated).toEqual(['success']);
    expect([await where(pool, leaving), await where(pool, staying)]).toEqual([b, a]);
  });

  it('starts elsewhere while the leaving of a host is being stored', async () => {
    const pool = await three();
    const [a, b, c] = pool.refs;
    const vms: string[] = [];
    for (let index = 0; index < 4; index++) vms.push(await create(pool, `vm${index}`));
    const both = [pool.call('pool.eject', b!), ...vms.map((vm) => pool.call('VM.start', vm, false, false))];
    expect(await Promise.all(both.map((one) => failure(one)))).toEqual(both.map(() => ['success']));
    for (const vm of vms) expect([a, c]).toContain(await where(pool, vm));
  });
});

describe('the state of a pool', () => {
  it('has no operations of an earlier process, also where a commit took them along', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-pool-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const first = await three(folder);
    const [, b] = first.refs;
    const vm = await create(first, 'vm');
    // As evacuate and start mark them; the process dies before they end.
    first.database.update('host', b!, { current_operations: { task: 'evacuate' } }, 'derived');
    first.database.update('VM', vm, { scheduled_to_be_resident_on: b!, current_operations: { task: 'start' } }, 'derived');
    await first.call('host.set_name_description', b!, 'changed meanwhile');
    await first.call('VM.set_name_description', vm, 'changed meanwhile');
    await first.close();
    const second = await three(folder);
    expect(await second.call('host.get_name_description', b!)).toBe('changed meanwhile');
    expect(await second.call('host.get_current_operations', b!)).toEqual({});
    expect(await second.call('VM.get_current_operations', vm)).toEqual({});
    expect(await second.call('VM.get_scheduled_to_be_resident_on', vm)).toBe('OpaqueRef:NULL');
    expect(await failure(second.call('VM.start_on', vm, b!, false, false))).toEqual(['success']);
  });

  it('comes back with each VM on its host, and needs all hosts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-pool-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const first = await three(folder);
    const [a, b, c] = first.refs;
    const vms = [await create(first, 'on a'), await create(first, 'on b'), await create(first, 'on c')];
    for (const [index, vm] of vms.entries()) await first.call('VM.start_on', vm, first.refs[index]!, false, false);
    await first.call('host.set_numa_affinity_policy', b!, 'best_effort');
    await first.close();
    // In another order: hosts are known by their names.
    const second = await poolOf([sized('c', 8), sized('a', 8), sized('b', 8)], folder);
    expect(second.refs).toEqual([c, a, b]);
    expect(await Promise.all(vms.map((vm) => where(second, vm)))).toEqual([a, b, c]);
    expect(second.refs.map((ref) => guestsOn(second, ref))).toEqual([1, 1, 1]);
    expect(second.hosts.all.map(({ toolstack }) => toolstack.policy)).toEqual(['default_policy', 'default_policy', 'best_effort']);
    expect(await guestRefs(second.call)).toHaveLength(3);
    await second.close();
    await expect(poolOf([sized('a', 8), sized('b', 8)], folder)).rejects.toThrow("the state has a host 'c', which is not given");
  });

  it('records each host and the VMs on it', async () => {
    const pool = await three();
    const vm = await create(pool, 'vm');
    await pool.call('VM.start_on', vm, pool.refs[2]!, false, false);
    pool.rrds.read();
    const { uuid, metrics } = (await pool.call('VM.get_record', vm)) as WireStruct;
    const actual = await pool.call('VM_metrics.get_memory_actual', metrics!);
    expect(pool.rrds.newest({ vm: uuid as string }, 'memory')).toBe(actual);
    const used = pool.hosts.all.map((host) => {
      const free = pool.rrds.newest({ host: host.uuid }, 'memory_free_kib')!;
      return Math.round((freeOf(pool, pool.refs[0]!) / 1024 - free) / 2 ** 20);
    });
    expect(used).toEqual([0, 0, 2]);
    expect(pool.rrds.current().hosts.map(({ prefix }) => prefix)).toEqual(pool.hosts.all.map(({ uuid: one }) => `host:${one}:`));
  });
});
