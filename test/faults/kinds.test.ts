// Pipes, folders, sockets, devices, links and files of 20 GB in place of the daemons' files: a
// clear error that names the file, without waiting and without reading them.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateFolder } from '../../src/xapi/model/disk/sqlite.js';
import { THOROUGH } from '../support/cases.js';
import { root, xennuma } from '../xennuma.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-kinds-'));
});
const running: ChildProcess[] = [];
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  for (const end of ends.splice(0)) await end();
  rmSync(folder, { recursive: true, force: true });
});

const KINDS: Readonly<Record<string, (path: string) => unknown>> = {
  pipe: (path) => spawnSync('mkfifo', [path]),
  folder: (path) => mkdirSync(path),
  socket: async (path) => {
    const server = createServer().listen(path);
    await once(server, 'listening');
    ends.push(() => server.close());
  },
  'link to a device': (path) => symlinkSync('/dev/zero', path),
};

function sparse(path: string): void {
  closeSync(openSync(path, 'w', 0o600));
  truncateSync(path, 20e9);
}

/** A process of its own: one that waits for ever must not stop the others. */
async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ code: number | null; err: string }> {
  const child = spawn(process.execPath, ['dist/xennuma.js', ...words], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  running.push(child);
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += String(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, err };
}

const HOST = 'examples/hosts/four-nodes.yaml';
const serve = (state: string, ...more: string[]) => run(['serve', '--host', HOST, '--listen', '127.0.0.1:0', '--state', state, ...more]);

const all = <T>(names: readonly string[], of: (name: string, kind: string) => T): T[] =>
  names.flatMap((name) => Object.keys(KINDS).map((kind) => of(name, kind)));

describe('serve', () => {
  const names = ['xapi.db', 'xapi.db-wal', 'xapi.db-journal', 'xapi.db-shm', 'commits', 'audit.log'];
  // Every name with a pipe, and each other kind somewhere.
  const cases = all(names, (name, kind) => [name, kind] as const).filter(([, kind], at) => THOROUGH || kind === 'pipe' || at % 5 === 0);
  it.each(cases)('refuses a state folder whose %s is a %s', async (name, kind) => {
    const state = join(folder, 'state');
    new StateFolder(state).close();
    rmSync(join(state, name), { force: true });
    await KINDS[kind]!(join(state, name));
    const ended = await serve(state);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${join(state, name)}: it is not a regular file`) });
  });

  it.each([...Object.keys(KINDS), '20 GB'])('refuses a certificate of its state folder and a file of users that is a %s', async (kind) => {
    const state = join(folder, 'state');
    new StateFolder(state).close();
    const [cert, users] = [join(state, 'tls-cert.pem'), join(folder, 'users')];
    const make = KINDS[kind] ?? sparse;
    await make(cert);
    await make(join(state, 'tls-key.pem'));
    await make(users);
    const [withTls, withUsers] = [await serve(state, '--tls-generate'), await serve(state, '--users', users)];
    // A certificate of 20 GB is an input like any other, whose size is bounded.
    expect(withTls).toMatchObject({ code: 2, err: expect.stringContaining(cert) });
    expect(withUsers).toMatchObject({ code: 2, err: expect.stringContaining(users) });
  });

  it('refuses a count of commits of 20 GB by its name', async () => {
    const state = join(folder, 'state');
    new StateFolder(state).close();
    sparse(join(state, 'commits'));
    const ended = await serve(state);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${join(state, 'commits')}: the file has 20000000000 bytes`) });
  });

  it.each(['commits', 'audit.log'])('refuses %s as a hard link to another file', async (name) => {
    const state = join(folder, 'state');
    new StateFolder(state).close();
    rmSync(join(state, name), { force: true });
    const precious = join(folder, 'precious');
    closeSync(openSync(precious, 'w', 0o600));
    linkSync(precious, join(state, name));
    const ended = await serve(state);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${join(state, name)}: it has 2 names (hard links)`) });
    expect(readFileSync(precious, 'utf8')).toBe('');
  });

  it.each(['link', 'link/'])('refuses a state folder that is a link: %s', async (name) => {
    const [state, link] = [join(folder, 'state'), join(folder, 'link')];
    new StateFolder(state).close();
    symlinkSync(state, link);
    for (const ended of [await serve(`${folder}/${name}`), xennuma(['serve', 'restore', join(state, 'xapi.db'), '--into', link])])
      expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('it is a symbolic link') });
  });
});

/** A regular file of this user's whose reading fails with EIO, as on a disk that is broken. */
const UNREADABLE = '/proc/self/mem';

describe('a file that the disk does not give is named, with the reason:', () => {
  it.each([
    ['users', ['serve', '--host', HOST, '--listen', '127.0.0.1:0', '--users', UNREADABLE]],
    ['a backup', ['serve', 'restore', UNREADABLE, '--into', '@/into']],
    ['a state of xenstored', ['xenstored', '--socket', '@/socket', '--state', UNREADABLE]],
  ])('%s', async (_name, words) => {
    const ended = await run(words.map((word) => word.replace('@', folder)));
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${UNREADABLE}: the file cannot be read: EIO`) });
  });
});

describe('serve backup', () => {
  it.each(['xapi.db', 'xapi.db-wal', 'xapi.db-journal', 'xapi.db-shm', 'commits', 'backup.sock'])(
    'does not wait for a pipe as %s',
    async (name) => {
      const state = join(folder, 'state');
      new StateFolder(state).close();
      rmSync(join(state, name), { force: true });
      KINDS.pipe!(join(state, name));
      const ended = await run(['serve', 'backup', join(folder, 'backup'), '--from', state]);
      if (name === 'backup.sock') expect(ended.code).toBe(0);
      else expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(join(state, name)) });
    },
  );
});

describe('serve restore', () => {
  it.each([...Object.keys(KINDS), '20 GB'])('refuses a backup that is a %s', async (kind) => {
    const backup = join(folder, 'backup');
    await (KINDS[kind] ?? sparse)(backup);
    const ended = await run(['serve', 'restore', backup, '--into', join(folder, 'state')]);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(backup) });
    expect(existsSync(join(folder, 'state'))).toBe(false);
  });

  it('takes the place of a state with a pipe in it, and of what a killed restore left', async () => {
    const [state, backup] = [join(folder, 'state'), join(folder, 'backup')];
    for (const path of [state, backup]) new StateFolder(path).close();
    for (const name of ['xapi.db-journal', 'xapi.db.new']) KINDS.pipe!(join(state, name));
    const ended = await run(['serve', 'restore', join(backup, 'xapi.db'), '--into', state]);
    expect(ended).toMatchObject({ code: 0 });
    new StateFolder(state).close();
  });
});

describe('xenstored', () => {
  it.each([...Object.keys(KINDS), '20 GB'])('refuses a state file that is a %s', async (kind) => {
    const state = join(folder, 'state');
    await (KINDS[kind] ?? sparse)(state);
    const ended = await run(['xenstored', '--socket', join(folder, 'socket'), '--state', state]);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${state}: `) });
  });

  it.each(Object.keys(KINDS).filter((kind) => kind !== 'folder'))('refuses a folder of domain sockets that is a %s', async (kind) => {
    const doors = join(folder, 'doors');
    await KINDS[kind]!(doors);
    const ended = await run(['xenstored', '--socket', join(folder, 'socket'), '--domain-sockets', doors]);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${doors}: it is`) });
    expect(existsSync(join(folder, 'socket'))).toBe(false);
  });

  it('refuses an empty path, for which the kernel would choose a name', async () => {
    const ended = await run(['xenstored', '--socket', '']);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('expected the path of a socket, got none') });
  });

  it.each(['socket.lock', 'state.pid', 'socket.lock.pid'])('refuses a lock file that is a pipe: %s', async (name) => {
    const lock = join(folder, name);
    KINDS.pipe!(lock);
    const words = ['xenstored', '--socket', join(folder, 'socket'), '--state', join(folder, 'state')];
    const ended = await run(words, name.endsWith('.pid') ? { XENNUMA_NO_KOFFI: '1' } : {});
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining(`${lock}: it is not a regular file`) });
  });
});
