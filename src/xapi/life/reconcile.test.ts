// A real host, whose domains outlive the daemon: what a daemon that died, or a disk that refused,
// left between record, toolstack and Xen comes together again. Each case was found by the
// simulator.
import { expect, it } from 'vitest';
import { smallHost, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { XenError } from '../../base/errors.js';
import { Random } from '../../base/random.js';
import { Faults, Life } from '../../simulator/faults.js';
import { Disk, faultyState } from '../../simulator/faulty-state.js';
import { XEN_CAPABILITIES } from '../../xenopsd/api/host-doors.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import type { StateStore } from '../model/storage.js';

const POWEROFF = 0;
const REBOOT = 1;
/** As its toolstack would start it. */
const PVH = { domain_type: 'pvh', PV_kernel: '/boot/guest' };

async function host() {
  const embedded = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  const disk = new Disk();
  const faults = new Faults(new Random(1), null);
  const daemon = (wrap: (state: StateStore) => StateStore = (state) => state) =>
    testDaemon({
      doors: { ...embedded, xs: embedded.store.connect(0), can: XEN_CAPABILITIES },
      wrapState: () => wrap(faultyState(disk, faults, new Life())),
    });
  /** A guest goes, and XenStore says so. */
  const end = async (domid: number, reason: number) => {
    embedded.xc.domainShutdown(domid, reason);
    await embedded.xs.introduce(domid + 1000, 1n, 1);
    await embedded.xs.release(domid + 1000);
  };
  return { embedded, disk, faults, daemon, end };
}

it('a VM that ran and was never written down is halted by the next daemon, which starts', async () => {
  const { embedded, daemon } = await host();
  const first = await daemon();
  const vm = String(await first.call('VM.create', vmRecord('guest', PVH)));
  const name = String(await first.call('VM.get_uuid', vm));
  const memory = { memoryStaticMaxBytes: 2 ** 28, memoryTargetBytes: 2 ** 28 };
  const boot = { kernel: '/boot/guest' };
  await first.toolstack.add({ name, uuid: name, kind: 'pvh', vcpusMax: 1, vcpusAtStartup: 1, ...memory, vcpusParams: {}, boot });
  const { domid } = await first.toolstack.start(name);
  const next = await daemon();
  expect(await next.call('VM.get_power_state', vm)).toBe('Halted');
  expect(embedded.xc.domainInfo(domid!)).toBeNull();
  await next.close();
});

it('a domain that was paused and not written down is Paused to the next daemon', async () => {
  const { embedded, daemon } = await host();
  const first = await daemon();
  const vm = String(await first.call('VM.create', vmRecord('guest', PVH)));
  await first.call('VM.start', vm, false, false);
  const domid = Number(await first.call('VM.get_domid', vm));
  embedded.xc.domainPause(domid);
  const next = await daemon();
  expect(await next.call('VM.get_power_state', vm)).toBe('Paused');
  await next.call('VM.unpause', vm);
  expect(embedded.xc.domainInfo(domid)!.paused).toBe(false);
  await next.close();
});

it('a guest that goes while the disk is full is noticed once there is room', async () => {
  const { embedded, daemon, faults, end } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', { ...PVH, actions_after_shutdown: 'destroy' })));
  await one.call('VM.start', vm, false, false);
  const domid = Number(await one.call('VM.get_domid', vm));
  faults.diskErrno = 'ENOSPC';
  await end(domid, POWEROFF);
  await new Promise((done) => setTimeout(done, 50));
  faults.heal();
  await expect.poll(() => one.call('VM.get_power_state', vm), { timeout: 10_000 }).toBe('Halted');
  expect(embedded.xc.domainInfo(domid)).toBeNull();
  await one.close();
}, 20_000);

it('a guest that reboots again and again has one placement on disk', async () => {
  const { daemon, disk, end } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', { ...PVH, actions_after_reboot: 'restart' })));
  await one.call('VM.start', vm, false, false);
  for (let round = 0; round < 3; round++) {
    const domid = Number(await one.call('VM.get_domid', vm));
    await end(domid, REBOOT);
    await expect.poll(() => one.call('VM.get_domid', vm)).toBeGreaterThan(domid);
  }
  await one.database.flushed();
  expect([...disk.objects.values()].filter(({ type }) => type === 'placement')).toHaveLength(1);
  await one.close();
});

it('a start whose pause is refused leaves no domain behind', async () => {
  const { embedded, daemon } = await host();
  const one = await daemon();
  const { xc } = embedded;
  (xc as { domainPause: typeof xc.domainPause }).domainPause = () => {
    throw new XenError('ESRCH', 'pausedomain');
  };
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  await expect(one.call('VM.start', vm, true, false)).rejects.toThrow(/pausedomain/);
  expect(await one.call('VM.get_power_state', vm)).toBe('Halted');
  expect(embedded.xc.domainList().map(({ domid }) => domid)).toEqual([0]);
  await one.close();
});

it.each(['ENOSPC', 'EROFS'])('a start that storage refuses at its end does not come true (%s)', async (errno) => {
  const { embedded, faults, daemon } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  // From the moment when the toolstack has its domain, the disk takes nothing any more.
  const { xc } = embedded;
  const unpause = xc.domainUnpause;
  (xc as { domainUnpause: typeof unpause }).domainUnpause = (domid) => {
    unpause(domid);
    setImmediate(() => {
      faults.diskErrno = errno;
    });
  };
  await expect(one.call('VM.start', vm, false, false)).rejects.toThrow();
  expect(await one.call('VM.get_power_state', vm)).toBe('Halted');
  expect(embedded.xc.domainList().map(({ domid }) => domid)).toEqual([0]);
  faults.heal();
  await one.close();
});

it('a daemon that was killed in the middle of a start serves reads on a full disk', async () => {
  const { embedded, disk, faults, daemon } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  const domains = disk.domains;
  await one.call('VM.start', vm, false, false);
  const [[name, text]] = [...domains] as [[string, string]];
  domains.set(name, text.replace('"phase":"running"', '"phase":"starting"'));
  expect(domains.get(name)).not.toBe(text);
  faults.diskErrno = 'ENOSPC';
  const next = await daemon();
  expect(await next.call('VM.get_name_label', vm)).toBe('guest');
  faults.heal();
  await next.close();
  expect(embedded.xc.domainList().length).toBeLessThanOrEqual(2);
});
