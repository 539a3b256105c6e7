// Suspend, resume and migration of guests that have a memory, and what a process that dies in the
// middle leaves. The embedded host has no guests: one that answers to `control/shutdown` and a
// builder that writes a word for its memory stand in. The real ones: test/xen/moved.
import { mkdtempSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { DOMCTL, HYPERCALL } from '../../abi/commands.js';
import { DOMCTL_AT } from '../../abi/layout.js';
import { InputError, XenError } from '../../base/errors.js';
import { type GuestStreams, type SuspendGuest, XenguestError } from '../../xenguest/xenguest.js';
import { MemoryMetadata } from '../api/metadata.js';
import type { ToolstackOptions } from '../api/toolstack.js';
import { type EmbeddedHost, embeddedHost } from '../hosts/embedded-host.js';
import { fileImages } from '../store/suspend-image.js';
import { createToolstack } from './toolstack.js';

const SUSPEND = 2;
const POWEROFF = 0;
const GUEST = Buffer.from('guest');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'guest-memory-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Xen's resumedomain, as libxenguest ends with it. */
function resumeDomain({ xc: { door } }: EmbeddedHost, domid: number): void {
  const op = door.allocBuffer(144);
  op.view.setUint32(DOMCTL_AT.cmd, DOMCTL.resumedomain, true);
  op.view.setUint32(DOMCTL_AT.version, 0x15, true);
  op.view.setUint16(DOMCTL_AT.domain, domid, true);
  expect(door.hypercall(HYPERCALL.domctl, op.address)).toBe(0);
  door.freeBuffer(op);
}

interface Faults {
  /** What the guest does when it is asked to suspend itself. */
  guest: 'suspends' | 'is deaf' | 'powers off';
  save: 'works' | 'fails before' | 'fails after';
  restore: 'works' | 'fails';
  resume: 'works' | 'fails';
}

/** A host with guests of a word, and their builder. */
async function hostWithGuests() {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3', xenVersion: '4.17' });
  const faults: Faults = { guest: 'suspends', save: 'works', restore: 'works', resume: 'works' };
  const failing = (what: string) => new XenguestError(`xenguest: ${what} failed`);
  const save = async (fd: number | null, suspend: SuspendGuest) => {
    if (faults.save === 'fails before') throw failing('save');
    await suspend();
    if (faults.save === 'fails after') throw failing('save');
    if (fd !== null) writeSync(fd, GUEST);
  };
  const restore: GuestStreams['restore'] = (args, fd, run) => {
    const memory = Buffer.alloc(GUEST.length);
    if (fd !== -1) readSync(fd, memory);
    if (faults.restore === 'fails') return Promise.reject(failing('restore'));
    expect(fd === -1 || memory.equals(GUEST)).toBe(true);
    const { storePort, storeDomid, consolePort, consoleDomid, domid } = args;
    const bounds = { memMaxMib: 256, memStartMib: 256 };
    return host.xenguest.run({ mode: 'pvh_build', image: '', domid, storePort, storeDomid, consolePort, consoleDomid, ...bounds }, run);
  };
  const streams: GuestStreams = {
    save: (_args, fd, suspend) => save(fd, suspend),
    restore,
    move: async (_args, suspend, args, run) => {
      await save(null, suspend);
      return restore(args, -1, run);
    },
    resume: async (domid) => {
      if (faults.resume === 'fails') throw failing('resume');
      resumeDomain(host, domid);
    },
  };
  const doors = { ...host, xenguest: { ...host.xenguest, streams } };
  /** Each wait of the toolstack is a turn of the guests. */
  const sleep = async () => {
    for (const { domid } of host.xc.domainList()) {
      const key = `/local/domain/${domid}/control/shutdown`;
      if (faults.guest === 'is deaf' || (await host.xs.read(key).catch(() => '')) === '') continue;
      await host.xs.write(key, '');
      host.xc.domainShutdown(domid, faults.guest === 'suspends' ? SUSPEND : POWEROFF);
    }
  };
  const metadata = new MemoryMetadata();
  const options: ToolstackOptions = { profile: 'xapi-26.3', policy: 'best_effort', seed: 1, metadata, sleep, images: fileImages(folder) };
  return { host, doors, faults, options, metadata };
}

const pvh = () => vm('a', 2, 256, { kind: 'pvh' });
const domidsOf = ({ xc }: EmbeddedHost) => xc.domainList().map(({ domid }) => domid);

describe('suspend and resume', () => {
  it('the memory is kept in a file and goes to a domain that is placed anew; nothing of either is left', async () => {
    const { host, doors, options } = await hostWithGuests();
    const unused = { keys: host.store.list(), free: host.inspect.freePages() };
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    expect(await toolstack.suspend('a')).toMatchObject({ operation: 'suspend', failure: null, domid: null });
    expect(toolstack.vms()[0]).toMatchObject({ power: 'suspended', domid: null });
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(unused);
    expect(readdirSync(folder)).toHaveLength(1);

    // Another process, and another policy.
    const next = await createToolstack(doors, { ...options, policy: 'any' });
    const resumed = await next.resume('a');
    expect(resumed).toMatchObject({ operation: 'resume', failure: null });
    expect(resumed.domid).not.toBe(domid);
    expect(resumed.record.visits('is_Host.numa_affinity_policy_set?')).toMatchObject([{ policy: 'any' }]);
    expect(host.xc.domainInfo(resumed.domid!)).toMatchObject({ paused: false, shutdown: null });
    expect(next.vms()[0]).toMatchObject({ power: 'running', domid: resumed.domid });
    expect(readdirSync(folder)).toEqual([]);
    await next.stop('a');
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(unused);
  });

  it.each([
    [{ guest: 'is deaf' }, /Failed_to_acknowledge_suspend_request/],
    [{ save: 'fails before' }, /save failed/],
    [{ save: 'fails after' }, /save failed/],
  ] as const)('a suspend that fails (%j) leaves the guest running, and no file', async (fault, message) => {
    const { host, doors, faults, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    const keys = host.store.list();
    Object.assign(faults, fault);
    const { failure } = await toolstack.suspend('a');
    expect(failure).toMatchObject({ step: 'VM.save', message: expect.stringMatching(message) });
    expect(toolstack.vms()[0]).toMatchObject({ power: 'running', domid });
    expect(host.xc.domainInfo(domid!)).toMatchObject({ paused: false, shutdown: null });
    expect(readdirSync(folder)).toEqual([]);
    expect(host.store.list().filter(({ path }) => !path.endsWith('/control/shutdown'))).toEqual(keys);
    expect(await toolstack.noticeEnded()).toEqual([]);
  });

  it('a guest that powers itself off instead is ended as one', async () => {
    const { doors, faults, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    await toolstack.start('a');
    faults.guest = 'powers off';
    expect((await toolstack.suspend('a')).failure).toMatchObject({ message: expect.stringMatching(/went down for reason 0 instead/) });
    expect(await toolstack.noticeEnded()).toMatchObject([{ ending: 'poweroff', failure: null }]);
    expect(toolstack.vms()[0]!.power).toBe('halted');
  });

  it('a resume that fails leaves the VM suspended with its file, and no domain', async () => {
    const { host, doors, faults, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const unused = { keys: host.store.list(), free: host.inspect.freePages() };
    await toolstack.start('a');
    await toolstack.suspend('a');
    faults.restore = 'fails';
    expect((await toolstack.resume('a')).failure).toMatchObject({ step: 'xenguest', message: 'xenguest: restore failed' });
    expect(toolstack.vms()[0]).toMatchObject({ power: 'suspended', domid: null });
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(unused);
    faults.restore = 'works';
    expect((await toolstack.resume('a')).failure).toBeNull();
  });

  it('a VM whose file is gone is not resumed, and a stop forgets it', async () => {
    const { doors, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    await toolstack.start('a');
    await toolstack.suspend('a');
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    expect((await toolstack.resume('a')).failure).toMatchObject({
      message: expect.stringMatching(/memory of a suspended guest, got ENOENT/),
    });
    for (const request of [
      () => toolstack.start('a'),
      () => toolstack.pause('a'),
      () => toolstack.remove('a'),
      () => toolstack.suspend('a'),
    ]) {
      await expect(request()).rejects.toThrow(InputError);
    }
    expect(await toolstack.stop('a')).toMatchObject({ failure: null });
    expect(toolstack.vms()[0]!.power).toBe('halted');
    expect((await toolstack.start('a')).failure).toBeNull();
  });

  it('a host without guests, and a guest with a device model, are refused', async () => {
    const { host, doors, options } = await hostWithGuests();
    const plain = await createToolstack(host, { ...options, metadata: new MemoryMetadata() });
    await plain.add(pvh());
    await plain.start('a');
    await expect(plain.suspend('a')).rejects.toThrow(/no memory of guests can be kept here/);
    await plain.stop('a');
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(vm('windows', 1, 256));
    await toolstack.start('windows');
    await expect(toolstack.suspend('windows')).rejects.toThrow(/has a device model/);
    await expect(toolstack.migrateLocal('windows')).rejects.toThrow(/has a device model/);
  });
});

describe('shutdown', () => {
  it('is asked of the guest, and its domain goes when it is down', async () => {
    const { host, doors, faults, options } = await hostWithGuests();
    const unused = { keys: host.store.list(), free: host.inspect.freePages() };
    const toolstack = await createToolstack({ ...doors, can: { ...doors.can, runsGuests: true } }, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    faults.guest = 'is deaf';
    const refused = await toolstack.shutdown('a');
    expect(refused.failure).toMatchObject({
      step: 'VM.shutdown',
      message: expect.stringMatching(/Failed_to_acknowledge_shutdown_request/),
    });
    expect(host.xc.domainInfo(domid!)!.shutdown).toBeNull();
    faults.guest = 'powers off';
    expect(await toolstack.shutdown('a')).toMatchObject({ operation: 'stop', failure: null, domid: null });
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(unused);
  });
});

describe('migration of a guest with a memory', () => {
  it('is from domain to domain, and a paused one cannot be', async () => {
    const { host, doors, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    const moved = await toolstack.migrateLocal('a');
    expect(moved.failure).toBeNull();
    expect(moved.record.notes('restored')).toEqual([{ domid: moved.domid, from: domid }]);
    expect(domidsOf(host)).toEqual([0, moved.domid]);
    expect(host.xc.domainInfo(moved.domid!)).toMatchObject({ paused: false, shutdown: null });
    await toolstack.pause('a');
    await expect(toolstack.migrateLocal('a')).rejects.toThrow(/VM 'a' is paused/);
  });

  it.each([
    [{ guest: 'is deaf' }, 'VM.save'],
    [{ save: 'fails after' }, 'xenguest'],
    [{ restore: 'fails' }, 'xenguest'],
  ] as const)('that fails (%j) leaves the guest where it is, running', async (fault, step) => {
    const { host, doors, faults, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    const free = host.inspect.freePages();
    Object.assign(faults, fault);
    expect((await toolstack.migrateLocal('a')).failure).toMatchObject({ step });
    expect(toolstack.vms()[0]).toMatchObject({ power: 'running', domid });
    expect(domidsOf(host)).toEqual([0, domid]);
    expect(host.xc.domainInfo(domid!)).toMatchObject({ paused: false, shutdown: null });
    expect(host.inspect.freePages()).toEqual(free);
  });
});

it.each(['suspend', 'migrateLocal'] as const)(
  '%s: a guest that cannot be woken is told of, and woken by the next process',
  async (what) => {
    const { host, doors, faults, options } = await hostWithGuests();
    const toolstack = await createToolstack(doors, options);
    await toolstack.add(pvh());
    const { domid } = await toolstack.start('a');
    Object.assign(faults, { save: 'fails after', resume: 'fails' });
    const { failure, record } = await toolstack[what]('a');
    expect(failure).not.toBeNull();
    expect(record.notes('suspend called off').at(-1)).toEqual({ domid, failure: 'xenguest: resume failed' });
    expect(host.xc.domainInfo(domid!)!.shutdown).toBe(SUSPEND);
    // Nor does one that fails in the same way lose it.
    await createToolstack(doors, options);
    expect(domidsOf(host)).toEqual([0, domid]);
    faults.resume = 'works';
    const next = await createToolstack(doors, options);
    expect(next.vms()[0]).toMatchObject({ power: 'running', domid });
    expect(host.xc.domainInfo(domid!)!.shutdown).toBeNull();
  },
);

it('a host that does not answer about the guest hides no failed suspend, and the next process wakes the guest', async () => {
  const { host, doors, faults, options } = await hostWithGuests();
  let away = false;
  const domainInfo = (domid: number) => {
    if (away) throw new XenError('EFAULT', 'xc_domain_getinfo');
    return host.xc.domainInfo(domid);
  };
  const xc: EmbeddedHost['xc'] = Object.setPrototypeOf({ domainInfo }, host.xc);
  const streams: GuestStreams = {
    ...doors.xenguest.streams,
    save: async (...args) => {
      await doors.xenguest.streams.save(...args).finally(() => {
        away = true;
      });
    },
  };
  const toolstack = await createToolstack({ ...doors, xc, xenguest: { ...doors.xenguest, streams } }, options);
  await toolstack.add(pvh());
  const { domid } = await toolstack.start('a');
  faults.save = 'fails after';
  const { failure, record } = await toolstack.suspend('a');
  expect(failure).toMatchObject({ step: 'VM.save', message: 'xenguest: save failed' });
  expect(record.notes('suspend called off').at(-1)).toEqual({ domid, failure: expect.stringMatching(/^xc_domain_getinfo: .*EFAULT/) });
  expect(host.xc.domainInfo(domid!)!.shutdown).toBe(SUSPEND);
  const next = await createToolstack(doors, options);
  expect(next.vms()[0]).toMatchObject({ power: 'running', domid });
  expect(host.xc.domainInfo(domid!)!.shutdown).toBeNull();
});

describe('a process that dies while it', () => {
  /** The state that the next process finds, after `calls` saves of the VM's state. */
  async function dying(operation: 'suspend' | 'resume' | 'migrateLocal', saves: number) {
    const { host, doors, options, metadata } = await hostWithGuests();
    const first = await createToolstack(doors, options);
    await first.add(pvh());
    await first.start('a');
    if (operation === 'resume') await first.suspend('a');
    let left = saves;
    let died!: () => void;
    const death = new Promise<null>((resolve) => {
      died = () => resolve(null);
    });
    const dyingStore = {
      load: () => metadata.load(),
      remove: (name: string) => metadata.remove(name),
      save: (...args: Parameters<MemoryMetadata['save']>) => {
        if (left-- > 0) return metadata.save(...args);
        died();
        return new Promise<void>(() => {});
      },
    };
    const second = await createToolstack(doors, { ...options, metadata: dyingStore });
    const outcome = await Promise.race([second[operation]('a'), death]);
    return { host, done: outcome !== null, next: await createToolstack(doors, options) };
  }

  it.each(['suspend', 'resume', 'migrateLocal'] as const)('performs %s: the guest is there once, and goes on', async (operation) => {
    for (let saves = 0; ; saves++) {
      const { host, done, next } = await dying(operation, saves);
      const [{ power, domid }] = next.vms() as [ReturnType<typeof next.vms>[number]];
      expect(domidsOf(host), `${saves} saves`).toEqual(domid === null ? [0] : [0, domid]);
      if (power === 'paused') await next.unpause('a');
      if (power === 'suspended') {
        expect(readdirSync(folder)).toHaveLength(1);
        expect((await next.resume('a')).failure).toBeNull();
      }
      const now = next.vms()[0]!;
      expect(now.power, `${saves} saves`).toBe('running');
      expect(host.xc.domainInfo(now.domid!)).toMatchObject({ paused: false, shutdown: null });
      expect(readdirSync(folder)).toEqual([]);
      if (done) break;
      expect(saves).toBeLessThan(10);
    }
  });
});
