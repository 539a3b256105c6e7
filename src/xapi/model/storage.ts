// The database's interface to storage: committed objects, and the reasons why a commit can fail.
import { withErrnoName } from '../../base/files/errno-names.js';
import { MovedFileError } from '../../base/own-file.js';
import type { MetadataStore } from '../../xenopsd/api/metadata.js';
import { MemoryMetadata } from '../../xenopsd/api/metadata.js';
import type { WireStruct } from '../wire/values.js';
import type { Charge, StoredCharge } from './record-bounds.js';

/** One object as a commit writes it; `record` null = destroyed. */
export interface StoredChange {
  readonly ref: string;
  readonly type: string;
  readonly record: WireStruct | null;
  /** To be stored with the record. */
  readonly charge: Charge | null;
}

/** An object as a commit wrote it. */
export interface LoadedObject {
  readonly ref: string;
  readonly type: string;
  readonly record: WireStruct;
  readonly charge: StoredCharge;
}

export interface Keeper {
  load(): Iterable<LoadedObject>;
  /**
   * All changes or none. They are durable when it returns.
   * @throws anything; the caller reads it with storageErrorOf
   */
  commit(changes: Iterable<StoredChange>): void;
  /** Writes and removes a few pages: does storage accept commits again? */
  probe(): void;
  /** @throws when a file of the state is not where it was opened: no commit would be found again */
  assertInPlace(): void;
}

/** A keeper with all else that the daemon keeps beside its objects. */
export interface StateStore extends Keeper {
  /** The toolstack's metadata of domains, for hosts whose domains outlive this process. */
  domains(): MetadataStore;
  /** The whole state as one consistent database file; null in memory. */
  backup(): Buffer | null;
  close(): void;
}

/** State that ends with the process. */
export class MemoryState implements StateStore {
  readonly #domains = new MemoryMetadata();

  load(): [] {
    return [];
  }

  commit(changes: Iterable<StoredChange>): void {
    for (const _ of changes);
  }

  probe(): void {}

  assertInPlace(): void {}

  domains(): MetadataStore {
    return this.#domains;
  }

  backup(): null {
    return null;
  }

  close(): void {}
}

/** The reasons of refusals, in words for a caller; other errnos are self-explanatory. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EIO: 'the disk reports an input/output error',
  EMFILE: 'no file descriptor is free',
  ENFILE: 'no file descriptor is free on this machine',
  EROFS: 'the file system is read-only',
  EACCES: 'access is denied',
  EFBIG: 'the file may not grow further',
};

/**
 * Result codes of SQLite (sqlite.org/rescode.html) with the errno that each stands for; extended
 * codes begin with these.
 */
const SQLITE_ERRNO: readonly (readonly [string, string])[] = [
  ['SQLITE_FULL', 'ENOSPC'],
  ['SQLITE_IOERR', 'EIO'],
  ['SQLITE_CANTOPEN', 'EMFILE'],
  ['SQLITE_READONLY', 'EROFS'],
  ['SQLITE_PERM', 'EACCES'],
];

/** A change that storage did not take. Nothing of it was kept. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly errno: string;
  readonly reason: string;

  constructor(errno: string, detail: string) {
    const reason = REASONS[errno] ?? detail;
    super(`${reason} (${errno})`);
    this.errno = errno;
    this.reason = reason;
  }
}

export function storageErrorOf(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  if (error instanceof MovedFileError)
    return new StorageError(error.code, `${error.message}; put it back, or end the daemon and restore a backup`);
  const { code, message } = withErrnoName(error) as { code?: unknown; message?: unknown };
  const name = typeof code === 'string' ? code : 'EIO';
  const errno = SQLITE_ERRNO.find(([prefix]) => name.startsWith(prefix))?.[1] ?? name;
  return new StorageError(errno, typeof message === 'string' ? message : String(error));
}
