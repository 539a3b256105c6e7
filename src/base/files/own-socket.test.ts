// A server's socket at a path: names that Node would misread, and failures at its begin and end.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenAt } from './own-socket.js';

let folder: string;
let server: Server;
const home = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'own-socket-'));
  server = createServer();
});
afterEach(() => {
  process.chdir(home);
  server.close();
  rmSync(folder, { recursive: true });
});

it.each(['socket', '7', '.5'])('a path without a folder is no port: %s', async (name) => {
  process.chdir(folder);
  const remove = await listenAt(server, name);
  expect(lstatSync(join(folder, name)).isSocket()).toBe(true);
  server.close();
  remove();
  expect(readdirSync(folder)).toEqual([]);
});

it('a path that is taken is an error, after which nothing listens and nothing is left', async () => {
  const path = join(folder, 'socket');
  mkdirSync(path);
  await expect(listenAt(server, path)).rejects.toThrow('EISDIR');
  expect(server.listening).toBe(false);
  expect(readdirSync(folder)).toEqual(['socket']);
});

it('a socket that cannot be looked at any more is left', async () => {
  const [state, moved] = [join(folder, 'state'), join(folder, 'moved')];
  mkdirSync(state);
  const remove = await listenAt(server, join(state, 'socket'));
  renameSync(state, moved);
  // Each look at the path fails (ELOOP), as on a disk that fails.
  symlinkSync(state, state);
  expect(remove).not.toThrow();
  expect(existsSync(join(moved, 'socket'))).toBe(true);
});
