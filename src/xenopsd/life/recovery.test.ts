// A process that dies between any two steps: what it left is gone once another one takes over with
// the same metadata.
import { describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { XenError } from '../../base/errors.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';
import type { HostDoors } from '../api/host-doors.js';
import { MemoryMetadata } from '../api/metadata.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { createToolstack } from './toolstack.js';

const OPTIONS = { profile: 'xapi-26.3', policy: 'best_effort', seed: 1 } as const;

/**
 * A connection that answers `calls` times and then never again; `died` resolves when that happens.
 */
function dyingAfter(xs: XenstoreConnection, calls: number): { xs: XenstoreConnection; died: Promise<void>; made: () => number } {
  let left = calls;
  let made = 0;
  let die: () => void;
  const died = new Promise<void>((resolve) => {
    die = resolve;
  });
  const proxy = new Proxy(xs, {
    get(target, key) {
      const member = Reflect.get(target, key) as unknown;
      if (typeof member !== 'function') return member;
      // Its calls go through here again, one by one.
      if (key === 'transaction') return (body: (tx: number) => Promise<unknown>) => transaction(proxy, body);
      return (...args: unknown[]) => {
        made++;
        if (left-- > 0) return (member as (...given: unknown[]) => unknown).apply(target, args);
        die();
        return new Promise(() => {});
      };
    },
  });
  return { xs: proxy, died, made: () => made };
}

async function transaction(xs: XenstoreConnection, body: (tx: number) => Promise<unknown>): Promise<unknown> {
  const tx = await xs.transactionStart();
  const result = await body(tx);
  await xs.transactionEnd(tx, true);
  return result;
}

async function die(calls: number, stop: boolean) {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
  const before = { keys: host.store.list(), free: host.inspect.freePages() };
  const metadata = new MemoryMetadata();
  const other = await createToolstack(host, { ...OPTIONS, metadata });
  await other.add(vm('a', 2, 256));
  if (stop) await other.start('a');
  const own = host.store.connect(0);
  const dying = dyingAfter(own, calls);
  const doors: HostDoors = { ...host, xs: dying.xs };
  const first = await createToolstack(doors, { ...OPTIONS, metadata });
  const outcome = await Promise.race([stop ? first.stop('a') : first.start('a'), dying.died.then(() => null)]);
  await own.close();
  const next = await createToolstack(host, { ...OPTIONS, metadata });
  return { host, before, outcome, next, made: dying.made() };
}

it('a start that dies at any call to XenStore leaves nothing, and the VM can be started again', async () => {
  const { made } = await die(Number.MAX_SAFE_INTEGER, false);
  expect(made).toBeGreaterThan(30);
  for (let calls = 0; calls < made; calls++) {
    const { host, before, outcome, next } = await die(calls, false);
    expect(outcome).toBeNull();
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(before);
    expect(next.vms()[0]).toMatchObject({ power: 'halted', domid: null });
    expect((await next.start('a')).failure).toBeNull();
  }
});

it('so does a stop', async () => {
  const { made } = await die(Number.MAX_SAFE_INTEGER, true);
  for (let calls = 0; calls < made; calls++) {
    const { host, before, next } = await die(calls, true);
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(before);
    expect(next.vms()[0]!.power).toBe('halted');
  }
});

it('a running VM is known again, and one whose domain is gone is halted', async () => {
  const host = await embeddedHost(machine([2048, 2048], 2));
  const metadata = new MemoryMetadata();
  const options = { profile: 'xapi-25.6', policy: 'any', seed: 1, metadata } as const;
  const first = await createToolstack(host, options);
  await first.add(vm('a', 1, 256));
  await first.add(vm('b', 1, 256));
  const [a, b] = await first.startTogether(['a', 'b']);
  host.xc.domainDestroy(b!.domid!);
  const next = await createToolstack(host, options);
  expect(next.vms().map(({ power, domid }) => [power, domid])).toEqual([
    ['running', a!.domid],
    ['halted', null],
  ]);
});

it('a VM that somebody paused is paused, also where the host refuses to tell of it at first', async () => {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
  const metadata = new MemoryMetadata();
  const first = await createToolstack(host, { ...OPTIONS, metadata });
  await first.add(vm('a', 2, 256));
  const { domid } = await first.start('a');
  host.xc.domainPause(domid!);
  let refusals = 1;
  const domainInfo = (one: number) => {
    if (refusals-- > 0) throw new XenError('EBUSY', 'getdomaininfo', 'not now');
    return host.xc.domainInfo(one);
  };
  const next = await createToolstack({ ...host, xc: { ...host.xc, domainInfo } }, { ...OPTIONS, metadata });
  expect(next.vms().map(({ power, domid: found }) => [power, found])).toEqual([['paused', domid]]);
  expect(await next.noticeEnded()).toEqual([]);
  expect((await next.unpause('a')).failure).toBeNull();
});

describe('a host that refuses to destroy a domain', () => {
  /** Refuses for as long as `refuses.now`. */
  function refusing(host: Awaited<ReturnType<typeof embeddedHost>>) {
    const refuses = { now: true };
    const xc = {
      ...host.xc,
      domainDestroy: (domid: number) => {
        if (refuses.now) throw new XenError('EBUSY', 'domain_destroy', 'the domain cannot be destroyed now');
        host.xc.domainDestroy(domid);
      },
    };
    return { refuses, doors: { ...host, xc } as HostDoors };
  }

  /** What a start or a stop left that died late, and a second VM, which runs. */
  async function left(stop: boolean) {
    const { made } = await die(Number.MAX_SAFE_INTEGER, stop);
    const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
    const before = { keys: host.store.list(), free: host.inspect.freePages() };
    const metadata = new MemoryMetadata();
    const other = await createToolstack(host, { ...OPTIONS, metadata });
    await other.add(vm('a', 2, 256));
    if (stop) await other.start('a');
    const dying = dyingAfter(host.store.connect(0), stop ? 1 : made - 1);
    const { refuses, doors } = refusing(host);
    const first = await createToolstack({ ...doors, xs: dying.xs }, { ...OPTIONS, metadata });
    await Promise.race([stop ? first.stop('a') : first.start('a'), dying.died]);
    await other.add(vm('b', 1, 256));
    expect(host.xc.domainList()).toHaveLength(2);
    return { host, before, metadata, refuses, doors };
  }

  it.each([false, true])('keeps no toolstack from starting: it tries again, and the VM is halted (a stop: %s)', async (stop) => {
    const { host, before, metadata, refuses, doors } = await left(stop);
    const next = await createToolstack(doors, { ...OPTIONS, metadata });
    const b = await next.start('b');
    expect(b.failure).toBeNull();
    expect((await next.noticeEnded()).map(({ vm, failure }) => [vm, failure?.errno])).toEqual([['a', 'EBUSY']]);
    expect(host.xc.domainList()).toHaveLength(3);
    refuses.now = false;
    expect((await next.noticeEnded()).map(({ vm, failure, ending, domid }) => [vm, failure, ending, domid])).toEqual([
      ['a', null, 'gone', null],
    ]);
    expect(await next.noticeEnded()).toEqual([]);
    expect(next.vms().map(({ power, domid }) => [power, domid])).toEqual([
      ['halted', null],
      ['running', b.domid],
    ]);
    expect((await next.stop('b')).failure).toBeNull();
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(before);
  });

  it.each([false, true])('refuses to start or remove the VM until its old domain is gone (a stop: %s)', async (stop) => {
    const { host, before, metadata, refuses, doors } = await left(stop);
    const next = await createToolstack(doors, { ...OPTIONS, metadata });
    expect((await next.start('a')).failure).toMatchObject({ errno: 'EBUSY' });
    await expect(next.remove('a')).rejects.toMatchObject({ errno: 'EBUSY' });
    expect(host.xc.domainList()).toHaveLength(2);
    refuses.now = false;
    expect((await next.start('a')).failure).toBeNull();
    expect(host.xc.domainList()).toHaveLength(2);
    expect(await next.noticeEnded()).toEqual([]);
    expect((await next.stop('a')).failure).toBeNull();
    await next.remove('a');
    expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(before);
  });
});

describe('a migration that dies at any call to XenStore', () => {
  /**
   * `paused`: whether the VM is. Dies at call number `calls`; the domain then runs on in Xen, as it
   * would on a real host.
   */
  async function migrating(calls: number, paused: boolean) {
    const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
    const metadata = new MemoryMetadata();
    const other = await createToolstack(host, { ...OPTIONS, metadata });
    await other.add(vm('a', 2, 256));
    await other.start('a');
    if (paused) await other.pause('a');
    const own = host.store.connect(0);
    const dying = dyingAfter(own, calls);
    const first = await createToolstack({ ...host, xs: dying.xs }, { ...OPTIONS, metadata });
    await Promise.race([first.migrateLocal('a'), dying.died]);
    await own.close();
    return { host, next: await createToolstack(host, { ...OPTIONS, metadata }), made: dying.made() };
  }

  it.each([false, true])('leaves the VM one domain, in its state (paused: %s), with its own keys alone', async (paused) => {
    const { made } = await migrating(Number.MAX_SAFE_INTEGER, paused);
    expect(made).toBeGreaterThan(30);
    for (let calls = 0; calls < made; calls += 3) {
      const { host, next } = await migrating(calls, paused);
      const [{ domid, power }] = next.vms() as [ReturnType<typeof next.vms>[number]];
      expect(power).toBe(paused ? 'paused' : 'running');
      expect(host.xc.domainList().map((one) => one.domid)).toEqual([0, domid]);
      expect(host.xc.domainInfo(domid!)!.paused).toBe(paused);
      expect((await host.xs.directory('/local/domain')).map(Number).sort((a, b) => a - b)).toEqual([0, domid]);
      expect((await next.stop('a')).failure).toBeNull();
    }
  });
});

it('a takeover that dies itself at any call to XenStore leaves nothing to the next one', async () => {
  const { made } = await die(Number.MAX_SAFE_INTEGER, false);
  const run = async (calls: number) => {
    const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
    const before = { keys: host.store.list(), free: host.inspect.freePages() };
    const metadata = new MemoryMetadata();
    // It died near its end: its domain is there, and its keys are written.
    const first = dyingAfter(host.store.connect(0), made - 1);
    const starting = await createToolstack({ ...host, xs: first.xs }, { ...OPTIONS, metadata });
    await starting.add(vm('a', 2, 256));
    await Promise.race([starting.start('a'), first.died]);
    expect(host.xc.domainList()).toHaveLength(2);
    expect(host.store.list().length).toBeGreaterThan(before.keys.length);
    const second = dyingAfter(host.store.connect(0), calls);
    const ended = await Promise.race([
      createToolstack({ ...host, xs: second.xs }, { ...OPTIONS, metadata }).then(() => 'done'),
      second.died.then(() => 'died'),
    ]);
    await createToolstack(host, { ...OPTIONS, metadata });
    expect({ keys: host.store.list(), free: host.inspect.freePages() }, `died at call ${calls}`).toEqual(before);
    return ended;
  };
  let calls = 0;
  while ((await run(calls)) === 'died') calls++;
  expect(calls).toBeGreaterThan(5);
});
