// `xennuma serve backup` and `restore`: the whole state as one checked file, also from a running
// daemon.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { makeOwnFolder, readRegularFile } from '../../base/own-file.js';
import { BACKUP_SOCKET } from '../../xapi/http/backup-socket.js';
import { StateFolder } from '../../xapi/model/disk/sqlite.js';
import { remark } from '../output/terminal.js';

/**
 * Files of a state folder that belong together; `commits` is the number that the database must
 * have.
 */
const STATE_FILES = ['xapi.db', 'xapi.db-wal', 'xapi.db-journal', 'xapi.db-shm', 'commits'] as const;
/** Node reads no larger file at once, and makes no larger backup. */
const MOST_BYTES = 2 ** 31 - 1;

export async function backup(file: string, folder: string): Promise<void> {
  if (!existsSync(join(folder, 'xapi.db')))
    throw new InputError('the folder contains no state', { file: folder }, 'name the folder of --state');
  if (existsSync(file)) throw new InputError('the file already exists', { file }, 'choose another name');
  const bytes = (await fromDaemon(join(folder, BACKUP_SOCKET))) ?? fromFolder(folder);
  const fresh = `${file}.new`;
  try {
    writeDurably(fresh, bytes);
    const objects = check(fresh);
    renameSync(fresh, file);
    syncFolder(dirname(file));
    remark(`${file}: ${objects} objects, ${bytes.length} bytes`);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error instanceof InputError
      ? error
      : new InputError(`the backup was not written: ${(error as Error).message}`, { file }, 'make room');
  }
}

export async function restore(file: string, folder: string): Promise<void> {
  if (!existsSync(file)) throw new InputError('there is no such file', { file }, 'name a backup');
  try {
    const objects = check(file);
    makeOwnFolder(folder);
    const target = join(folder, 'xapi.db');
    assertUnused(folder);
    // One that is there was left by a restore that was killed.
    rmSync(`${target}.new`, { force: true });
    writeDurably(`${target}.new`, readRegularFile(file, MOST_BYTES));
    const oldState = keepOld(folder);
    renameSync(`${target}.new`, target);
    syncFolder(folder);
    remark(`${folder}: ${objects} objects restored${oldState === null ? '' : `; the earlier state is in ${oldState}`}`);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `the backup was not restored: ${(error as Error).message}`,
      { file: folder },
      'give this user the right to read the backup and to write beside it and in the folder',
    );
  }
}

/** @returns null when no daemon answers */
function fromDaemon(socketPath: string): Promise<Buffer | null> {
  return new Promise((done, failed) => {
    const sent = get({ socketPath, path: '/backup' }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        if (response.statusCode === 200) done(bytes);
        else failed(new InputError(`the daemon could not copy its state: ${bytes.toString()}`, {}, 'see its log'));
      });
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') done(null);
      else failed(error);
    });
  });
}

function fromFolder(folder: string): Buffer {
  const state = new StateFolder(folder);
  try {
    return state.backup();
  } finally {
    state.close();
  }
}

/**
 * Opens a copy of the backup as the daemon would: every page, every record. @returns the number of
 * objects.
 * @throws InputError
 */
function check(file: string): number {
  const bytes = readRegularFile(file, MOST_BYTES);
  const trial = `${file}.check-${process.pid}`;
  mkdirSync(trial, { mode: 0o700 });
  try {
    writeDurably(join(trial, 'xapi.db'), bytes);
    const state = new StateFolder(trial);
    try {
      return [...state.load()].length;
    } finally {
      state.close();
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`the backup is damaged: ${error.message}`, { file }, 'restore another backup');
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

/** A damaged state counts as unused, because restore exists to replace it. */
function assertUnused(folder: string): void {
  if (!existsSync(join(folder, 'xapi.db'))) return;
  try {
    new StateFolder(folder).close();
  } catch (error) {
    if (error instanceof InputError && /another xennuma owns/.test(error.message)) throw error;
  }
}

/** @returns the folder that the earlier state was moved to; null when there was none */
function keepOld(folder: string): string | null {
  const files = STATE_FILES.filter((name) => existsSync(join(folder, name)));
  if (files.length === 0) return null;
  const oldState = join(folder, `before-restore-${new Date().toISOString().replaceAll(':', '')}`);
  mkdirSync(oldState, { mode: 0o700 });
  for (const name of files) renameSync(join(folder, name), join(oldState, name));
  return oldState;
}

function writeDurably(file: string, bytes: Uint8Array): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
