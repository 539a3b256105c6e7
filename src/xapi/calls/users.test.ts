import { afterEach, describe, expect, it, vi } from 'vitest';
import { GUESS_LIMITS, GuessThrottle } from './guess-throttle.js';
import { SESSION_LIMITS, Sessions } from './sessions.js';
import { parseUsers, passwordFits, USER_LIMITS, type User, userLine } from './users.js';

/** A user whose hash costs next to nothing. */
const SECRET = 'cheap:read-only:scrypt:2:1:1:AAAAAAAAAAAAAAAAAAAAAA==:SALT_KEY';

async function cheap(password: string): Promise<ReadonlyMap<string, User>> {
  const { scryptSync } = await import('node:crypto');
  const key = scryptSync(password, Buffer.alloc(16), 32, { N: 2, r: 1, p: 1 }).toString('base64');
  return parseUsers(SECRET.replace('SALT_KEY', key), 'users');
}

const code = async (promise: Promise<unknown>): Promise<readonly string[]> => {
  try {
    await promise;
  } catch (error) {
    const { code: name, params } = error as { code: string; params: readonly string[] };
    return [name, ...params];
  }
  return [];
};

describe('the file of users', () => {
  it('a line that was written is read, and only its password fits', async () => {
    const users = parseUsers(`# people\n\n${await userLine('root', 'admin', 'secret')}\n`, 'users');
    expect(users.get('root')).toMatchObject({ name: 'root', role: 'admin' });
    expect(await passwordFits(users.get('root'), 'secret')).toBe(true);
    expect(await passwordFits(users.get('root'), 'secreT')).toBe(false);
    expect(await passwordFits(undefined, 'secret')).toBe(false);
  });

  it('the cheapest hash that may be in the file works, and so does one with the most lanes', async () => {
    const users = await cheap('secret');
    expect(await passwordFits(users.get('cheap'), 'secret')).toBe(true);
    const { scryptSync } = await import('node:crypto');
    const key = scryptSync('secret', Buffer.alloc(16), 32, { N: 2, r: 1, p: 16 }).toString('base64');
    const lanes = parseUsers(`a:admin:scrypt:2:1:16:AAAAAAAAAAAAAAAAAAAAAA==:${key}`, 'users');
    expect(await passwordFits(lanes.get('a'), 'secret')).toBe(true);
  });

  it.each([
    ['too few parts', 'root:admin:scrypt:2:1:1', /expected name:role:scrypt/],
    ['a name with a space', 'ro ot:admin:scrypt:2:1:1:a:b', /expected a user name/],
    ['another role', 'root:king:scrypt:2:1:1:a:b', /expected the role admin or read-only, got 'king'/],
    ['another hash', 'root:admin:md5:2:1:1:a:b', /expected scrypt:N:r:p:salt:key/],
    ['a cost that is no power of two', `root:admin:scrypt:3:1:1:AAAAAAAAAAAAAAAAAAAAAA==:${'A'.repeat(43)}=`, /expected scrypt/],
    ['a cost past the bound', `root:admin:scrypt:2097152:1:1:AAAAAAAAAAAAAAAAAAAAAA==:${'A'.repeat(43)}=`, /expected scrypt/],
  ])('refuses %s, with file and line', (_what, line, message) => {
    const read = () => parseUsers(`# first\n${line}`, '/etc/users');
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ place: { file: '/etc/users', line: 2 } }));
  });

  it('refuses a user twice, and passwords and names past their bounds', async () => {
    const line = SECRET.replace('SALT_KEY', `${'A'.repeat(43)}=`);
    expect(() => parseUsers(`${line}\n${line}`, 'users')).toThrow(/'cheap' is given twice/);
    await expect(userLine('root', 'admin', '')).rejects.toThrow(/empty or too long/);
    await expect(userLine('root', 'admin', 'x'.repeat(USER_LIMITS.passwordBytes + 1))).rejects.toThrow(/empty or too long/);
    await expect(userLine('x'.repeat(USER_LIMITS.nameChars + 1), 'admin', 'a')).rejects.toThrow(/is not a user name/);
    expect(await userLine('x'.repeat(USER_LIMITS.nameChars), 'admin', 'x'.repeat(USER_LIMITS.passwordBytes))).toMatch(
      /^x{64}:admin:scrypt:/,
    );
  });
});

describe('guesses', () => {
  it('the first few are free, then each waits twice as long, up to a minute', () => {
    let now = 0;
    const throttle = new GuessThrottle(3, () => now);
    const waits = Array.from({ length: 11 }, () => {
      throttle.failed('a');
      return throttle.waitMs('a');
    });
    expect(waits).toEqual([0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(throttle.waitMs('b')).toBe(0);
    now = 59_999;
    expect(throttle.waitMs('a')).toBe(1);
    now = 60_000;
    expect(throttle.waitMs('a')).toBe(0);
    throttle.succeeded('a');
    throttle.failed('a');
    expect(throttle.waitMs('a')).toBe(0);
  });

  it('a flood of names is forgotten from its oldest on', () => {
    const throttle = new GuessThrottle(1, () => 0);
    throttle.failed('first');
    for (let index = 1; index < GUESS_LIMITS.names; index++) throttle.failed(`name ${index}`);
    expect(throttle.waitMs('first')).toBe(1000);
    throttle.failed('one more');
    expect(throttle.waitMs('first')).toBe(0);
  });
});

describe('a wall clock that is set forward', () => {
  afterEach(() => void vi.useRealTimers());
  it.each([25, -25, 24 * 366])('by %i hours ends no session, and forgets no address', async (hours) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const users = await cheap('secret');
    const sessions = new Sessions(() => users);
    const { ref } = await sessions.login('cheap', 'secret', '', '10.0.0.1');
    vi.setSystemTime(Date.now() + hours * 3600_000);
    expect(sessions.get(ref).user).toBe('cheap');
    expect(sessions.knows('10.0.0.1')).toBe(true);
  });
});

describe('logins', () => {
  const limits = { ...SESSION_LIMITS, freeGuesses: 3 };

  it('after wrong guesses even the right password waits at that address, and the user is not locked out elsewhere', async () => {
    const users = await cheap('secret');
    let now = 0;
    const sessions = new Sessions(
      () => users,
      limits,
      () => now,
    );
    const login = (user: string, password: string, address: string) => code(sessions.login(user, password, '', address));
    const wrong = ['SESSION_AUTHENTICATION_FAILED', 'cheap', 'Authentication failure'];
    const slow = ['SESSION_AUTHENTICATION_FAILED', 'cheap', 'Too many attempts, try again later'];
    for (let guess = 0; guess < limits.freeGuesses; guess++) expect(await login('cheap', 'x', '10.0.0.1')).toEqual(wrong);
    expect(await login('cheap', 'secret', '10.0.0.1')).toEqual(slow);
    expect(await login('nobody', 'secret', '10.0.0.1')).toEqual([slow[0], 'nobody', slow[2]]);
    expect(await login('cheap', 'secret', '10.0.0.2')).toEqual([]);
    expect(await login('nobody', 'secret', '10.0.0.3')).toEqual([wrong[0], 'nobody', wrong[2]]);
    now = 1000;
    expect(await login('cheap', 'secret', '10.0.0.1')).toEqual([]);
    // The right password clears what was held against the address.
    expect(await login('cheap', 'x', '10.0.0.1')).toEqual(wrong);
    expect(await login('cheap', 'secret', '10.0.0.1')).toEqual([]);
  });

  it('waits grow to a minute and are forgotten after a quarter of an hour', async () => {
    const users = await cheap('secret');
    let now = 0;
    const sessions = new Sessions(
      () => users,
      limits,
      () => now,
    );
    const login = (password: string) => code(sessions.login('cheap', password, '', '10.0.0.1'));
    for (let guess = 0; guess < 20; guess++) {
      await login('x');
      now += 60_000;
    }
    await login('x');
    now += 59_000;
    expect((await login('secret'))[2]).toMatch(/Too many attempts/);
    now += 15 * 60_000;
    // As free as at the beginning.
    for (let guess = 0; guess < limits.freeGuesses; guess++) expect((await login('x'))[2]).toBe('Authentication failure');
  });

  it('when many addresses guess at one user, unknown addresses wait, and those of earlier logins do not', async () => {
    const users = await cheap('secret');
    let now = 0;
    const sessions = new Sessions(
      () => users,
      limits,
      () => now,
    );
    const login = (password: string, address: string) => code(sessions.login('cheap', password, '', address));
    expect(await login('secret', 'home')).toEqual([]);
    for (let address = 0; address < 3 * limits.freeGuesses; address++) {
      for (let guess = 0; guess < limits.freeGuesses; guess++) await login('x', `stranger-${address}`);
    }
    expect((await login('secret', 'new'))[2]).toMatch(/Too many attempts/);
    expect(await login('secret', 'home')).toEqual([]);
    now += 60_001;
    expect(await login('secret', 'new')).toEqual([]);
  });

  it('strangers at many addresses do not keep a login out, known address or not', async () => {
    const users = parseUsers(await userLine('root', 'admin', 'secret'), 'users');
    const sessions = new Sessions(() => users, SESSION_LIMITS);
    const strangers = Array.from({ length: 16 }, (_, index) => code(sessions.login(`invented-${index}`, 'x', '', `10.0.0.${index % 8}`)));
    const owner = code(sessions.login('root', 'secret', '', '192.0.2.1'));
    expect(await owner).toEqual([]);
    await Promise.all(strangers);
    // One address alone waits for itself, and no more than a few of its logins do.
    const greedy = Array.from({ length: 50 }, () => code(sessions.login('invented', 'x', '', '10.0.1.1')));
    expect(await code(sessions.login('root', 'secret', '', '192.0.2.1'))).toEqual([]);
    const refused = (await Promise.all(greedy)).filter(([, , reason]) => /Too many/.test(String(reason)));
    expect(refused.length).toBeGreaterThan(40);
  });
});

describe('sessions', () => {
  const few = { ...SESSION_LIMITS, idleMs: 1000, sessions: 2 };
  it('one user who logs in again and again ends own sessions only', async () => {
    const { hash } = (await cheap('b')).get('cheap')!;
    const users = new Map<string, User>([
      ['root', { name: 'root', role: 'admin', hash }],
      ['eye', { name: 'eye', role: 'read-only', hash }],
    ]);
    const sessions = new Sessions(() => users, { ...SESSION_LIMITS, sessions: 20, sessionsOfUser: 5 });
    const admin = await sessions.login('root', 'b', '', 'x');
    let last = '';
    for (let index = 0; index < 30; index++) last = (await sessions.login('eye', 'b', '', 'y')).ref;
    expect(sessions.get(admin.ref)).toBe(admin);
    expect(sessions.get(last).user).toBe('eye');
    expect(sessions.count).toBe(6);
  });

  const open = (limits = few) => {
    const clock = { now: 0 };
    const sessions = new Sessions(
      () => null,
      limits,
      () => clock.now,
    );
    return { sessions, clock, login: async () => (await sessions.login('root', '', '', 'a')).ref };
  };
  const valid = (sessions: Sessions, ref: string): boolean => {
    try {
      return sessions.get(ref).ref === ref;
    } catch (error) {
      expect(error).toMatchObject({ code: 'SESSION_INVALID', params: [ref] });
      return false;
    }
  };

  it('a session that is used lives on; one that is not ends', async () => {
    const { sessions, clock, login } = open();
    const [used, idle] = [await login(), await login()];
    clock.now = 700;
    expect(valid(sessions, used)).toBe(true);
    clock.now = 1000;
    expect(valid(sessions, idle)).toBe(true);
    clock.now = 1700;
    expect(valid(sessions, used)).toBe(true);
    clock.now = 2001;
    expect(valid(sessions, idle)).toBe(false);
    expect(valid(sessions, used)).toBe(true);
    clock.now = 5000;
    await login();
    expect(sessions.count).toBe(1);
  });

  it('past their number the one that was not used longest goes', async () => {
    const { sessions, clock, login } = open();
    const [first, second] = [await login(), await login()];
    clock.now = 1;
    expect(valid(sessions, first)).toBe(true);
    const third = await login();
    expect([first, second, third].map((ref) => valid(sessions, ref))).toEqual([true, false, true]);
  });

  it('ends when it logs out, and one that was never there is none', async () => {
    const { sessions, login } = open();
    const ref = await login();
    sessions.logout(ref);
    expect([ref, 'OpaqueRef:x', ''].map((one) => valid(sessions, one))).toEqual([false, false, false]);
  });

  it('ends with its user, and when the user gets another role', async () => {
    let users = await cheap('secret');
    const sessions = new Sessions(() => users);
    const { ref } = await sessions.login('cheap', 'secret', '', 'a');
    expect(valid(sessions, ref)).toBe(true);
    users = new Map([['cheap', { ...users.get('cheap')!, role: 'admin' }]]);
    expect(valid(sessions, ref)).toBe(false);
    const again = await sessions.login('cheap', 'secret', '', 'a');
    expect([again.role, valid(sessions, again.ref)]).toEqual(['admin', true]);
    users = new Map();
    expect(valid(sessions, again.ref)).toBe(false);
  });

  it('without users only root is let in', async () => {
    const { sessions } = open();
    expect(await code(sessions.login('admin', '', '', 'a'))).toEqual(['SESSION_AUTHENTICATION_FAILED', 'admin', 'Authentication failure']);
  });
});
