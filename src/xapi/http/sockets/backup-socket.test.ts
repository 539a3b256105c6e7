// The socket of backups: whose it is when its state folder was moved and another daemon has come,
// when there can be none yet, and when the state cannot be copied.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
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
      response.on('end', () => (response.statusCode === 200 ? done(text) : failed(new Error(`${response.statusCode}: ${text}`))));
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
  await first.close();
  expect(await backupFrom(state)).toBe('second');
  await second.close();
  expect(readdirSync(state)).toEqual([]);
});

it('a socket that a killed daemon left is replaced', async () => {
  const first = await serveBackups(folder, { backup: () => Buffer.from('first') }, fail);
  const second = await serveBackups(folder, { backup: () => Buffer.from('second') }, fail);
  expect(await backupFrom(folder)).toBe('second');
  await first.close();
  expect(existsSync(join(folder, BACKUP_SOCKET))).toBe(true);
  await second.close();
});

it('a state that cannot be copied is the answer, and the next request is served', async () => {
  const answers = [() => fail('the disk reports an error'), () => Buffer.from('whole')];
  const socket = await serveBackups(folder, { backup: () => answers.shift()!() }, fail);
  await expect(backupFrom(folder)).rejects.toThrow('500: the disk reports an error');
  expect(await backupFrom(folder)).toBe('whole');
  await socket.close();
});

it('what is in the way of the socket is reported once, and backups are served when it is gone', async () => {
  const said: string[] = [];
  mkdirSync(join(folder, BACKUP_SOCKET));
  const socket = await serveBackups(folder, { backup: () => Buffer.from('state') }, (message) => said.push(message));
  expect(readdirSync(folder)).toEqual([BACKUP_SOCKET]);
  rmdirSync(join(folder, BACKUP_SOCKET));
  await vi.waitFor(() => expect(said.length).toBe(2), 10_000);
  expect(said).toEqual([expect.stringMatching(/^no backups for now: EISDIR/), 'backups are possible again']);
  expect(await backupFrom(folder)).toBe('state');
  await socket.close();
});
