import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { userLine } from '../../xapi/calls/users.js';
import { makeSelfSigned } from '../../xapi/http/self-signed.js';
import {
  checkNode,
  checkPort,
  checkSolver,
  checkState,
  checkStateDriver,
  checkTls,
  checkUsers,
  checkXen,
  isControlDomain,
} from '../answers/doctor-checks.js';

const dir = mkdtempSync(join(tmpdir(), 'xennuma-doctor-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(dir, name);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
};

describe('doctor', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['22.0.0', 'ok'],
    ['20.18.3', 'missing'],
    ['18.20.0', 'missing'],
  ])('Node.js %s is %s', (version, state) => {
    expect(checkNode(version).state).toBe(state);
  });

  it('reports the parts of a real host as missing only if one is requested', async () => {
    const [withOn, withoutOn] = [await checkXen(true), await checkXen(false)];
    expect(withoutOn.filter((check) => check.state === 'missing')).toEqual([]);
    expect(withoutOn.map((check) => check.name)).toEqual(withOn.map((check) => check.name));
    for (const [index, check] of withOn.entries()) {
      expect(check.state === 'ok').toBe(withoutOn[index]!.state === 'ok');
      if (check.state !== 'ok') expect(check.mend, check.name).not.toBe('');
    }
    if (!isControlDomain()) expect(withOn.find((check) => check.name === 'Xen')!.state).toBe('missing');
  });

  it.each([
    ['ERR_MODULE_NOT_FOUND', 'it is not installed', /^npm --prefix \S+ install better-sqlite3 .*gcc, make and python3/],
    ['ERR_DLOPEN_FAILED', 'it cannot be loaded', /^npm --prefix \S+ rebuild better-sqlite3 .*gcc, make and python3/],
  ])('a state driver that fails with %s: %s', async (code, found, mend) => {
    const fails = () => Promise.reject(Object.assign(new Error('no'), { code }));
    const check = await checkStateDriver(false, fails);
    expect(check).toMatchObject({ found, mend: expect.stringMatching(mend) });
    expect((await checkStateDriver(true, fails)).state).toBe('missing');
    expect((await checkStateDriver(true, async () => undefined)).state).toBe('ok');
  });

  it('calls a solver that is not installed no essential lack', async () => {
    expect(await checkSolver(async () => null)).toMatchObject({
      state: 'absent',
      mend: expect.stringMatching(/^npm --prefix \S+ install highs/),
    });
    expect(await checkSolver(async () => () => null)).toMatchObject({ state: 'ok' });
  });

  it('checks state folders', () => {
    expect(checkState(null).state).toBe('warn');
    expect(checkState(join(dir, 'a/b/c'))).toMatchObject({ state: 'ok', found: `${join(dir, 'a/b/c')} will be created` });
    mkdirSync(join(dir, 'state'), { mode: 0o700 });
    expect(checkState(join(dir, 'state')).state).toBe('ok');
    chmodSync(join(dir, 'state'), 0o755);
    expect(checkState(join(dir, 'state'))).toMatchObject({ state: 'warn', mend: `chmod o-rwx ${join(dir, 'state')}` });
    expect(checkState(file('plain', '')).state).toBe('missing');
    // What serve refuses.
    chmodSync(join(dir, 'state'), 0o775);
    expect(checkState(join(dir, 'state'))).toMatchObject({ state: 'missing', mend: 'chmod go-w' });
    symlinkSync(join(dir, 'state'), join(dir, 'link'));
    expect(checkState(join(dir, 'link'))).toMatchObject({ state: 'missing', found: expect.stringContaining('a symbolic link') });
  });

  it('checks free ports, taken ports, and addresses of other machines', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect((await checkPort('127.0.0.1', port)).state).toBe('warn');
    await new Promise((resolve) => server.close(resolve));
    expect((await checkPort('127.0.0.1', port)).state).toBe('ok');
    expect((await checkPort('192.0.2.1', 0)).state).toBe('missing');
  });

  it('checks certificates: valid, expired, of another key, readable by others, not PEM', async () => {
    const pair = await makeSelfSigned(['localhost']);
    const other = await makeSelfSigned(['localhost']);
    const [cert, key] = [file('cert.pem', pair.cert), file('key.pem', pair.key)];
    expect(checkTls(null).state).toBe('ok');
    expect(checkTls('generate').state).toBe('ok');
    expect(checkTls({ cert, key }).state).toBe('ok');
    expect(checkTls({ cert, key }, Date.now() + 100 * 365 * 86_400_000)).toMatchObject({ state: 'missing', mend: 'renew it' });
    expect(checkTls({ cert, key: file('other.pem', other.key) }).found).toMatch(/is not the key of/);
    expect(checkTls({ cert, key: file('open.pem', pair.key, 0o644) }).state).toBe('warn');
    expect(checkTls({ cert: file('text', 'no'), key }).state).toBe('missing');
    expect(checkTls({ cert: join(dir, 'none'), key }).found).toMatch(/no such file/);
  });

  it('checks files of users', async () => {
    expect(checkUsers(null, true, false).state).toBe('ok');
    expect(checkUsers(null, true, true)).toMatchObject({ state: 'missing', found: expect.stringContaining('a real host needs') });
    expect(checkUsers(null, false, false).state).toBe('missing');
    const line = await userLine('root', 'admin', 'secret');
    expect(checkUsers(file('users', `${line}\n`), false, true)).toMatchObject({ state: 'ok' });
    expect(checkUsers(file('open', `${line}\n`, 0o644), false, false).state).toBe('warn');
    expect(checkUsers(file('written', `${line}\n`, 0o620), false, false).state).toBe('warn');
    expect(checkUsers(file('of-a-group', `${line}\n`, 0o640), false, false).state).toBe('ok');
    expect(checkUsers(file('empty', '# none\n'), false, false).state).toBe('missing');
    expect(checkUsers(file('broken', 'root:x\n'), false, false).found).toMatch(/broken:1: expected/);
  });
});
