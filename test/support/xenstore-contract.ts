// What every XenStore connection does, as tests: those of the store in this process, of our server
// and of both real daemons run it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { XenError } from '../../src/base/errors.js';
import type { WatchEvent, XenstoreConnection, XenstoreWatch } from '../../src/xenstore/connection.js';
import type { Personality } from '../../src/xenstore/store/limits.js';

export interface Subject {
  connect(): Promise<XenstoreConnection>;
  end(): Promise<void>;
}

async function take(events: AsyncIterator<WatchEvent>, count: number): Promise<string[]> {
  const paths: string[] = [];
  for (let at = 0; at < count; at++) paths.push(((await events.next()).value as WatchEvent).path);
  return paths;
}

const failsWith = (errno: string) => expect.objectContaining({ name: 'XenError', errno });

export function contract(personality: Personality, start: () => Promise<Subject>): void {
  let subject: Subject;
  let xs: XenstoreConnection;
  let other: XenstoreConnection;
  beforeAll(async () => {
    subject = await start();
    xs = await subject.connect();
    other = await subject.connect();
  }, 60_000);
  afterAll(async () => {
    await xs?.close();
    await other?.close();
    await subject?.end();
  });

  test('what was written is read, bytes and text, by everyone', async () => {
    await xs.write('/c/text', 'grüß dich');
    expect(await other.read('/c/text')).toBe('grüß dich');
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    await xs.write('/c/bytes', bytes);
    expect(await other.readBytes('/c/bytes')).toEqual(bytes);
    await xs.write('/c/empty', '');
    expect(await xs.read('/c/empty')).toBe('');
  });

  test('parents are made, children listed, nodes removed with all below', async () => {
    await xs.write('/d/a/b', '1');
    await xs.mkdir('/d/c');
    expect((await xs.directory('/d')).sort()).toEqual(['a', 'c']);
    expect(await xs.directory('/d/c')).toEqual([]);
    await xs.rm('/d/a');
    expect(await xs.directory('/d')).toEqual(['c']);
    await expect(xs.read('/d/a/b')).rejects.toEqual(failsWith('ENOENT'));
    await expect(xs.rm('/d/absent')).resolves.toBeUndefined();
    await expect(xs.rm('/d/absent/below')).rejects.toEqual(failsWith('ENOENT'));
  });

  test('a relative path is below /local/domain/0', async () => {
    await xs.write('relative/key', 'v');
    expect(await xs.read('/local/domain/0/relative/key')).toBe('v');
    expect(await xs.domainPath(7)).toBe('/local/domain/7');
  });

  test('a directory of 2,000 children is listed whole', async () => {
    await Promise.all(Array.from({ length: 2000 }, (_, at) => xs.mkdir(`/big/child-${at}`)));
    expect(new Set(await xs.directory('/big'))).toEqual(new Set(Array.from({ length: 2000 }, (_, at) => `child-${at}`)));
    await xs.rm('/big');
  });

  test('bad paths and requests are refused with their errno', async () => {
    await expect(xs.read('/no such')).rejects.toEqual(failsWith('EINVAL'));
    await expect(xs.read('//')).rejects.toEqual(failsWith('EINVAL'));
    await expect(xs.read('/a\0b')).rejects.toEqual(failsWith('EINVAL'));
    await expect(xs.write('/long', 'x'.repeat(5000))).rejects.toEqual(failsWith('E2BIG'));
    await expect(xs.setPermissions('/c/text', [])).rejects.toEqual(failsWith('EINVAL'));
    await expect(xs.read('/c/text', 4_000_000)).rejects.toEqual(failsWith(personality === 'xenstored' ? 'ENOENT' : 'EIO'));
  });

  test('permissions are kept, and children inherit them', async () => {
    const given = [
      { domid: 3, access: 'n' },
      { domid: 5, access: 'r' },
      { domid: 6, access: 'b' },
    ] as const;
    await xs.write('/p', '');
    await xs.setPermissions('/p', given);
    expect(await other.getPermissions('/p')).toEqual(given);
    await xs.mkdir('/p/child');
    expect(await xs.getPermissions('/p/child')).toEqual(given);
  });

  test('a thousand requests under way at once get each its own answer', async () => {
    await Promise.all(Array.from({ length: 1000 }, (_, at) => xs.write(`/many/${at}`, String(at))));
    const values = await Promise.all(Array.from({ length: 1000 }, (_, at) => other.read(`/many/${at}`)));
    expect(values).toEqual(Array.from({ length: 1000 }, (_, at) => String(at)));
    await xs.rm('/many');
  });

  test('a transaction is unseen until its commit, and gone when aborted', async () => {
    const tx = await xs.transactionStart();
    await xs.write('/t/a', '1', tx);
    expect(await xs.read('/t/a', tx)).toBe('1');
    await expect(other.read('/t/a')).rejects.toEqual(failsWith('ENOENT'));
    await xs.transactionEnd(tx, true);
    expect(await other.read('/t/a')).toBe('1');
    const aborted = await xs.transactionStart();
    await xs.write('/t/a', '2', aborted);
    await xs.transactionEnd(aborted, false);
    expect(await other.read('/t/a')).toBe('1');
  });

  test('a transaction that met another is done again', async () => {
    await xs.write('/count', '0');
    const add = (connection: XenstoreConnection) =>
      connection.transaction(async (tx) => connection.write('/count', String(Number(await connection.read('/count', tx)) + 1), tx));
    await Promise.all(Array.from({ length: 20 }, (_, at) => add(at % 2 === 0 ? xs : other)));
    expect(await xs.read('/count')).toBe('20');
  });

  test("a transaction's body that throws leaves nothing behind", async () => {
    await expect(
      xs.transaction(async (tx) => {
        await xs.write('/thrown', 'x', tx);
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
    await expect(xs.read('/thrown')).rejects.toEqual(failsWith('ENOENT'));
  });

  test('a watch tells its path at once, then every change below, under its own token', async () => {
    const watch = await xs.watch('/w', 'token');
    const events = watch[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ path: '/w', token: 'token' });
    await other.write('/w/a', '1');
    await other.mkdir('/w/b');
    await other.rm('/w/a');
    expect(await take(events, 3)).toEqual(['/w/a', '/w/b', '/w/a']);
    await expect(xs.watch('/w', 'token')).rejects.toEqual(failsWith('EEXIST'));
    await watch.close();
    expect((await events.next()).done).toBe(true);
    const again = await xs.watch('/w', 'token');
    await again.close();
  });

  test('one token on two paths, and a relative watch', async () => {
    const [first, second] = [await xs.watch('/v/a', 't'), await xs.watch('v-relative', 't')];
    const [one, two] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()];
    expect([await take(one, 1), await take(two, 1)]).toEqual([['/v/a'], ['v-relative']]);
    await other.write('/local/domain/0/v-relative/x', '');
    await other.write('/v/a', '');
    expect([await take(one, 1), await take(two, 1)]).toEqual([['/v/a'], ['v-relative/x']]);
    await first.close();
    await second.close();
  });

  test("a removed ancestor is reported with the watch's own path", async () => {
    await other.write('/r/s/t', '');
    const watch = await xs.watch('/r/s/t', '');
    const events = watch[Symbol.asyncIterator]();
    await take(events, 1);
    await other.rm('/r');
    expect(await take(events, 1)).toEqual(['/r/s/t']);
    await watch.close();
  });

  test('introductions and releases of domains are reported', async () => {
    const [born, gone] = [await xs.watch('@introduceDomain', 'b'), await xs.watch('@releaseDomain', 'g')];
    const [births, ends] = [born[Symbol.asyncIterator](), gone[Symbol.asyncIterator]()];
    await take(births, 1);
    await take(ends, 1);
    expect(await other.isIntroduced(4)).toBe(false);
    await other.introduce(4, 17n, 2);
    expect(await take(births, 1)).toEqual(['@introduceDomain']);
    expect(await other.isIntroduced(4)).toBe(true);
    await other.release(4);
    expect(await take(ends, 1)).toEqual(['@releaseDomain']);
    expect(await other.isIntroduced(4)).toBe(false);
    await born.close();
    await gone.close();
  });

  test('leaving the loop over a watch takes the watch back', async () => {
    const watch: XenstoreWatch = await xs.watch('/loop', 'l');
    for await (const event of watch) {
      expect(event.path).toBe('/loop');
      break;
    }
    await other.write('/loop/x', '');
    expect((await watch[Symbol.asyncIterator]().next()).done).toBe(true);
  });

  test('after close everything is refused and every watch ends', async () => {
    const third = await subject.connect();
    const watch = await third.watch('/z', 'z');
    const events = watch[Symbol.asyncIterator]();
    await take(events, 1);
    const next = events.next();
    await third.close();
    expect((await next).done).toBe(true);
    await expect(third.read('/')).rejects.toBeInstanceOf(XenError);
  });
}
