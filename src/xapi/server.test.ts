// The daemon as its clients see it, call by call.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, guestRefs, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../test/support/daemon.js';
import { GIB } from '../base/units.js';
import { DATAMODEL } from './model/datamodel.js';
import { CLASSES } from './model/schema.js';
import type { Wire, WireStruct } from './wire/values.js';

const open: TestDaemon[] = [];
async function start(options: Parameters<typeof testDaemon>[0] = {}): Promise<TestDaemon> {
  const daemon = await testDaemon(options);
  open.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

const create = async (daemon: TestDaemon, name: string, more: WireStruct = {}) =>
  (await daemon.call('VM.create', vmRecord(name, more))) as string;
const metricsOf = async (daemon: TestDaemon, vm: string) =>
  (await daemon.call('VM_metrics.get_record', await daemon.call('VM.get_metrics', vm))) as WireStruct;

describe('the flow behind the API', () => {
  it('a mask sets hard affinity; the VM lands where the mask says', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'masked');
    await daemon.call('VM.set_VCPUs_params', vm, { mask: '9,10' });
    expect(await daemon.call('VM.start', vm, false, false)).toBe('');
    const domid = (await daemon.call('VM.get_domid', vm)) as number;
    expect(daemon.toolstack.doors.xc.vcpuGetAffinity(domid, 0).hard).toEqual([9, 10]);
    expect(await metricsOf(daemon, vm)).toMatchObject({ numa_optimised: true, numa_nodes: 1, state: ['running'] });
    // CPUs 9 and 10 are on node 2 of four nodes with four CPUs each.
    expect(Object.keys((await metricsOf(daemon, vm)).numa_node_memory as object)).toEqual(['2']);
  });

  it('best_effort places with soft affinity; any spreads; the policy is read at each start', async () => {
    const daemon = await start();
    const [host] = (await daemon.call('host.get_all')) as string[];
    expect(await daemon.call('host.get_numa_affinity_policy', host!)).toBe('default_policy');
    await daemon.call('host.set_numa_affinity_policy', host!, 'best_effort');
    const vm = await create(daemon, 'placed');
    await daemon.call('VM.start', vm, false, false);
    const domid = (await daemon.call('VM.get_domid', vm)) as number;
    const { hard, soft } = daemon.toolstack.doors.xc.vcpuGetAffinity(domid, 0);
    expect([hard.length, soft.length]).toEqual([16, 4]);
    await daemon.call('host.set_numa_affinity_policy', host!, 'any');
    await daemon.call('VM.hard_reboot', vm);
    expect(await metricsOf(daemon, vm)).toMatchObject({ numa_optimised: false, numa_nodes: 4 });
    expect(await failure(daemon.call('host.set_numa_affinity_policy', host!, 'best_effort_hard'))).toEqual([
      'VALUE_NOT_SUPPORTED',
      'value',
      'best_effort_hard',
      'expected one of any, best_effort, default_policy',
    ]);
  });

  it('the host mask holds for VMs without one', async () => {
    const daemon = await start();
    const [host] = (await daemon.call('host.get_all')) as string[];
    await daemon.call('host.set_guest_VCPUs_params', host!, { mask: '4,5' });
    const vm = await create(daemon, 'a');
    await daemon.call('VM.start', vm, false, false);
    expect(daemon.toolstack.doors.xc.vcpuGetAffinity((await daemon.call('VM.get_domid', vm)) as number, 0).hard).toEqual([4, 5]);
  });

  it('a VM past the memory of the host fails as xapi has it, and leaves nothing', async () => {
    const daemon = await start();
    const before = daemon.toolstack.doors.xc.physInfo().freePages;
    const bytes = 80 * GIB;
    const vm = await create(daemon, 'big', { memory_static_max: bytes, memory_dynamic_max: bytes, memory_dynamic_min: bytes });
    // Any host would do, and none has its least: it is in no category (vm_placement.ml).
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    const [host] = (await daemon.call('host.get_all')) as string[];
    const [code, needed, available] = await failure(daemon.call('VM.start_on', vm, host!, false, false));
    expect(code).toBe('HOST_NOT_ENOUGH_FREE_MEMORY');
    expect(Number(needed)).toBeGreaterThan(bytes);
    expect(Number(available)).toBe(before * 4096);
    expect(daemon.toolstack.doors.xc.physInfo().freePages).toBe(before);
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Halted');
    expect(daemon.toolstack.doors.xc.domainList().filter(({ domid }) => domid !== 0)).toEqual([]);
  });

  it('a mask of zeros only fails the build, with what xenguest says', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'nowhere', { VCPUs_params: { mask: '400' } });
    const [code, message] = await failure(daemon.call('VM.start', vm, false, false));
    expect(code).toBe('INTERNAL_ERROR');
    expect(message).toContain('xc_vcpu_setaffinity: [22]');
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Halted');
  });

  it('profile xapi-26.3 runs behind it as well', async () => {
    const daemon = await start({ profile: 'xapi-26.3' });
    const vm = await create(daemon, 'a');
    await daemon.call('VM.start', vm, false, false);
    expect((await metricsOf(daemon, vm)).numa_nodes).toBe(1);
  });
});

describe('power states', () => {
  it('every operation in every state: done, or VM_BAD_POWER_STATE with both states', async () => {
    const daemon = await start();
    const reach: Readonly<Record<string, readonly string[]>> = {
      Halted: [],
      Running: ['VM.start'],
      Paused: ['VM.start', 'VM.pause'],
      Suspended: ['VM.start', 'VM.suspend'],
    };
    const [host] = (await daemon.call('host.get_all')) as string[];
    const operations: readonly [string, readonly Wire[], readonly string[], string][] = [
      ['start', [false, false], ['Halted'], 'Running'],
      ['start_on', [host!, true, false], ['Halted'], 'Paused'],
      ['pause', [], ['Running'], 'Paused'],
      ['unpause', [], ['Paused'], 'Running'],
      ['clean_shutdown', [], ['Running'], 'Halted'],
      ['hard_shutdown', [], ['Running', 'Paused', 'Suspended'], 'Halted'],
      ['clean_reboot', [], ['Running'], 'Running'],
      ['hard_reboot', [], ['Running', 'Paused'], 'Running'],
      ['suspend', [], ['Running'], 'Suspended'],
      ['resume', [false, false], ['Suspended'], 'Running'],
      ['resume_on', [host!, false, false], ['Suspended'], 'Running'],
      ['pool_migrate', [host!, {}], ['Running'], 'Running'],
    ];
    const vms = ((await daemon.call('VM_metrics.get_all')) as string[]).length;
    for (const [state, way] of Object.entries(reach)) {
      for (const [operation, args, allowed, after] of operations) {
        const vm = await create(daemon, `${operation} ${state}`);
        for (const step of way) await daemon.call(step, vm, ...(step === 'VM.start' ? [false, false] : []));
        expect(await daemon.call('VM.get_power_state', vm)).toBe(state);
        const possible = (await daemon.call('VM.get_allowed_operations', vm)) as string[];
        if (allowed.includes(state)) {
          expect(possible).toContain(operation);
          await daemon.call(`VM.${operation}`, vm, ...args);
          expect([operation, state, await daemon.call('VM.get_power_state', vm)]).toEqual([operation, state, after]);
        } else if (!(operation === 'pool_migrate' && state === 'Paused')) {
          expect(possible).not.toContain(operation);
          const [code, ref, , actual] = await failure(daemon.call(`VM.${operation}`, vm, ...args));
          expect([code, ref, actual]).toEqual(['VM_BAD_POWER_STATE', vm, state.toLowerCase()]);
        }
        if ((await daemon.call('VM.get_power_state', vm)) !== 'Halted') await daemon.call('VM.hard_shutdown', vm);
        await daemon.call('VM.destroy', vm);
      }
    }
    expect(daemon.toolstack.doors.xc.domainList().filter(({ domid }) => domid !== 0)).toEqual([]);
    expect(await guestRefs(daemon.call)).toEqual([]);
    expect(await daemon.call('VM_metrics.get_all'), "Domain-0's and the templates'").toHaveLength(vms);
  });

  it('a local migration is a new domain of the same VM', async () => {
    const daemon = await start();
    const [host] = (await daemon.call('host.get_all')) as string[];
    const vm = await create(daemon, 'a');
    await daemon.call('VM.start', vm, false, false);
    const old = await daemon.call('VM.get_domid', vm);
    await daemon.call('VM.pool_migrate', vm, host!, { live: 'true' });
    expect(await daemon.call('VM.get_domid', vm)).not.toBe(old);
    expect(await failure(daemon.call('VM.pool_migrate', vm, 'OpaqueRef:other', {}))).toEqual(['HANDLE_INVALID', 'host', 'OpaqueRef:other']);
  });

  it('a local migration follows the settings as they are by then', async () => {
    const daemon = await start();
    const [host] = (await daemon.call('host.get_all')) as string[];
    const vm = await create(daemon, 'a');
    await daemon.call('VM.start', vm, false, false);
    const pages = async () => {
      const domid = await daemon.call('VM.get_domid', vm);
      return daemon.toolstack.snapshot().domains.find((one) => one.domid === domid)!.pages;
    };
    const cpus = daemon.toolstack.snapshot().cpus;
    for (const node of [1, 0]) {
      const mask = cpus.flatMap((cpu) => (cpu !== null && cpu.node === node ? [cpu.id] : [])).join(',');
      await daemon.call('VM.set_VCPUs_params', vm, { mask });
      await daemon.call('VM.pool_migrate', vm, host!, { live: 'true' });
      const found = await pages();
      expect(found.flatMap((count, at) => (count > 0 ? [at] : []))).toEqual([node]);
    }
  });

  it('operations on one VM wait for each other; a host full of starts runs side by side', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    const results = await Promise.allSettled([
      daemon.call('VM.start', vm, false, false),
      daemon.call('VM.pause', vm),
      daemon.call('VM.unpause', vm),
      daemon.call('VM.clean_shutdown', vm),
      daemon.call('VM.start', vm, false, false),
    ]);
    expect(results.map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'));
    const others = await Promise.all(Array.from({ length: 8 }, (_, index) => create(daemon, `vm-${index}`)));
    await Promise.all(others.map((one) => daemon.call('VM.start', one, false, false)));
    const domids = await Promise.all(others.map((one) => daemon.call('VM.get_domid', one)));
    expect(new Set(domids).size).toBe(8);
  });

  it('blocked operations and templates', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    await daemon.call('VM.add_to_blocked_operations', vm, 'start', 'MY_REASON');
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['OPERATION_BLOCKED', vm, 'MY_REASON']);
    await daemon.call('VM.remove_from_blocked_operations', vm, 'start');
    await daemon.call('VM.set_is_a_template', vm, true);
    expect(await failure(daemon.call('VM.start', vm, false, false))).toEqual(['VM_IS_TEMPLATE', vm, 'start']);
    const clone = await daemon.call('VM.clone', vm, 'b');
    expect(await daemon.call('VM.get_name_label', clone)).toBe('b');
    expect(await daemon.call('VM.get_uuid', clone)).not.toBe(await daemon.call('VM.get_uuid', vm));
  });
});

describe('fields', () => {
  it('maps: add_to_ refuses a key that is there, remove_from_ does not mind one that is not', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    const uuid = (await daemon.call('VM.get_uuid', vm)) as string;
    await daemon.call('VM.add_to_other_config', vm, '__proto__', 'x');
    await daemon.call('VM.add_to_other_config', vm, 'k', 'v');
    expect(await failure(daemon.call('VM.add_to_other_config', vm, 'k', 'w'))).toEqual([
      'MAP_DUPLICATE_KEY',
      'VM',
      'other_config',
      uuid,
      'k',
    ]);
    await daemon.call('VM.remove_from_other_config', vm, 'none');
    const config = Object.entries((await daemon.call('VM.get_other_config', vm)) as object);
    expect(config.filter(([key]) => key !== 'mac_seed')).toEqual([
      ['__proto__', 'x'],
      ['k', 'v'],
    ]);
    await daemon.call('VM.add_tags', vm, 't');
    await daemon.call('VM.add_tags', vm, 't');
    expect(await daemon.call('VM.get_tags', vm)).toEqual(['t']);
    await daemon.call('VM.remove_tags', vm, 't');
    expect(await daemon.call('VM.get_tags', vm)).toEqual([]);
  });

  it('vCPUs and memory keep their order, and change only when halted', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    await daemon.call('VM.set_VCPUs_max', vm, '8');
    await daemon.call('VM.set_VCPUs_at_startup', vm, 8);
    expect((await failure(daemon.call('VM.set_VCPUs_max', vm, 7)))[0]).toBe('INVALID_VALUE');
    expect((await failure(daemon.call('VM.set_VCPUs_at_startup', vm, 9)))[0]).toBe('INVALID_VALUE');
    expect((await failure(daemon.call('VM.set_VCPUs_max', vm, 8193)))[0]).toBe('VALUE_NOT_SUPPORTED');
    await daemon.call('VM.set_VCPUs_max', vm, 8192);
    await daemon.call('VM.set_VCPUs_max', vm, 8);
    await daemon.call('VM.set_memory_limits', vm, 0, 4 * GIB, GIB, 2 * GIB);
    expect(await failure(daemon.call('VM.set_memory_dynamic_max', vm, 5 * GIB))).toEqual(['MEMORY_CONSTRAINT_VIOLATION_ORDER']);
    expect(await daemon.call('VM.get_memory_dynamic_max', vm)).toBe(2 * GIB);
    await daemon.call('VM.start', vm, false, false);
    expect((await failure(daemon.call('VM.set_VCPUs_max', vm, 9)))[0]).toBe('VM_BAD_POWER_STATE');
    expect((await failure(daemon.call('VM.set_memory_static_max', vm, 8 * GIB)))[0]).toBe('VM_BAD_POWER_STATE');
  });

  it('VCPUs_params of a running VM count from its next start; their live form is not implemented, as in xapi', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a', { VCPUs_params: { mask: '1' } });
    expect((await failure(daemon.call('VM.add_to_VCPUs_params_live', vm, 'mask', '2')))[0]).toBe('VM_BAD_POWER_STATE');
    await daemon.call('VM.start', vm, false, false);
    expect(await failure(daemon.call('VM.add_to_VCPUs_params_live', vm, 'mask', '2'))).toEqual([
      'NOT_IMPLEMENTED',
      'add_to_VCPUs_params_live',
    ]);
    await daemon.call('VM.set_VCPUs_params', vm, { mask: '2' });
    const hard = async () => daemon.toolstack.doors.xc.vcpuGetAffinity((await daemon.call('VM.get_domid', vm)) as number, 0).hard;
    expect(await hard()).toEqual([1]);
    await daemon.call('VM.hard_reboot', vm);
    expect(await hard()).toEqual([2]);
  });

  it('records are found by uuid, by label and by an expression', async () => {
    const daemon = await start();
    const a = await create(daemon, 'a "quoted"');
    const b = await create(daemon, 'b');
    const uuid = (await daemon.call('VM.get_uuid', b)) as string;
    expect(await daemon.call('VM.get_by_uuid', uuid)).toBe(b);
    expect(await failure(daemon.call('VM.get_by_uuid', 'none'))).toEqual(['UUID_INVALID', 'VM', 'none']);
    expect(await daemon.call('VM.get_by_name_label', 'b')).toEqual([b]);
    const where = async (text: string) => Object.keys((await daemon.call('VM.get_all_records_where', text)) as object);
    expect(await where('field "name__label" = "b"')).toEqual([b]);
    expect(await where('field "name_label" = "a \\"quoted\\""')).toEqual([a]);
    expect(await where('not (field "power_state" = "Running") and field "VCPUs_max" = "2" and field "is_a_template" = "false"')).toEqual([
      a,
      b,
    ]);
    expect(
      await where('false or (field "is_control_domain"="false" and field "is_a_template"="false" and not field "name_label"="b")'),
    ).toEqual([a]);
    for (const bad of [
      '',
      'field',
      'field "x" = "y"',
      'true true',
      '(true',
      `${'('.repeat(40)}true${')'.repeat(40)}`,
      'a'.repeat(20_000),
    ]) {
      expect((await failure(daemon.call('VM.get_all_records_where', bad)))[0]).toBe('INVALID_VALUE');
    }
  });

  it('what no call can be is refused with its own code', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    expect(await failure(daemon.call('VM.frobnicate', vm))).toEqual(['MESSAGE_METHOD_UNKNOWN', 'VM.frobnicate']);
    expect(await failure(daemon.call('Async.VM.get_record', vm))).toEqual([
      'Fault',
      'No async mode for this operation (rpc: VM.get_record)',
    ]);
    expect(await failure(daemon.call('VM.set_uuid', vm, 'x'))).toEqual(['MESSAGE_METHOD_UNKNOWN', 'VM.set_uuid']);
    expect(await failure(daemon.call('VM.start', vm))).toEqual(['MESSAGE_PARAMETER_COUNT_MISMATCH', 'VM.start', '3', '1']);
    expect(await failure(daemon.call('VM.get_record', 'OpaqueRef:x'))).toEqual(['HANDLE_INVALID', 'VM', 'OpaqueRef:x']);
    expect(await failure(daemon.call('VM.start', vm, 'no', false))).toEqual(['FIELD_TYPE_ERROR', 'start_paused']);
    expect(await failure(daemon.call('VM.set_name_label', vm, 3))).toEqual(['FIELD_TYPE_ERROR', 'value']);
    const { dispatcher } = daemon;
    const raw = (method: string, params: Wire[]) => dispatcher.call({ method, params }, '', new AbortController().signal);
    expect(await failure(raw('VM.get_all', ['OpaqueRef:none']))).toEqual(['SESSION_INVALID', 'OpaqueRef:none']);
    expect(await failure(raw('VM.get_all', []))).toEqual(['MESSAGE_PARAMETER_COUNT_MISMATCH', 'VM.get_all', '0', '-1']);
  });

  it('every class can be listed, also those of which there is nothing', async () => {
    const daemon = await start();
    const names = (await daemon.dispatcher.call(
      { method: 'system.listMethods', params: [] },
      '',
      new AbortController().signal,
    )) as string[];
    for (const { name, listed } of CLASSES.values()) {
      if (DATAMODEL.get(name)?.messages.get('get_all_records')?.removed === true) continue;
      expect(names.includes(`${name}.get_all_records`)).toBe(listed);
      if (listed) expect(typeof (await daemon.call(`${name}.get_all_records`))).toBe('object');
    }
  });
});

describe('state', () => {
  it('a VM may have more vCPUs than its host CPUs, where that is allowed', async () => {
    const daemon = await start({ machine: smallHost(1, 2, 4) });
    const vm = await create(daemon, 'a', { VCPUs_max: 64, VCPUs_at_startup: 64, platform: { 'vcpu-unrestricted': 'true' } });
    await daemon.call('VM.start', vm, false, false);
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Running');
  });
});
