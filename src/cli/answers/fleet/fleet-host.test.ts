// Starts of the fleet by the daemon's own API, and what a daemon that was killed in one leaves.
import { afterEach, expect, it, vi } from 'vitest';
import { guestRefs, testDaemon } from '../../../../test/support/daemon.js';
import { GIB } from '../../../base/units.js';
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
  await expect(before.start(request('web'))).rejects.toThrow('killed');
  vi.restoreAllMocks();
  const after = new DaemonHost(daemon, 'x', []);
  expect(await after.recover()).toEqual(vms.length === 0 ? ['web'] : []);
  expect((await names()).sort()).toEqual(['halted', ...vms]);
  expect(after.figures().vms).toBe(vms.length);
  expect([await after.recover(), (await names()).length]).toEqual([[], 1 + vms.length]);
});
