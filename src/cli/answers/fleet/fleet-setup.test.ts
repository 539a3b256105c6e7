// Keys and the servers' users, in one folder.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../../../test/xennuma.js';
import { InputError } from '../../../base/errors.js';
import { readUsers } from '../../../fleet/store/server-config.js';
import { fleetInit, fleetJoin } from './fleet-setup.js';

const XENNUMA = join(root, 'dist/xennuma.js');

it('a host that cannot be added leaves no key, and can be added later', () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'xennuma-join-')), 'fleet');
  fleetInit(folder, { servers: ['127.0.0.1'] });
  const before = readFileSync(join(folder, 'users.conf'), 'utf8');
  // The new file is written beside the old one, under a name of this process's own.
  const fresh = join(folder, `users.conf.${process.pid}.new`);
  mkdirSync(fresh);
  expect(() => fleetJoin('xen-1', folder, 'member')).toThrow(InputError);
  expect(existsSync(join(folder, 'xen-1.nk'))).toBe(false);
  expect(readFileSync(join(folder, 'users.conf'), 'utf8')).toBe(before);
  rmdirSync(fresh);
  fleetJoin('xen-1', folder, 'member');
  expect(readUsers(readFileSync(join(folder, 'users.conf'), 'utf8')).map(({ name, role }) => [name, role])).toEqual([
    ['admin', 'admin'],
    ['xen-1', 'member'],
  ]);
  expect(readdirSync(folder)).toContain('xen-1.nk');
});

it('a full disk leaves no folder, and the error says to make room', () => {
  const top = mkdtempSync(join(tmpdir(), 'xennuma-init-'));
  const init = (folder: string) =>
    spawnSync('sh', ['-c', 'ulimit -f 0; exec "$@"', 'sh', process.execPath, XENNUMA, 'fleet', 'init', folder, '--servers', '127.0.0.1'], {
      encoding: 'utf8',
    });
  expect(init(join(top, 'a', 'fleet'))).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/fleet-1\.conf: cannot be written: EFBIG.*; make room there, or name another folder\n$/),
  });
  expect(readdirSync(top)).toEqual([]);
  // A folder that was there stays.
  mkdirSync(join(top, 'mine'));
  expect(init(join(top, 'mine', 'fleet')).status).toBe(2);
  expect([readdirSync(top), readdirSync(join(top, 'mine'))]).toEqual([['mine'], []]);
});

it('a key that is there already stays', () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'xennuma-join-')), 'fleet');
  fleetInit(folder, { servers: ['127.0.0.1'] });
  mkdirSync(join(folder, 'xen-2.nk'));
  expect(() => fleetJoin('xen-2', folder, 'member')).toThrow(/cannot be written/);
  expect(existsSync(join(folder, 'xen-2.nk'))).toBe(true);
  expect(readUsers(readFileSync(join(folder, 'users.conf'), 'utf8'))).toHaveLength(1);
});

it.each(['fleet-1.conf', 'admin.nk', 'users.conf'])(
  'a planted link %s is neither followed nor replaced, and nothing else is left',
  (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-init-'));
    const target = join(mkdtempSync(join(tmpdir(), 'xennuma-target-')), 'file');
    if (name !== 'users.conf') writeFileSync(target, 'of somebody else');
    symlinkSync(target, join(folder, name));
    expect(() => fleetInit(folder, { servers: ['127.0.0.1'] })).toThrow(InputError);
    expect(readdirSync(folder)).toEqual([name]);
    expect(lstatSync(join(folder, name)).isSymbolicLink()).toBe(true);
    expect(name === 'users.conf' ? existsSync(target) : readFileSync(target, 'utf8')).toEqual(
      name === 'users.conf' ? false : 'of somebody else',
    );
  },
);
