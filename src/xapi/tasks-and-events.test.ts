// Tasks and events of the daemon as its clients see them, call by call.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, guestRefs, type TestDaemon, testDaemon, vmRecord } from '../../test/support/daemon.js';
import { WAITING_SHARE } from './life/vm-queue.js';
import { KEPT_DELETIONS } from './model/published.js';
import { MAX_ENDED_TASKS } from './model/tasks.js';
import { WireFloat, type WireStruct } from './wire/values.js';

const open: TestDaemon[] = [];
async function start(): Promise<TestDaemon> {
  const daemon = await testDaemon();
  open.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

const create = async (daemon: TestDaemon, name: string) => (await daemon.call('VM.create', vmRecord(name))) as string;

describe('tasks', () => {
  it('an Async call is a task with its result as an XML-RPC value', async () => {
    const daemon = await start();
    const task = (await daemon.call('Async.VM.create', vmRecord('a'))) as string;
    expect(task).toMatch(/^OpaqueRef:/);
    await daemon.dispatcher.idle();
    const record = (await daemon.call('task.get_record', task)) as WireStruct;
    expect(record).toMatchObject({ name_label: 'Async.VM.create', status: 'success', progress: new WireFloat(1), error_info: [] });
    const [vm] = await guestRefs(daemon.call);
    expect(record.result).toBe(`<value>${vm}</value>`);
    const named = (await daemon.call('Async.VM.update_allowed_operations', vm!)) as string;
    await daemon.dispatcher.idle();
    expect(await daemon.call('task.get_result', named)).toBe('<value></value>');
    const failed = (await daemon.call('Async.VM.pause', vm!)) as string;
    await daemon.dispatcher.idle();
    expect(await daemon.call('task.get_record', failed)).toMatchObject({
      status: 'failure',
      error_info: ['VM_BAD_POWER_STATE', vm, 'running', 'halted'],
    });
    await daemon.call('task.destroy', task);
    expect(await failure(daemon.call('task.get_status', task))).toEqual(['HANDLE_INVALID', 'task', task]);
  });

  it('a task that waits for its VM can be cancelled', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    const first = (await daemon.call('Async.VM.start', vm, false, false)) as string;
    const before = Array.from({ length: 60 }, () => daemon.call('VM.hard_reboot', vm));
    const second = (await daemon.call('Async.VM.pause', vm)) as string;
    await daemon.call('task.cancel', second);
    await Promise.all(before);
    await daemon.dispatcher.idle();
    expect(await daemon.call('task.get_status', first)).toBe('success');
    expect(await daemon.call('task.get_record', second)).toMatchObject({ status: 'cancelled', error_info: ['TASK_CANCELLED', second] });
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Running');
  });

  it('a task that a client made is worked on by the client', async () => {
    const daemon = await start();
    const task = (await daemon.call('task.create', 'backup', 'of all')) as string;
    expect(await daemon.call('task.get_status', task)).toBe('pending');
    await daemon.call('task.set_progress', task, new WireFloat(0.5));
    await daemon.call('task.set_error_info', task, ['DISK_FULL', 'a']);
    await daemon.call('task.set_result', task, 'half');
    await daemon.call('task.set_status', task, 'failure');
    expect(await daemon.call('task.get_record', task)).toMatchObject({
      name_label: 'backup',
      status: 'failure',
      progress: new WireFloat(0.5),
      error_info: ['DISK_FULL', 'a'],
      result: 'half',
    });
    expect((await failure(daemon.call('task.set_status', task, 'done')))[0]).toBe('VALUE_NOT_SUPPORTED');
  });

  it('ended tasks and waiting operations have their limits', async () => {
    const daemon = await start();
    for (let index = 0; index < MAX_ENDED_TASKS + 5; index++) await daemon.call('task.create', `t${index}`, '');
    expect(await daemon.call('task.get_all')).toHaveLength(MAX_ENDED_TASKS);
    const vm = await create(daemon, 'a');
    const calls = Array.from({ length: WAITING_SHARE.each + 1 }, () => daemon.call('VM.set_domain_type', vm, 'pv'));
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });
});

describe('event.from', () => {
  const from = async (daemon: TestDaemon, classes: string[], token: string, timeout = 0) =>
    (await daemon.call('event.from', classes, token, new WireFloat(timeout))) as {
      events: WireStruct[];
      token: string;
      valid_ref_counts: WireStruct;
    };

  it('tells everything first, then what changed, each object once', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    const first = await from(daemon, ['VM', 'pool'], '');
    const vms = (await daemon.call('VM.get_all')) as string[];
    expect(vms).toContain(vm);
    const added = first.events.map((event) => [event.class, event.operation, event.ref]).sort();
    expect(added).toEqual([['pool', 'add', daemon.objects.pool], ...vms.map((ref) => ['vm', 'add', ref])].sort());
    expect(first.valid_ref_counts).toMatchObject({ vm: { value: vms.length }, pool: { value: 1 }, task: { value: 0 } });
    expect(first.token).toMatch(/^\d{20},\d{20}$/);
    await daemon.call('VM.set_name_label', vm, 'b');
    await daemon.call('VM.set_name_label', vm, 'c');
    const gone = await create(daemon, 'gone');
    await daemon.call('VM.destroy', gone);
    const second = await from(daemon, ['VM'], first.token);
    expect(second.events).toHaveLength(1);
    expect(second.events[0]).toMatchObject({ class: 'vm', operation: 'mod', ref: vm, snapshot: { name_label: 'c' } });
    await daemon.call('VM.destroy', vm);
    const third = await from(daemon, ['*'], second.token);
    expect(third.events.filter((event) => event.class === 'vm')).toMatchObject([{ operation: 'del', ref: vm }]);
    expect(third.events.some((event) => event.class === 'placement')).toBe(false);
  });

  it('waits for a change, for as long as it was told, and no longer than its caller', async () => {
    const daemon = await start();
    const vm = await create(daemon, 'a');
    const { token } = await from(daemon, ['VM'], '');
    const waiting = from(daemon, ['VM'], token, 60);
    await daemon.call('VM.set_name_description', vm, 'x');
    expect((await waiting).events).toHaveLength(1);
    expect((await from(daemon, ['VM'], (await waiting).token, 0.01)).events).toEqual([]);
    const abort = new AbortController();
    const params = [daemon.session, ['VM'], (await waiting).token, 60];
    const left = daemon.dispatcher.call({ method: 'event.from', params }, '', abort.signal);
    abort.abort();
    expect(((await left) as WireStruct).events).toEqual([]);
  });

  it('one object can be watched alone; a bad token is reported', async () => {
    const daemon = await start();
    const [a, b] = [await create(daemon, 'a'), await create(daemon, 'b')];
    const { token } = await from(daemon, [`VM/${a}`], '');
    await daemon.call('VM.set_name_label', b, 'x');
    expect((await from(daemon, [`VM/${a}`], token)).events).toEqual([]);
    expect((await failure(daemon.call('event.from', ['VM'], 'nonsense', 0)))[0]).toBe('EVENT_FROM_TOKEN_PARSE_FAILURE');
    expect(await failure(daemon.call('event.from', ['VM'], `${'9'.repeat(15).padStart(20, '0')},${'0'.repeat(20)}`, 0))).toEqual([
      'EVENTS_LOST',
    ]);
    expect(await failure(daemon.call('event.from', ['VM'], `${'1'.padStart(20, '0')},${'0'.repeat(20)}`, 0))).toEqual(['EVENTS_LOST']);
  });

  it('deletions are remembered up to a limit, and older tokens are reported as lost', async () => {
    const daemon = await start();
    const { token } = await from(daemon, ['task'], '');
    const make = (count: number) => {
      const refs = Array.from({ length: count }, () => daemon.database.create('task', {}));
      daemon.database.flushNow();
      for (const ref of refs) daemon.database.destroy('task', ref);
      daemon.database.flushNow();
    };
    make(KEPT_DELETIONS);
    expect((await from(daemon, ['task'], token)).events).toEqual([]);
    make(1);
    expect(await failure(daemon.call('event.from', ['task'], token, 0))).toEqual(['EVENTS_LOST']);
  });

  it('event.register and event.next, the older form', async () => {
    const daemon = await start();
    expect((await failure(daemon.call('event.next')))[0]).toBe('SESSION_NOT_REGISTERED');
    await daemon.call('event.register', ['VM']);
    const next = daemon.call('event.next');
    const vm = await create(daemon, 'a');
    expect(await next).toMatchObject([{ class: 'vm', operation: 'add', ref: vm }]);
    expect(await daemon.call('event.inject', 'pool', ((await daemon.call('pool.get_all')) as string[])[0]!)).toMatch(/^\d{20},/);
  });
});
