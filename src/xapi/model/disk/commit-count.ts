// The number of commits, kept in a file beside the database: a database that is behind it has lost
// commits, for example by a truncated write-ahead log or a copy without its log.
import { constants } from 'node:fs';
import { FILE_CALLS, type FileCalls } from '../../../base/file-calls.js';
import { openOwnFile, readOwnFile } from '../../../base/own-file.js';

/** Digits of the number, so that it is overwritten in place: a full disk does not stop that. */
const DIGITS = 20;

export class CommitCount {
  readonly #fd: number;
  readonly #files: FileCalls;

  /** @throws the error of the file system */
  constructor(file: string, files: FileCalls = FILE_CALLS) {
    this.#files = files;
    this.#fd = openOwnFile(file, constants.O_RDWR | constants.O_CREAT, files);
  }

  /** 0 for a file that is not there or says nothing. @throws InputError for one that is no count */
  static read(file: string): number {
    const text = readOwnFile(file, DIGITS + 1)?.toString('latin1') ?? '';
    return /^\d{20}\n$/.test(text) ? Number(text) : 0;
  }

  /**
   * After the commit is durable. The number is not synced each time: after a power failure it may
   * be behind the database, never before it.
   * @throws the error of the file system
   */
  write(count: number): void {
    const bytes = Buffer.from(`${String(count).padStart(DIGITS, '0')}\n`, 'latin1');
    if (this.#files.write(this.#fd, bytes, 0) !== bytes.length) throw Object.assign(new Error('short write'), { code: 'EIO' });
  }

  close(): void {
    try {
      this.#files.sync(this.#fd);
    } finally {
      this.#files.close(this.#fd);
    }
  }
}
