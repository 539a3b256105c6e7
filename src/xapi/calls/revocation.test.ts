// A removed user loses open calls: a pending event.from, and /events. The timers' own clock shows
// that this takes less than a second, whatever else the machine does.
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cheapUser } from '../../../test/support/cheap-user.js';
import { testDaemon, testFront } from '../../../test/support/daemon.js';
import { pagesOf } from '../http/pages.js';
import { Revocations } from './revocation.js';
import { parseUsers, type User } from './users.js';
import { followUsersFile } from './users-file.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const never = new AbortController().signal;

async function serving() {
  const both = parseUsers(`${cheapUser('root', 'admin', 'a')}\n${cheapUser('eye', 'read-only', 'b')}`, 'users');
  let users: ReadonlyMap<string, User> = both;
  const daemon = await testDaemon({ users: () => users });
  const front = await testFront(daemon, { pages: pagesOf(daemon, null, false) });
  ends.push(async () => {
    await front.close();
    await daemon.close();
  });
  const raw = (method: string, ...params: (string | number | string[])[]) => daemon.dispatcher.call({ method, params }, '127.0.0.1', never);
  const session = (await raw('session.login_with_password', 'eye', 'b')) as string;
  const remove = (): void => {
    users = new Map([...both].filter(([name]) => name !== 'eye'));
  };
  return { daemon, port: front.port, raw, session, remove };
}

/** @returns what resolves when the stream has ended */
function stream(port: number, authorization: string): Promise<{ readonly ended: Promise<void> }> {
  return new Promise((done, failed) => {
    const sent = get({ host: '127.0.0.1', port, path: '/events', headers: { authorization } }, (response) => {
      // A stream that is open keeps the server from closing for a while.
      ends.push(() => sent.destroy());
      expect(response.statusCode).toBe(200);
      response.resume();
      done({ ended: new Promise((end) => response.once('close', end)) });
    });
    sent.on('error', failed);
  });
}

describe('a right that is revoked', () => {
  afterEach(() => vi.useRealTimers());

  it('is noticed within a second, and calls whose right holds go on', () => {
    vi.useFakeTimers();
    const revocations = new Revocations();
    let holds = true;
    const lost = revocations.follow(() => holds, never);
    const stays = revocations.follow(() => true, never);
    vi.advanceTimersByTime(10_000);
    expect(lost.signal.aborted).toBe(false);
    holds = false;
    vi.advanceTimersByTime(999);
    expect([lost.revoked, lost.signal.aborted]).toEqual([true, true]);
    expect([stays.revoked, stays.signal.aborted]).toEqual([false, false]);
    lost.end();
    stays.end();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a removed user', { timeout: 120_000 }, () => {
  it('ends in a pending event.from with SESSION_INVALID', async () => {
    const { daemon, raw, session, remove } = await serving();
    const token = ((await raw('event.from', session, ['pool'], '', 0)) as { token: string }).token;
    const pending = raw('event.from', session, ['pool'], token, 600).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    remove();
    expect(await pending).toBe('SESSION_INVALID');
    expect(daemon.ledger.held('watchers')).toBe(0);
  });

  it('loses a pending event.next as well', async () => {
    const { raw, session, remove } = await serving();
    await raw('event.register', session, ['VM']);
    const pending = raw('event.next', session).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    remove();
    expect(await pending).toBe('SESSION_INVALID');
  });

  it.each(['session', 'password'])('loses an open /events that a %s let in; another user keeps theirs', async (kind) => {
    const { port, raw, session, remove } = await serving();
    const admin = (await raw('session.login_with_password', 'root', 'a')) as string;
    const stays = await stream(port, `Bearer ${admin}`);
    const lost = await stream(port, kind === 'session' ? `Bearer ${session}` : `Basic ${Buffer.from('eye:b').toString('base64')}`);
    let keptEnded = false;
    void stays.ended.then(() => {
      keptEnded = true;
    });
    remove();
    await lost.ended;
    expect(keptEnded).toBe(false);
  });

  it('a logout ends the waiting calls of its session', async () => {
    const { raw, session } = await serving();
    const token = ((await raw('event.from', session, ['pool'], '', 0)) as { token: string }).token;
    const pending = raw('event.from', session, ['pool'], token, 600).catch((error: { code: string }) => error.code);
    await raw('session.logout', session);
    expect(await pending).toBe('SESSION_INVALID');
  });
});

describe('the file of users while the daemon runs', () => {
  it('is read again after a time in which it could not be read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-users-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'users');
    const replace = (text: string): void => {
      writeFileSync(`${file}.new`, text, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    };
    replace(`${cheapUser('root', 'admin', 'a')}\n${cheapUser('eye', 'read-only', 'b')}\n`);
    const complaints: string[] = [];
    const users = followUsersFile(file, (message) => complaints.push(message));
    expect([...users().keys()]).toEqual(['root', 'eye']);
    // A file with a damaged line: the users stay as they were, and the complaint comes once.
    replace('root:admin');
    expect([...users().keys(), ...users().keys()]).toEqual(['root', 'eye', 'root', 'eye']);
    expect(complaints).toHaveLength(1);
    replace(`${cheapUser('root', 'admin', 'a')}\n`);
    expect([...users().keys()]).toEqual(['root']);
    // Others may write it now: it is not believed, though not a byte has changed.
    chmodSync(file, 0o666);
    users();
    expect(complaints).toHaveLength(2);
    expect(complaints[1]).toMatch(/others may write the file of users/);
    chmodSync(file, 0o600);
    expect([...users().keys()]).toEqual(['root']);
  });
});
