// Guests that shut down by themselves: their records, and the daemon's next action by the VM's own
// settings.

import { describe, expect, it } from 'vitest';
import { smallHost, testDaemon } from '../../../test/support/daemon.js';
import { XenError } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { XEN_CAPABILITIES } from '../../xenopsd/api/host-doors.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';

/** Reasons of Xen's public/sched.h. */
const POWEROFF = 0;
const REBOOT = 1;
const CRASH = 3;

async function running(settings: Readonly<Record<string, string>>) {
  const embedded = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  // As on a real host: domains go on without the daemon, and end without it.
  const daemon = await testDaemon({ doors: { ...embedded, can: XEN_CAPABILITIES } });
  const memory = { memory_static_min: 0, memory_dynamic_min: GIB, memory_dynamic_max: GIB, memory_static_max: GIB };
  const boot = { domain_type: 'pvh', PV_kernel: '/boot/guest' };
  const vm = String(
    await daemon.call('VM.create', { name_label: 'guest', VCPUs_max: 1, VCPUs_at_startup: 1, ...memory, ...boot, ...settings }),
  );
  await daemon.call('VM.start', vm, false, false);
  const field = async (name: string) => daemon.call(`VM.get_${name}`, vm);
  const domid = Number(await field('domid'));
  /** The guest goes, and XenStore says so. */
  const end = async (reason: number) => {
    embedded.xc.domainShutdown(domid, reason);
    await embedded.xs.introduce(domid + 1000, 1n, 1);
    await embedded.xs.release(domid + 1000);
  };
  return { daemon, embedded, vm, domid, field, end };
}

describe.each([
  ['poweroff', POWEROFF, {}, false],
  ['poweroff that is to start again', POWEROFF, { actions_after_shutdown: 'restart' }, true],
  ['reboot', REBOOT, {}, true],
  ['reboot that is not wanted', REBOOT, { actions_after_reboot: 'destroy' }, false],
  ['crash', CRASH, {}, true],
  ['crash that is not to start again', CRASH, { actions_after_crash: 'destroy' }, false],
] as const)('%s', (_, reason, settings, again) => {
  it(again ? 'is followed by a new domain' : 'leaves the VM halted, and nothing of its domain', async () => {
    const { daemon, embedded, domid, field, end } = await running(settings);
    await end(reason);
    await expect.poll(() => field('domid')).toSatisfy((now) => (again ? Number(now) > domid : Number(now) === -1));
    await expect.poll(() => field('power_state')).toBe(again ? 'Running' : 'Halted');
    expect(embedded.xc.domainInfo(domid)).toBeNull();
    await daemon.close();
  });
});

it('a stop at the moment when the guest goes by itself leaves nothing of its domain', async () => {
  const { daemon, vm, domid, embedded, field, end } = await running({ actions_after_shutdown: 'restart' });
  await end(POWEROFF);
  await daemon.call('VM.hard_shutdown', vm).catch(() => {});
  await daemon.close();
  expect(embedded.xc.domainInfo(domid)).toBeNull();
  expect(['Halted', 'Running']).toContain(await field('power_state'));
});

it('a look that Xen refuses is followed by another one', async () => {
  const { daemon, domid, embedded, field, end } = await running({});
  const { toolstack } = daemon;
  const noticeEnded = toolstack.noticeEnded.bind(toolstack);
  let refusals = 2;
  toolstack.noticeEnded = async () => {
    if (refusals-- > 0) throw new XenError('EIO', 'getdomaininfo');
    return noticeEnded();
  };
  await end(REBOOT);
  await expect.poll(() => field('domid'), { timeout: 30_000 }).toSatisfy((now) => Number(now) > domid);
  expect(embedded.xc.domainInfo(domid)).toBeNull();
  await daemon.close();
}, 60_000);

it('a VM that is found paused late is said to be paused', async () => {
  const { daemon, vm, domid, embedded, field } = await running({});
  const { toolstack } = daemon;
  const uuid = String(await field('uuid'));
  const paused = await toolstack.pause(uuid);
  // As when the host refused to tell of the domain while the daemon started.
  toolstack.noticeEnded = async () => [{ ...paused, ending: 'gone' }];
  await embedded.xs.introduce(domid + 1000, 1n, 1);
  await embedded.xs.release(domid + 1000);
  await expect.poll(() => field('power_state')).toBe('Paused');
  await daemon.call('VM.unpause', vm);
  expect([await field('power_state'), await field('domid'), embedded.xc.domainInfo(domid)!.paused]).toEqual(['Running', domid, false]);
  await daemon.close();
});

it('other domains may come and go', async () => {
  const { daemon, domid, embedded, field } = await running({});
  await embedded.xs.introduce(domid + 1000, 1n, 1);
  await embedded.xs.release(domid + 1000);
  await daemon.close();
  expect([await field('power_state'), await field('domid')]).toEqual(['Running', domid]);
});
