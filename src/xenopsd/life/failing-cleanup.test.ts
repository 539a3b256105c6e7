// Operations that fail, with one more call that fails while they are undone: each call of the host,
// the store and the files of memory in turn. Whatever fails, the VM is in a state that a user
// knows, and once the host works again, a stop and a removal leave nothing.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { XenError } from '../../base/errors.js';
import { type GuestStreams, XenguestError } from '../../xenguest/xenguest.js';
import type { GuestImages } from '../api/guest-images.js';
import { MemoryMetadata } from '../api/metadata.js';
import type { Toolstack, ToolstackOptions } from '../api/toolstack.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { fileImages } from '../store/suspend-image.js';
import { createToolstack } from './toolstack.js';

const SUSPEND = 2;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'failing-cleanup-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What fails: the operation itself, and then call number `at` of its cleanup. */
class Faults {
  operation: 'suspend' | 'restore' | 'unpause' | null = null;
  at = 0;
  calls = 0;
  failedCall = '';
  /** It was tried to let the guest go on. */
  resumed = false;
  #failed = false;

  /** The operation fails here. */
  fails(operation: Faults['operation']): boolean {
    if (this.operation !== operation || this.#failed) return false;
    this.#failed = true;
    return true;
  }

  /** A call of the cleanup. */
  count(name: string): void {
    if (!this.#failed) return;
    if (name === 'resume') this.resumed = true;
    if (++this.calls !== this.at) return;
    this.failedCall = name;
    throw new XenError('EIO', name, 'injected');
  }

  arm(operation: Faults['operation'], at: number): void {
    Object.assign(this, { operation, at, calls: 0, failedCall: '', resumed: false });
    this.#failed = false;
  }
}

/** The same object, each of whose methods counts as a call. */
function counted<T extends object>(target: T, faults: Faults): T {
  return new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'withFlow') return counted(value.apply(target, args) as object, faults);
        if (name === 'domainUnpause' && faults.fails('unpause')) throw new XenError('EPERM', 'domain_unpause', 'injected');
        faults.count(String(name));
        return value.apply(target, args) as unknown;
      };
    },
  });
}

async function hostWithGuest() {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3', xenVersion: '4.17' });
  const unused = { keys: host.store.list(), free: host.inspect.freePages() };
  const faults = new Faults();
  const failing = (what: string) => new XenguestError(`xenguest: ${what} failed`);
  const restore: GuestStreams['restore'] = (args, _fd, run) => {
    if (faults.fails('restore')) return Promise.reject(failing('restore'));
    const { storePort, storeDomid, consolePort, consoleDomid, domid } = args;
    const bounds = { memMaxMib: 256, memStartMib: 256 };
    return host.xenguest.run({ mode: 'pvh_build', image: '', domid, storePort, storeDomid, consolePort, consoleDomid, ...bounds }, run);
  };
  const streams: GuestStreams = {
    save: async (_args, _fd, suspend) => {
      await suspend();
      if (faults.fails('suspend')) throw failing('save');
    },
    restore,
    move: async (_args, suspend, args, run) => {
      await suspend();
      return restore(args, -1, run);
    },
    // The embedded host's guests go on by themselves.
    resume: async () => faults.count('resume'),
  };
  const real = fileImages(folder);
  const images: GuestImages = {
    write: (owner, write) => real.write(owner, write),
    read: (owner, read) => real.read(owner, read),
    remove: async (owner) => {
      try {
        faults.count('remove of the image');
      } catch {
        throw Object.assign(new Error('EIO: i/o error, unlink'), { code: 'EIO', syscall: 'unlink' });
      }
      await real.remove(owner);
    },
  };
  /** The guest suspends itself when it is asked to. */
  const sleep = async () => {
    for (const { domid, shutdown } of host.xc.domainList()) {
      const key = `/local/domain/${domid}/control/shutdown`;
      if (shutdown !== null || (await host.xs.read(key).catch(() => '')) !== 'suspend') continue;
      await host.xs.write(key, '');
      host.xc.domainShutdown(domid, SUSPEND);
    }
  };
  const doors = { ...host, xc: counted(host.xc, faults), xs: counted(host.xs, faults), xenguest: { ...host.xenguest, streams } };
  const options: ToolstackOptions = { profile: 'xapi-26.3', policy: 'best_effort', seed: 1, metadata: new MemoryMetadata(), sleep, images };
  return { host, unused, faults, doors, options };
}

type Case = readonly [
  name: string,
  operation: Faults['operation'],
  before: (toolstack: Toolstack) => Promise<unknown>,
  work: (toolstack: Toolstack) => Promise<unknown>,
];

const start = (toolstack: Toolstack) => toolstack.start('a');
const CASES: readonly Case[] = [
  ['a start that cannot be unpaused', 'unpause', async () => {}, start],
  ['a suspend whose save fails', 'suspend', start, (toolstack) => toolstack.suspend('a')],
  ['a migration whose copy fails', 'restore', start, (toolstack) => toolstack.migrateLocal('a')],
  [
    'a resume whose restore fails',
    'restore',
    async (toolstack) => {
      await start(toolstack);
      await toolstack.suspend('a');
    },
    (toolstack) => toolstack.resume('a'),
  ],
];

/** @returns the calls that the cleanup made */
async function failing([name, operation, before, work]: Case, at: number, restart: boolean): Promise<number> {
  const { host, unused, faults, doors, options } = await hostWithGuest();
  let toolstack = await createToolstack(doors, options);
  await toolstack.add(vm('a', 2, 256, { kind: 'pvh' }));
  await before(toolstack);
  const { power } = toolstack.vms()[0]!;
  faults.arm(operation, at);
  const where = `${name}, call ${at} of the cleanup fails${restart ? ', restart' : ''}`;
  expect(await work(toolstack), where).toMatchObject({ failure: expect.anything() });
  const { calls, resumed, failedCall } = faults;
  // A guest that has suspended itself is told to go on, unless this itself could not be looked at.
  if (power === 'running') expect(resumed || failedCall === 'domainInfo', `${where}: ${failedCall}`).toBe(true);
  faults.arm(null, 0);
  // As before: nothing halts a guest that ran, and nothing is lost of one that was suspended.
  expect(toolstack.vms()[0]!.power, where).toBe(power);
  if (restart) toolstack = await createToolstack(doors, options);
  expect(toolstack.vms()[0]!.power, where).toBe(power);
  if (power !== 'halted') await toolstack.stop('a');
  await toolstack.remove('a');
  expect(
    { domains: host.xc.domainList().map(({ domid }) => domid), keys: host.store.list(), free: host.inspect.freePages() },
    where,
  ).toEqual({
    domains: [0],
    ...unused,
  });
  expect(readdirSync(folder), where).toEqual([]);
  return calls;
}

it.each(CASES)('%s', async (...one) => {
  const calls = await failing(one, 0, false);
  expect(calls).toBeGreaterThan(3);
  for (let at = 1; at <= calls; at++) for (const restart of [false, true]) await failing(one, at, restart);
});
