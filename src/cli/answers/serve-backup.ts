// `xennuma serve backup` and `restore`: the whole state as one checked file, also from a running
// daemon.
import { closeSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS } from '../../base/file-calls.js';
import { isFull, withErrnoName } from '../../base/files/errno-names.js';
import { makeOwnFolder, openOwnFile, readRegularFile } from '../../base/own-file.js';
import { replaceSharedFile, syncFolder } from '../../base/replace-file.js';
import { BACKUP_SOCKET } from '../../xapi/http/sockets/backup-socket.js';
import { backupOf, stateOfBackup } from '../../xapi/model/disk/backup-copy.js';
import { StateFolder } from '../../xapi/model/disk/sqlite.js';
import {
  DATABASE,
  DamagedStateError,
  EARLIER,
  ForeignStateError,
  OwnedStateError,
  RESTORED,
  STATE_FILES,
} from '../../xapi/model/disk/state-files.js';
import { lockFile } from '../../xenstore/server/file-lock.js';
import { remark } from '../output/terminal.js';

/** Node reads no larger file at once, and makes no larger backup. */
const MOST_BYTES = 2 ** 31 - 1;
/** A daemon copies its state in one go, and a large one takes it seconds. */
const SILENT_MS = 60_000;

export async function backup(file: string, folder: string): Promise<void> {
  if (!existsSync(join(folder, DATABASE)))
    throw new InputError('the folder contains no state', { file: folder }, 'name the folder of --state');
  if (file === '') throw new InputError('expected the name of a file, got none', {}, 'name the backup');
  if (isTaken(file)) throw new InputError('the file already exists', { file }, 'choose another name');
  const bytes = (await fromDaemon(join(folder, BACKUP_SOCKET))) ?? fromFolder(folder);
  try {
    const checked = explained(file, () => backupOf(bytes, file));
    replaceSharedFile(file, checked.bytes, FILE_CALLS);
    remark(`${file}: ${checked.objects} objects, ${checked.bytes.length} bytes`);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `the backup was not written: ${withErrnoName(error as Error).message}`,
      { file },
      isFull(error) ? 'make room there, or write it elsewhere' : 'check the folder and its permissions',
    );
  }
}

/** A link that leads nowhere is a file too: the backup would take its place. */
function isTaken(file: string): boolean {
  try {
    return FILE_CALLS.named(file) !== null;
  } catch {
    // Writing it says why.
    return false;
  }
}

export async function restore(file: string, folder: string): Promise<void> {
  if (!existsSync(file)) throw new InputError('there is no such file', { file }, 'name a backup');
  try {
    const backedUp = readRegularFile(file, MOST_BYTES);
    const { bytes, objects } = explained(file, () => stateOfBackup(backedUp, file));
    makeOwnFolder(folder);
    const lock = lockRestores(folder);
    try {
      assertUnused(folder);
      const oldState = putInPlace(folder, bytes);
      remark(`${folder}: ${objects} objects restored${oldState === null ? '' : `; the earlier state is in ${oldState}`}`);
    } finally {
      closeSync(lock);
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `the backup was not restored: ${withErrnoName(error as Error).message}`,
      { file: folder },
      isFull(error) ? 'make room there' : 'give this user the right to read the backup and to write beside it and in the folder',
    );
  }
}

/**
 * Killed before the first rename, the earlier state is whole; after the last one, the restored one.
 * In between no daemon starts, because RESTORED is there. @returns as keepOld
 */
function putInPlace(folder: string, bytes: Uint8Array): string | null {
  const [target, restored] = [join(folder, DATABASE), join(folder, RESTORED)];
  const isSecond = existsSync(restored);
  replaceSharedFile(restored, bytes, FILE_CALLS);
  try {
    // A daemon that has started since has the lock now, or will find the file above.
    assertUnused(folder);
    const oldState = keepOld(folder, isSecond);
    renameSync(restored, target);
    syncFolder(folder, FILE_CALLS);
    return oldState;
  } catch (error) {
    // The database is the first to be moved: with it, the earlier state is whole.
    if (existsSync(target)) rmSync(restored, { force: true });
    throw error;
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
    sent.setTimeout(SILENT_MS, () =>
      sent.destroy(
        new InputError(
          `the daemon has sent nothing for ${SILENT_MS / 1000} seconds`,
          { file: socketPath },
          'see whether it is stopped, or end it',
        ),
      ),
    );
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

/** @throws InputError that says what the fault means for a backup */
function explained<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const another = 'restore another backup';
    if (error instanceof ForeignStateError) throw new InputError(`this is no backup: ${error.message}`, { file }, another);
    if (error instanceof DamagedStateError) throw new InputError(`the backup is damaged: ${error.message}`, { file }, another);
    throw new InputError(`the backup cannot be checked: ${error.message}`, { file }, error.mend);
  }
}

/**
 * Two at once would move each other's files away. The lock's file stays, because removing it would
 * let two hold "the" lock.
 * @returns the descriptor that holds the lock until it is closed
 * @throws InputError when another restore into this folder runs
 */
function lockRestores(folder: string): number {
  const file = join(folder, 'restore.lock');
  const fd = openOwnFile(file, constants.O_RDWR | constants.O_CREAT);
  if (lockFile(fd, file)) return fd;
  closeSync(fd);
  throw new InputError('another restore into this folder runs', { file: folder }, 'wait until it has ended');
}

/** A damaged state counts as unused, because restore exists to replace it. */
function assertUnused(folder: string): void {
  if (!existsSync(join(folder, DATABASE))) return;
  try {
    new StateFolder(folder, { restoring: true }).close();
  } catch (error) {
    if (error instanceof OwnedStateError) throw error;
  }
}

/**
 * @param isSecond a killed restore may have begun to move the files
 * @returns the folder that the earlier state was moved to; null when there was none
 */
function keepOld(folder: string, isSecond: boolean): string | null {
  const files = STATE_FILES.filter((name) => existsSync(join(folder, name)));
  const begun = isSecond ? folderOfKilled(folder, files) : undefined;
  if (files.length === 0) return begun ?? null;
  const oldState = begun ?? join(folder, `${EARLIER}${new Date().toISOString().replaceAll(':', '')}`);
  if (begun === undefined) mkdirSync(oldState, { mode: 0o700 });
  for (const name of files) renameSync(join(folder, name), join(oldState, name));
  for (const changed of [oldState, folder]) syncFolder(changed, FILE_CALLS);
  return oldState;
}

/** The newest folder of an earlier state, if it lacks these files. */
function folderOfKilled(folder: string, files: readonly string[]): string | undefined {
  const names = readdirSync(folder).filter((name) => name.startsWith(EARLIER));
  const newest = names.length === 0 ? undefined : join(folder, names.sort().at(-1)!);
  return newest === undefined || files.some((name) => existsSync(join(newest, name))) ? undefined : newest;
}
