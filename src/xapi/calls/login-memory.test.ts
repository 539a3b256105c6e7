// What a restart remembers of logins.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cheapUser } from '../../../test/support/cheap-user.js';
import { FILE_CALLS } from '../../base/file-calls.js';
import { GUESS_LIMITS } from './guess-throttle.js';
import { KNOWN_MS } from './known-addresses.js';
import { LOGINS_FILE, LoginMemory, MOST_STORED } from './login-memory.js';
import { SESSION_LIMITS, Sessions } from './sessions.js';
import { parseUsers } from './users.js';

const USERS = parseUsers([cheapUser('root', 'admin', 'x'), cheapUser('eye', 'read-only', 'x')].join('\n'), 'users');
let folder: string;
let nowMs = 0;
let warnings: string[] = [];
const ends: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'login-memory-'));
  nowMs = 1_000_000_000;
  warnings = [];
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  rmSync(folder, { recursive: true });
});

/** A daemon's sessions, as a process begins with them. */
function started(inPlace = true): { sessions: Sessions; end: () => void } {
  const warn = (_values: object, message: string) => warnings.push(message);
  const memory = new LoginMemory({ folder, files: FILE_CALLS, warn, inPlace: () => inPlace, nowMs: () => nowMs });
  ends.push(() => memory.close());
  return {
    sessions: new Sessions(
      () => USERS,
      SESSION_LIMITS,
      () => nowMs,
      undefined,
      memory,
    ),
    end: () => memory.close(),
  };
}

const login = (sessions: Sessions, password: string, address: string) => sessions.login('root', password, '', address);

async function guess(sessions: Sessions, times: number, address: string): Promise<void> {
  for (let count = 0; count < times; count++) await expect(login(sessions, 'wrong', address)).rejects.toThrow();
}

describe('after a restart', () => {
  it('an address that logged in lately is known, until a day has passed', async () => {
    const first = started();
    await login(first.sessions, 'x', '10.0.0.1');
    first.end();
    nowMs += KNOWN_MS - 1;
    const { sessions } = started();
    expect(sessions.principalAt('10.0.0.1')).toEqual({ name: 'address 10.0.0.1', rank: 'root', user: 'user root' });
    expect(sessions.principalAt('10.0.0.2').rank).toBe('stranger');
    nowMs += 1;
    expect(started().sessions.knows('10.0.0.1')).toBe(false);
  });

  it('who guessed passwords goes on waiting, and has no free guesses, until a quarter of an hour has passed', async () => {
    const first = started();
    await guess(first.sessions, SESSION_LIMITS.freeGuesses, '10.0.0.9');
    first.end();
    nowMs += 100;
    await expect(login(started().sessions, 'x', '10.0.0.9')).rejects.toThrow(/AUTHENTICATION_FAILED/);
    await expect(login(started().sessions, 'x', '10.0.0.1')).resolves.toMatchObject({ user: 'root' });
    // Past the wait, the next guess makes a longer one.
    nowMs += 10_000;
    const next = started();
    await guess(next.sessions, 1, '10.0.0.9');
    await expect(login(next.sessions, 'x', '10.0.0.9')).rejects.toThrow(/Too many attempts/);
    next.end();
    nowMs += GUESS_LIMITS.forgetMs;
    await expect(login(started().sessions, 'x', '10.0.0.9')).resolves.toMatchObject({ user: 'root' });
  });

  it('a clock that was set back makes nothing younger than it is', async () => {
    const first = started();
    await login(first.sessions, 'x', '10.0.0.1');
    nowMs += KNOWN_MS / 2;
    await login(first.sessions, 'x', '10.0.0.2');
    first.end();
    nowMs -= KNOWN_MS;
    const { sessions } = started();
    nowMs += KNOWN_MS / 2;
    expect([sessions.knows('10.0.0.1'), sessions.knows('10.0.0.2')]).toEqual([false, true]);
  });

  it('a user who is gone is known no more', async () => {
    const first = started();
    await login(first.sessions, 'x', '10.0.0.1');
    first.end();
    const memory = new LoginMemory({ folder, files: FILE_CALLS, warn: () => {}, inPlace: () => true, nowMs: () => nowMs });
    const sessions = new Sessions(
      () => new Map(),
      SESSION_LIMITS,
      () => nowMs,
      undefined,
      memory,
    );
    expect(sessions.principalAt('10.0.0.1').rank).toBe('stranger');
  });
});

it('keeps the latest of each, in a file of bounded size', async () => {
  const { sessions, end } = started();
  for (let host = 0; host < MOST_STORED + 5; host++) await guess(sessions, 1, `10.1.${host >> 8}.${host & 255}`);
  end();
  const stored = JSON.parse(readFileSync(join(folder, LOGINS_FILE), 'utf8')) as { guesses: { name: string }[] };
  expect(stored.guesses).toHaveLength(MOST_STORED);
  expect(stored.guesses[0]!.name).toBe('address 10.1.0.5');
  expect(started().sessions.count).toBe(0);
  expect(warnings).toEqual([]);
});

it.each([
  ['that is no JSON', () => writeFileSync(join(folder, LOGINS_FILE), '{')],
  ['of another form', () => writeFileSync(join(folder, LOGINS_FILE), '{"version":1,"known":[{}]}')],
  ['that is a link', () => symlinkSync('/etc/passwd', join(folder, LOGINS_FILE))],
])('a file %s is reported, and the daemon starts', (_name, plant) => {
  plant();
  expect(started().sessions.knows('10.0.0.1')).toBe(false);
  expect(warnings).toEqual([expect.stringContaining('cannot be read')]);
});

it('writes nothing into a folder that is another one now', async () => {
  const { sessions, end } = started(false);
  await login(sessions, 'x', '10.0.0.1');
  end();
  expect(() => readFileSync(join(folder, LOGINS_FILE))).toThrow(/ENOENT/);
});
