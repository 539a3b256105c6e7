// Starts of the fleet by the daemon's own API, and what a daemon that was killed in one leaves.
import { afterEach, expect, it, vi } from 'vitest';
import { guestRefs, testDaemon } from '../../../../test/support/daemon.js';
import { GIB } from '../../../base/units.js';
import { XapiError } from '../../../xapi/wire/errors.js';
import { DaemonHost } from './fleet-host.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0)) await end();
});

const request = (name: string) => ({
  id: `p.${name}-1`,
  vm: { name, kind: 'hvm' as const, vcpus: 2, memoryBytes: 2 * GIB },
  parts: [[0, 2048]] as const,
});

async function daemonOfFleet() {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const names = async () => Promise.all((await guestRefs(daemon.call)).map((vm) => daemon.call('VM.get_name_label', vm)));
  return { daemon, names };
}

/** The process is dead from the call on that `at` names, or right after it. */
function killed(daemon: Awaited<ReturnType<typeof testDaemon>>, at: string, done: boolean): void {
  const { dispatcher } = daemon;
  const real = dispatcher.call.bind(dispatcher);
  let dead = false;
  vi.spyOn(dispatcher, 'call').mockImplementation(async (...words) => {
    const [{ method }] = words;
    if (!dead && method === at && done) await real(...words);
    if (dead || method === at) {
      dead = true;
      throw new Error('killed');
    }
    return real(...words);
  });
}

it.each([
  { at: 'VM.create', done: true, vms: [] },
  { at: 'VM.start', done: false, vms: [] },
  { at: 'VM.start', done: true, vms: ['web'] },
  { at: 'VM.remove_from_other_config', done: true, vms: ['web'] },
])('killed at $at (carried out: $done): the next daemon has the VMs $vms, and other VMs as before', async ({ at, done, vms }) => {
  const { daemon, names } = await daemonOfFleet();
  const before = new DaemonHost(daemon, 'x', []);
  await before.start(request('halted'));
  const [halted] = await guestRefs(daemon.call);
  await daemon.call('VM.hard_shutdown', halted!);
  killed(daemon, at, done);
  // A VM that runs by then has been started.
  await before.start(request('web')).catch(() => {});
  vi.restoreAllMocks();
  const after = new DaemonHost(daemon, 'x', []);
  expect(await after.recover()).toEqual({ destroyed: vms.length === 0 ? ['web'] : [], kept: [], failed: [] });
  expect((await names()).sort()).toEqual(['halted', ...vms]);
  expect(after.figures().vms).toBe(vms.length);
  expect([(await after.recover()).destroyed, (await names()).length]).toEqual([[], 1 + vms.length]);
});

/** Calls of that method are refused, as by a disk that is full; carried out before that, or not. */
function refused(daemon: Awaited<ReturnType<typeof testDaemon>>, method: string, done = false): void {
  const { dispatcher } = daemon;
  const real = dispatcher.call.bind(dispatcher);
  vi.spyOn(dispatcher, 'call').mockImplementation(async (...words) => {
    if (words[0].method !== method) return real(...words);
    if (done) await real(...words);
    throw new XapiError('INTERNAL_ERROR', 'disk is full');
  });
}

it.each([
  ['whose mark cannot be taken off', 'VM.remove_from_other_config', false],
  ['whose start answers with an error after it was carried out', 'VM.start', true],
])('a VM that runs, %s, is started', async (_, method, done) => {
  const { daemon, names } = await daemonOfFleet();
  const host = new DaemonHost(daemon, 'x', []);
  refused(daemon, method, done);
  await host.start(request('web'));
  expect([await names(), [...host.figures().started]]).toEqual([['web'], ['p.web-1']]);
});

it('a VM that is paused keeps the memory of its claim', async () => {
  const { daemon } = await daemonOfFleet();
  const host = new DaemonHost(daemon, 'x', []);
  await host.start(request('web'));
  await daemon.call('VM.pause', (await guestRefs(daemon.call))[0]!);
  host.forget();
  expect([...host.figures().started]).toEqual(['p.web-1']);
});

it('a VM that ran, whose mark stayed, and that a person shut down is kept and named by the next daemon', async () => {
  const { daemon, names } = await daemonOfFleet();
  refused(daemon, 'VM.remove_from_other_config');
  await new DaemonHost(daemon, 'x', []).start(request('web'));
  vi.restoreAllMocks();
  await daemon.call('VM.hard_shutdown', (await guestRefs(daemon.call))[0]!);
  const after = new DaemonHost(daemon, 'x', []);
  expect(await after.recover()).toEqual({ destroyed: [], kept: ['web'], failed: [] });
  expect([await names(), await after.recover()]).toEqual([['web'], { destroyed: [], kept: [], failed: [] }]);
});

it('a VM that cannot be destroyed does not keep the others from it, and is tried by the next daemon', async () => {
  const { daemon, names } = await daemonOfFleet();
  for (const name of ['web', 'db']) {
    killed(daemon, 'VM.start', false);
    await new DaemonHost(daemon, 'x', []).start(request(name)).catch(() => {});
    vi.restoreAllMocks();
  }
  const { dispatcher } = daemon;
  const real = dispatcher.call.bind(dispatcher);
  let first = true;
  vi.spyOn(dispatcher, 'call').mockImplementation(async (...words) => {
    if (words[0].method !== 'VM.destroy' || !first) return real(...words);
    first = false;
    throw new XapiError('OPERATION_NOT_ALLOWED', 'not now');
  });
  const { destroyed, failed } = await new DaemonHost(daemon, 'x', []).recover();
  expect([destroyed.length, failed.length, failed[0]]).toEqual([1, 1, expect.stringContaining('OPERATION_NOT_ALLOWED')]);
  expect((await new DaemonHost(daemon, 'x', []).recover()).destroyed).toHaveLength(1);
  expect(await names()).toEqual([]);
});
