// A real host, whose domains outlive the daemon: record, toolstack and Xen agree again after the
// daemon died or a disk refused a commit. Each case was found by the simulator.
import { expect, it } from 'vitest';
import { smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
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

it('a commit of others that is refused makes no refusal of a start that is stored already', async () => {
  const { embedded, faults, daemon } = await host();
  const one: TestDaemon = await daemon((state) => ({
    ...state,
    commit(changes) {
      const all = [...changes];
      state.commit(all);
      // The start is stored now. Somebody else's change comes next, and the disk takes it no more.
      if (!all.some(({ record }) => record?.power_state === 'Running' && Number(record.domid) > 0)) return;
      queueMicrotask(() => {
        one.database.update('VM', other, { name_label: 'refused' });
        faults.diskErrno = 'EIO';
      });
    },
  }));
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  const other = String(await one.call('VM.create', vmRecord('other', PVH)));
  expect(await one.call('VM.start', vm, false, false)).toBe('');
  expect(await one.call('VM.get_power_state', vm)).toBe('Running');
  await one.database.flushed().catch(() => {});
  expect(await one.call('VM.get_name_label', other)).toBe('other');
  faults.heal();
  await one.close();
  expect(embedded.xc.domainList()).toHaveLength(2);
});

it('a commit of others that is refused while a shutdown is under way does not refuse the shutdown', async () => {
  const { faults, daemon, disk } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  await one.call('VM.start', vm, false, false);
  const other = String(await one.call('VM.create', vmRecord('other', PVH)));
  // While the toolstack forgets the domain, which is gone by now.
  const forget = one.toolstack.remove.bind(one.toolstack);
  one.toolstack.remove = async (name) => {
    faults.diskErrno = 'EIO';
    one.database.update('VM', other, { name_label: 'refused' });
    await expect(one.database.flushed()).rejects.toThrow(/EIO/);
    faults.heal();
    one.database.probe();
    await forget(name);
  };
  expect(await one.call('VM.hard_shutdown', vm)).toBe('');
  expect(await one.call('VM.get_power_state', vm)).toBe('Halted');
  expect(disk.record(vm)).toMatchObject({ power_state: 'Halted', domid: -1, consoles: [] });
  expect(await one.call('VM.get_name_label', other)).toBe('other');
  await one.close();
});

it('a start that is refused and whose domain cannot be stopped then is stopped later', async () => {
  const { embedded, faults, daemon } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  const { xc } = embedded;
  const { domainUnpause, domainDestroy } = xc;
  let refuses = true;
  Object.assign(xc, {
    domainUnpause(domid: number) {
      domainUnpause.call(xc, domid);
      setImmediate(() => {
        faults.diskErrno = 'ENOSPC';
      });
    },
    domainDestroy(domid: number) {
      if (refuses) throw new XenError('EBUSY', 'destroydomain');
      return domainDestroy.call(xc, domid);
    },
  });
  await expect(one.call('VM.start', vm, false, false)).rejects.toThrow();
  expect(embedded.xc.domainList()).toHaveLength(2);
  expect(await one.call('VM.get_power_state', vm)).toBe('Running');
  faults.heal();
  refuses = false;
  await expect.poll(() => one.call('VM.get_power_state', vm), { timeout: 20_000 }).toBe('Halted');
  expect(embedded.xc.domainList().map(({ domid }) => domid)).toEqual([0]);
  await one.close();
}, 30_000);

/** The host refuses this call of Xen's once. */
function refuseOnce(xc: object, call: 'domainPause' | 'domainUnpause' | 'domainDestroy'): { count: number } {
  const refused = { count: 0 };
  const inner = Reflect.get(xc, call) as (domid: number) => void;
  Object.assign(xc, {
    [call](domid: number) {
      if (refused.count++ === 0) throw new XenError('EBUSY', call);
      inner.call(xc, domid);
    },
  });
  return refused;
}

it.each(['pause', 'unpause'] as const)(
  'a %s that storage refuses, and that cannot be undone at once, is undone later',
  async (operation) => {
    const { embedded, faults, daemon } = await host();
    const one = await daemon();
    const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
    await one.call('VM.start', vm, operation === 'unpause', false);
    const domid = Number(await one.call('VM.get_domid', vm));
    const isPaused = () => embedded.xc.domainInfo(domid)!.paused;
    const before = isPaused();
    const { xc } = embedded;
    const call = operation === 'pause' ? 'domainPause' : 'domainUnpause';
    const inner = xc[call];
    Object.assign(xc, {
      [call](id: number) {
        inner.call(xc, id);
        // From here on.
        setImmediate(() => {
          faults.diskErrno = 'ENOSPC';
        });
      },
    });
    const undone = refuseOnce(xc, operation === 'pause' ? 'domainUnpause' : 'domainPause');
    await expect(one.call(`VM.${operation}`, vm)).rejects.toThrow('nothing was changed');
    expect([isPaused(), undone.count]).toEqual([!before, 1]);
    await expect.poll(isPaused, { timeout: 20_000 }).toBe(before);
    faults.heal();
    await one.close();
  },
  30_000,
);

it('a number of vCPUs that storage refuses, and that XenStore does not take back at once, is taken back later', async () => {
  const { embedded, faults, daemon } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  await one.call('VM.start', vm, false, false);
  const key = `/local/domain/${Number(await one.call('VM.get_domid', vm))}/cpu/1/availability`;
  const setLive = one.toolstack.setLive.bind(one.toolstack);
  let calls = 0;
  one.toolstack.setLive = async (name, live) => {
    if (++calls === 2) throw new XenError('EAGAIN', 'xs_transaction_end');
    await setLive(name, live);
    if (calls === 1) faults.diskErrno = 'ENOSPC';
  };
  await expect(one.call('VM.set_VCPUs_number_live', vm, 1)).rejects.toThrow('nothing was changed');
  expect(await embedded.xs.read(key)).toBe('offline');
  faults.heal();
  await expect.poll(() => embedded.xs.read(key), { timeout: 20_000 }).toBe('online');
  await one.close();
}, 30_000);

it('a VM that was paused is paused after a restart, if not at once', async () => {
  const disk = new Disk();
  const wrapState = () => faultyState(disk, new Faults(new Random(1), null), new Life());
  const first = await testDaemon({ wrapState });
  const vm = String(await first.call('VM.create', vmRecord('guest', PVH)));
  await first.call('VM.start', vm, true, false);
  // The embedded host ends with its process.
  const embedded = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  const refused = refuseOnce(embedded.xc, 'domainPause');
  const next = await testDaemon({ wrapState, doors: { ...embedded, xs: embedded.store.connect(0) } });
  expect(refused.count).toBeGreaterThan(0);
  expect(await next.call('VM.get_power_state', vm)).toBe('Paused');
  const domid = Number(await next.call('VM.get_domid', vm));
  await expect.poll(() => embedded.xc.domainInfo(domid)!.paused, { timeout: 20_000 }).toBe(true);
  await next.close();
}, 30_000);

it.each(['of no VM', 'of a halted VM'])(
  'a domain %s that cannot be stopped at the start of the daemon is stopped later',
  async (whose) => {
    const { embedded, daemon } = await host();
    const first = await daemon();
    const vm = String(await first.call('VM.create', vmRecord('guest', PVH)));
    const name = whose === 'of no VM' ? '7e5a5f8e-5a0f-4e0c-9d51-9c5a0ab4cf3d' : String(await first.call('VM.get_uuid', vm));
    const memory = { memoryStaticMaxBytes: 2 ** 28, memoryTargetBytes: 2 ** 28 };
    const boot = { kernel: '/boot/guest' };
    await first.toolstack.add({ name, uuid: name, kind: 'pvh', vcpusMax: 1, vcpusAtStartup: 1, ...memory, vcpusParams: {}, boot });
    await first.toolstack.start(name);
    refuseOnce(embedded.xc, 'domainDestroy');
    const next = await daemon();
    expect(embedded.xc.domainList()).toHaveLength(2);
    await expect.poll(() => embedded.xc.domainList().length, { timeout: 20_000 }).toBe(1);
    await expect.poll(() => next.toolstack.vms()).toEqual([]);
    expect(await next.call('VM.get_power_state', vm)).toBe('Halted');
    await next.close();
  },
  30_000,
);

it('a guest that reboots and cannot start again, nor be cleaned up then, is cleaned up later', async () => {
  const { embedded, daemon, end } = await host();
  const one = await daemon();
  const vm = String(await one.call('VM.create', vmRecord('guest', { ...PVH, actions_after_reboot: 'restart' })));
  await one.call('VM.start', vm, false, false);
  const { xc } = embedded;
  const { domainUnpause, domainDestroy } = xc;
  let refuses = true;
  Object.assign(xc, {
    domainUnpause(domid: number) {
      if (refuses) throw new XenError('ESRCH', 'unpausedomain');
      domainUnpause.call(xc, domid);
    },
    domainDestroy(domid: number) {
      if (refuses && domid !== first) throw new XenError('EBUSY', 'destroydomain');
      return domainDestroy.call(xc, domid);
    },
  });
  const first = Number(await one.call('VM.get_domid', vm));
  await end(first, REBOOT);
  await expect
    .poll(() =>
      embedded.xc
        .domainList()
        .map(({ domid }) => domid)
        .filter((domid) => domid > first),
    )
    .toHaveLength(1);
  refuses = false;
  await expect.poll(() => embedded.xc.domainList().length, { timeout: 20_000 }).toBe(1);
  expect(await one.call('VM.get_power_state', vm)).toBe('Halted');
  await one.close();
}, 30_000);

it('an object that is gone as a fact stays gone when the commit with it is refused, and its successor is the only one', async () => {
  const { daemon, disk, faults } = await host();
  const one = await daemon();
  const { database } = one;
  const vm = String(await one.call('VM.create', vmRecord('guest', PVH)));
  const uuid = '5c2a3f93-e993-4635-8743-93525e1dfa03';
  const first = database.create('placement', { hard: ['0'], soft: ['0'] }, uuid);
  await database.flushed();
  database.destroy('placement', first, 'fact');
  database.update('VM', vm, { name_description: 'refused' });
  const second = database.create('placement', { hard: ['1'], soft: ['1'] }, uuid, 'fact');
  faults.diskErrno = 'ENOSPC';
  await expect(database.flushed()).rejects.toThrow(/ENOSPC/);
  expect(database.findUuid('placement', uuid)).toBe(second);
  faults.heal();
  expect(database.probe()).toBe(true);
  await database.flushed();
  expect([...disk.objects].filter(([, { type }]) => type === 'placement').map(([ref]) => ref)).toEqual([second]);
  expect(database.refs('placement')).toEqual([second]);
  await one.close();
});
