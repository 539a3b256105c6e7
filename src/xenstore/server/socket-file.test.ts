// The file of a socket: whose it is, and when it is removed. With koffi and without it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { identityOf, removeIfOurs } from '../../base/files/own-socket.js';
import { claimSocketPath } from './socket-file.js';

const folders: string[] = [];
const servers: Server[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  delete process.env.XENNUMA_NO_KOFFI;
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) server.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'xennuma-own-')));
  return folders.at(-1)!;
}

async function serverAt(path: string): Promise<Server> {
  const server = createServer();
  servers.push(server);
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** A socket whose server was killed: its file stays. */
async function deadSocketAt(path: string): Promise<void> {
  const child = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)},()=>console.log('up'))`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout!, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe.each([
  ['koffi', undefined],
  ['no koffi', '1'],
])('with %s, a path', (_, without) => {
  const begin = (): string => {
    if (without !== undefined) process.env.XENNUMA_NO_KOFFI = without;
    return join(folder(), 'socket');
  };

  test('with nothing there is claimed, again by the same process, and a lock file stays', () => {
    const path = begin();
    claimSocketPath(path);
    claimSocketPath(path);
    expect(existsSync(path)).toBe(false);
    expect(statSync(`${path}.lock`).mode & 0o777).toBe(0o600);
  });

  test('with a file or a folder is refused, and both stay', () => {
    const path = begin();
    writeFileSync(path, 'precious');
    expect(() => claimSocketPath(path)).toThrow('there is a file that is not a socket');
    expect(readFileSync(path, 'utf8')).toBe('precious');
    const other = join(folder(), 'other');
    mkdirSync(other);
    expect(() => claimSocketPath(other)).toThrow('there is a file that is not a socket');
  });

  test('at which a server answers is refused; one whose server is dead is taken', async () => {
    const path = begin();
    const server = await serverAt(path);
    expect(() => claimSocketPath(path)).toThrow('a server answers at this socket');
    expect(existsSync(path)).toBe(true);
    server.close();
    const dead = join(folder(), 'dead');
    await deadSocketAt(dead);
    expect(existsSync(dead)).toBe(true);
    claimSocketPath(dead);
    expect(existsSync(dead)).toBe(false);
  });

  test('in a folder that is not there says which file cannot be opened', () => {
    const path = join(begin(), 'absent', 'socket');
    expect(() => claimSocketPath(path)).toThrow('cannot open the lock file: ENOENT');
  });
});

test('a path is 107 bytes at most: sun_path has 108 with its end (unix(7))', () => {
  const base = `${folder()}/`;
  expect(() => claimSocketPath(base.padEnd(108, 'x'))).toThrow('the path of a socket has at most 107 bytes');
  // Bytes count, not letters.
  expect(() => claimSocketPath(base.padEnd(100, 'ü'))).toThrow('the path of a socket has at most 107 bytes');
  claimSocketPath(base.padEnd(107, 'x'));
});

test('without koffi the file of a process that lives is respected, that of a dead one is not', async () => {
  process.env.XENNUMA_NO_KOFFI = '1';
  const live = join(folder(), 'socket');
  writeFileSync(`${live}.lock.pid`, String(process.ppid));
  const refused = expect.objectContaining({ message: expect.stringContaining('another server holds this socket'), place: { file: live } });
  expect(() => claimSocketPath(live)).toThrow(refused);
  const dead = join(folder(), 'socket');
  const child = spawn('true');
  await once(child, 'exit');
  writeFileSync(`${dead}.lock.pid`, String(child.pid));
  claimSocketPath(dead);
  expect(readFileSync(`${dead}.lock.pid`, 'utf8')).toBe(String(process.pid));
  expect(statSync(`${dead}.lock.pid`).mode & 0o777).toBe(0o600);
});

test('without koffi any number of sockets adds one listener to the process', () => {
  process.env.XENNUMA_NO_KOFFI = '1';
  const at = folder();
  claimSocketPath(join(at, 'first'));
  const before = process.listenerCount('exit');
  for (let index = 0; index < 12; index++) claimSocketPath(join(at, String(index)));
  expect(process.listenerCount('exit')).toBe(before);
});

test('a file is removed only while it is the one that was made', () => {
  const path = join(folder(), 'file');
  expect(identityOf(path)).toBeUndefined();
  writeFileSync(path, '1');
  const first = identityOf(path);
  removeIfOurs(path, undefined);
  expect(existsSync(path)).toBe(true);
  writeFileSync(`${path}.new`, '2');
  rmSync(path);
  writeFileSync(path, 'another');
  const now = identityOf(path)!;
  removeIfOurs(path, { dev: now.dev, ino: now.ino + 1 });
  removeIfOurs(path, { dev: now.dev + 1, ino: now.ino });
  expect(existsSync(path)).toBe(true);
  removeIfOurs(path, now);
  expect(existsSync(path)).toBe(false);
  removeIfOurs(path, first);
});
