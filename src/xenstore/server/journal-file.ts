// The state file: room for a change is reserved before its reply is made, so that a full disk
// refuses that request alone; all changes of a turn are written and durable before the turn's
// replies go out.
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS, type FileCalls, writeAll } from '../../base/file-calls.js';
import { assertInPlace, openOwnFile, readOpenFile } from '../../base/own-file.js';
import type { Permissions } from '../protocol/permissions.js';
import type { Engine, Journal, JournalChange } from '../store/engine.js';
import { JournalFailure } from '../store/journaled.js';
import { lockFile } from './file-lock.js';
import { encodeFrame, HEAD_BYTES, lineOf, readFrames } from './journal-frames.js';
import { codeOf, reasonOf } from './journal-reasons.js';

const CHANGES_A_FRAME = 1000;
/**
 * Rewritten when it has grown to this many times what the store itself takes, and at least to this
 * size.
 */
const GROWTH = 4;
const SMALL_BYTES = 1024 * 1024;
/** A rewrite that failed is tried again after this time. */
const RETRY_MS = 1000;

/** Zeros are written so far ahead: entries then replace them and need no more room. */
const RESERVE_BYTES = 256 * 1024;
const OPEN = constants.O_RDWR | constants.O_CREAT;
/** Node reads no larger file at once. */
const MOST_BYTES = 2 ** 31 - 1;

export interface JournalOptions {
  readonly log?: (line: string) => void;
  readonly files?: FileCalls;
  /** How far ahead the file has its room; tests take little, so that requests are refused often. */
  readonly reserveBytes?: number;
  readonly nowMs?: () => number;
}

export class JournalFile implements Journal {
  readonly #path: string;
  readonly #files: FileCalls;
  readonly #log: (line: string) => void;
  readonly #nowMs: () => number;
  readonly #zeros: Buffer;
  #fd: number;
  /** Where the last whole entry ends. */
  #sizeBytes = 0;
  /** Up to here the file has its room on the disk. */
  #reservedBytes = 0;
  #snapshotBytes = 0;
  /** Changes of the request that is being answered. */
  #lines: string[] = [];
  /** Accepted changes of earlier requests in this turn, and their length in the file. */
  #accepted: string[] = [];
  #acceptedBytes = 0;
  #engine: Engine | undefined;
  #written = 0;
  /**
   * The file may hold something behind its last whole entry, or its contents are in doubt: rewrite
   * it before the next entry.
   */
  #broken = false;
  /** The file was replaced; until its folder is synced a crash may bring the old one back. */
  #renamed = false;
  /** It was rewritten with changes of this turn. */
  #repaired = false;
  #refusing = false;
  #retryMs = 0;

  /**
   * Opens or creates the file; `load` or `adopt` must be called before anything is written.
   * @throws InputError when it cannot be opened or another daemon has it
   */
  constructor(path: string, options: JournalOptions = {}) {
    this.#path = path;
    this.#files = options.files ?? FILE_CALLS;
    this.#log = options.log ?? (() => {});
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#zeros = Buffer.alloc(options.reserveBytes ?? RESERVE_BYTES);
    this.#fd = this.#openLocked(path);
  }

  /**
   * Brings the engine to the state of the file. An unfinished entry at its end is cut off: nothing
   * of it was acknowledged.
   * @throws InputError when the file is damaged before its last entry
   */
  load(engine: Engine): void {
    const bytes = readOpenFile(this.#path, this.#fd, MOST_BYTES, this.#files);
    const apply = (change: JournalChange | 'clear'): void => (change === 'clear' ? clear(engine) : engine.restore(change));
    const { end, rest, restBytes } = readFrames(bytes, this.#path, apply);
    if (rest === 'unfinished') this.#log(`${this.#path}: ${restBytes} bytes of an unfinished entry were cut off`);
    if (rest === 'damaged') {
      this.#log(
        `${this.#path}: the last entry, ${restBytes} bytes at byte ${end}, is damaged and was dropped; its changes are lost, unless the machine stopped while it was being written`,
      );
    }
    this.#sizeBytes = end;
    this.#reservedBytes = bytes.length;
    this.#engine = engine;
    if (!this.#compact()) this.#broken = end === 0 || (rest !== 'nothing' && !this.#truncate());
  }

  /** Continues from a state that the engine already has (after a live restart). */
  adopt(engine: Engine): void {
    this.#engine = engine;
    // Where the file's last entry ends is not known here.
    if (!this.#compact()) this.#broken = true;
  }

  set(path: string, value: string, permissions: Permissions): void {
    this.#add({ kind: 'set', path, value, permissions });
  }

  remove(path: string): void {
    this.#add({ kind: 'remove', path });
  }

  introduce(domid: number, gfn: string, port: number): void {
    this.#add({ kind: 'introduce', domid, gfn, port });
  }

  release(domid: number): void {
    this.#add({ kind: 'release', domid });
  }

  discard(): void {
    if (this.#lines.length > 0) this.#lines = [];
  }

  write(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    try {
      // Once in a turn: what comes later in it was removed while it was being written.
      if (this.#accepted.length === 0 && !this.#repaired) this.#assertInPlace();
      if (this.#broken) this.#repair(lines);
      else this.#accept(lines);
    } catch (error) {
      throw this.#refuse(error);
    }
    this.#written++;
    if (this.#refusing) {
      this.#refusing = false;
      this.#log(`${this.#path}: changes are accepted again`);
    }
  }

  /**
   * Makes durable what was written since the last time.
   * @throws JournalFailure when the system cannot say that it is: whether those changes survive a
   *   crash is unknown then
   */
  sync(): void {
    if (this.#accepted.length === 0 && !this.#repaired) return;
    this.#repaired = false;
    try {
      if (this.#renamed) this.#syncFolder();
      if (this.#accepted.length > 0) this.#append();
    } catch (error) {
      throw this.#refuse(error);
    }
    if (this.#sizeBytes > SMALL_BYTES && this.#sizeBytes > GROWTH * this.#snapshotBytes) this.#compact();
  }

  #append(): void {
    const frame = encodeFrame(this.#accepted);
    this.#accepted = [];
    this.#acceptedBytes = 0;
    try {
      writeAll(this.#files, this.#fd, frame, this.#sizeBytes);
      this.#files.dataSync(this.#fd);
    } catch (error) {
      // A rewrite takes its place: part of an entry must not be followed by another one.
      this.#broken = true;
      throw error;
    }
    this.#sizeBytes += frame.length;
  }

  /**
   * Before the program is replaced, which opens the file again: the store is written anew where the
   * file was removed.
   * @throws when something else is there, or it cannot be written
   */
  prepareRestart(): void {
    try {
      this.#assertInPlace();
      return;
    } catch (error) {
      if (this.#files.named(this.#path) !== null) throw error;
    }
    const fd = this.#openLocked(this.#path);
    try {
      const size = this.#writeSnapshot(fd, []);
      this.#files.sync(fd);
      this.#switchTo(fd, size);
    } catch (error) {
      this.#abandon(fd, this.#path);
      throw error;
    }
  }

  /** How many requests have changed the store. */
  get written(): number {
    return this.#written;
  }

  close(): void {
    try {
      this.sync();
    } catch (error) {
      if (!(error instanceof JournalFailure)) throw error;
    }
    if (!this.#broken && this.#reservedBytes > this.#sizeBytes) this.#truncate();
    this.#closeOld(this.#fd);
  }

  #add(change: JournalChange): void {
    // Until the file is loaded, the changes are its own.
    if (this.#engine !== undefined) this.#lines.push(JSON.stringify(lineOf(change)));
  }

  /** @throws the file system's error when there is no room for the changes of one more request */
  #accept(lines: readonly string[]): void {
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    this.#reserve(this.#sizeBytes + HEAD_BYTES + this.#acceptedBytes + bytes);
    for (const line of lines) this.#accepted.push(line);
    this.#acceptedBytes += bytes;
  }

  /** @throws the file system's error when the file cannot have room up to `end` */
  #reserve(end: number): void {
    while (this.#reservedBytes < end) {
      const written = this.#files.write(this.#fd, this.#zeros, this.#reservedBytes);
      if (written === 0) throw Object.assign(new Error('write: nothing was written'), { code: 'ENOSPC' });
      this.#reservedBytes += written;
    }
  }

  /** Cuts off what follows the last whole entry. */
  #truncate(): boolean {
    try {
      this.#files.truncate(this.#fd, this.#sizeBytes);
      this.#reservedBytes = this.#sizeBytes;
      return true;
    } catch (error) {
      this.#log(`${this.#path}: cannot cut off what follows the last entry: ${codeOf(error)}`);
      return false;
    }
  }

  /**
   * A rewrite puts the store as it is, and then the request's changes, into a new file, so that
   * nothing of the old one matters. (A RELEASE changes the store only after this.)
   * @throws the file system's error; the file is as it was then
   */
  #repair(lines: readonly string[]): void {
    this.#compact(lines);
    this.#repaired = true;
  }

  #refuse(error: unknown): JournalFailure {
    const code = codeOf(error);
    if (!this.#refusing) this.#log(`${this.#path}: ${reasonOf(code)}; changes are refused, reads go on`);
    this.#refusing = true;
    return new JournalFailure(code === 'ENOSPC' || code === 'EDQUOT' ? 'ENOSPC' : 'EIO', error);
  }

  /**
   * Writes the store into a new file and puts it in the place of the old one. Without room or a
   * descriptor that is put off.
   * @param must changes of a request that follow the store; with them it is not put off
   * @returns false when it was put off
   * @throws the file system's error, when `must` is given
   */
  #compact(must?: readonly string[]): boolean {
    if (must === undefined && this.#nowMs() < this.#retryMs) return false;
    const temporary = `${this.#path}.new`;
    let fd: number | undefined;
    try {
      this.#assertInPlace();
      fd = this.#openLocked(temporary);
      this.#files.truncate(fd, 0);
      const size = this.#writeSnapshot(fd, must ?? []);
      this.#files.sync(fd);
      // Another daemon's file may be there by now.
      this.#assertInPlace();
      this.#files.rename(temporary, this.#path);
      this.#switchTo(fd, size);
      fd = undefined;
    } catch (error) {
      this.#retryMs = this.#nowMs() + RETRY_MS;
      if (fd !== undefined) this.#abandon(fd, temporary);
      if (must !== undefined) throw error;
      this.#log(`${this.#path}: rewriting it is put off: ${codeOf(error)}`);
      return false;
    }
    try {
      this.#syncFolder();
    } catch (error) {
      // The old file holds all that was acknowledged; before more is, this is tried again.
      this.#log(`${this.#path}: cannot sync its folder: ${codeOf(error)}`);
    }
    return true;
  }

  #switchTo(fd: number, size: number): void {
    const old = this.#fd;
    this.#fd = fd;
    this.#sizeBytes = size;
    this.#reservedBytes = size;
    this.#snapshotBytes = size;
    this.#renamed = true;
    this.#broken = false;
    this.#closeOld(old);
  }

  #closeOld(fd: number): void {
    try {
      this.#files.close(fd);
    } catch (error) {
      this.#log(`${this.#path}: close: ${codeOf(error)}`);
    }
  }

  #abandon(fd: number, temporary: string): void {
    for (const tidy of [() => this.#files.unlink(temporary), () => this.#files.close(fd)]) {
      try {
        tidy();
      } catch (error) {
        this.#log(`${temporary}: ${codeOf(error)}`);
      }
    }
  }

  #writeSnapshot(fd: number, more: readonly string[]): number {
    let size = 0;
    let lines: string[] = [JSON.stringify(['clear'])];
    const write = (): void => {
      const frame = encodeFrame(lines);
      writeAll(this.#files, fd, frame, size);
      size += frame.length;
      lines = [];
    };
    for (const change of this.#engine!.snapshot()) {
      lines.push(JSON.stringify(lineOf(change)));
      if (lines.length >= CHANGES_A_FRAME) write();
    }
    lines.push(...more);
    if (lines.length > 0) write();
    return size;
  }

  #syncFolder(): void {
    const folder = this.#files.open(dirname(this.#path), 'r', 0);
    try {
      this.#files.sync(folder);
      this.#renamed = false;
    } finally {
      this.#closeOld(folder);
    }
  }

  /** @throws MovedFileError */
  #assertInPlace(): void {
    assertInPlace(this.#path, this.#files.kind(this.#fd), this.#files);
  }

  /** Its owner may have replaced the file before this process had its lock. */
  #names(path: string, fd: number): boolean {
    const [named, { dev, ino }] = [this.#files.named(path), this.#files.kind(fd)];
    return named?.ino === ino && named.dev === dev;
  }

  #openLocked(path: string): number {
    let fd: number;
    try {
      fd = openOwnFile(path, OPEN, this.#files);
    } catch (error) {
      if (path !== this.#path || error instanceof InputError) throw error;
      throw new InputError(`cannot open the state file (${codeOf(error)})`, { file: path }, 'name a file in a folder that may be written');
    }
    if (lockFile(fd, path) && this.#names(path, fd)) return fd;
    this.#files.close(fd);
    throw new InputError('another daemon uses this state file', { file: path }, 'end that one first, or name another file');
  }
}

/** A snapshot is complete: it must not be added to what a fresh daemon starts with. */
function clear(engine: Engine): void {
  for (const { path } of [...engine.nodes()]) if (path !== '/') engine.restore({ kind: 'remove', path });
}
