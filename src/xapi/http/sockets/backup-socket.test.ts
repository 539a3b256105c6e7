// The socket of backups, when its state folder was moved and another daemon has come.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BACKUP_SOCKET, serveBackups } from './backup-socket.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backup-socket-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const fail = (message: string): never => {
  throw new Error(message);
};

function backupFrom(state: string): Promise<string> {
  return new Promise((done, failed) => {
    get({ socketPath: join(state, BACKUP_SOCKET), path: '/backup', agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () => done(text));
    }).on('error', failed);
  });
}

it('the end of a daemon removes its own socket, and not that of the next one', async () => {
  const [state, moved] = [join(folder, 'state'), join(folder, 'moved')];
  mkdirSync(state);
  const first = await serveBackups(state, { backup: () => Buffer.from('first') }, fail);
  renameSync(state, moved);
  mkdirSync(state);
  const second = await serveBackups(state, { backup: () => Buffer.from('second') }, fail);
  expect([await backupFrom(moved), await backupFrom(state)]).toEqual(['first', 'second']);
  await first!.close();
  expect(await backupFrom(state)).toBe('second');
  await second!.close();
  expect(readdirSync(state)).toEqual([]);
});

it('a socket that a killed daemon left is replaced', async () => {
  const first = await serveBackups(folder, { backup: () => Buffer.from('first') }, fail);
  const second = await serveBackups(folder, { backup: () => Buffer.from('second') }, fail);
  expect(await backupFrom(folder)).toBe('second');
  await first!.close();
  expect(existsSync(join(folder, BACKUP_SOCKET))).toBe(true);
  await second!.close();
});
