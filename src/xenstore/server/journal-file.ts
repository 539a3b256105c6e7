// The state file: every change of the store is appended before its reply is made, and durable
// before the reply goes out.
import fs from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import type { Permissions } from '../protocol/permissions.js';
import type { Engine, Journal, JournalChange } from '../store/engine.js';
import { JournalFailure } from '../store/journaled.js';
import { lockFile } from './file-lock.js';
import { encodeFrame, lineOf, readFrames } from './journal-frames.js';

const CHANGES_A_FRAME = 1000;
/**
 * Rewritten when it has grown to this many times what the store itself takes, and at least to this
 * size.
 */
const GROWTH = 4;
const SMALL_BYTES = 1024 * 1024;
/** A rewrite that failed is tried again after this time. */
const RETRY_MS = 1000;

/** The calls of node:fs that the journal makes; tests let them fail. */
export type JournalFs = Pick<
  typeof fs,
  'openSync' | 'closeSync' | 'writeSync' | 'fdatasyncSync' | 'fsyncSync' | 'ftruncateSync' | 'renameSync' | 'rmSync'
>;

export interface JournalOptions {
  readonly log?: (line: string) => void;
  readonly fs?: JournalFs;
  readonly nowMs?: () => number;
}

export class JournalFile implements Journal {
  readonly #path: string;
  readonly #fs: JournalFs;
  readonly #log: (line: string) => void;
  readonly #nowMs: () => number;
  #fd: number;
  #sizeBytes: number;
  #snapshotBytes = 0;
  /** Changes of the request that is being answered. */
  #lines: string[] = [];
  #engine: Engine | undefined;
  #unsynced = false;
  #written = 0;
  /**
   * The file may hold something behind its last whole entry, or its contents are in doubt: rewrite
   * it before the next entry.
   */
  #broken = false;
  #refusing = false;
  #retryMs = 0;

  /**
   * Opens or creates the file; `load` or `adopt` must be called before anything is written.
   * @throws InputError when it cannot be opened or another daemon has it
   */
  constructor(path: string, options: JournalOptions = {}) {
    this.#path = path;
    this.#fs = options.fs ?? fs;
    this.#log = options.log ?? (() => {});
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#fd = this.#openLocked(path);
    this.#sizeBytes = fs.fstatSync(this.#fd).size;
  }

  /**
   * Brings the engine to the state of the file. An unfinished entry at its end is cut off: nothing
   * of it was acknowledged.
   * @throws InputError when the file is damaged before its last entry
   */
  load(engine: Engine): void {
    const bytes = fs.readFileSync(this.#path);
    const { end, rest } = readFrames(bytes, this.#path, (change) => (change === 'clear' ? clear(engine) : engine.restore(change)));
    if (rest === 'unfinished') this.#log(`${this.#path}: ${bytes.length - end} bytes of an unfinished entry were cut off`);
    if (rest === 'damaged') {
      this.#log(
        `${this.#path}: the last entry, ${bytes.length - end} bytes at byte ${end}, is damaged and was dropped; its changes are lost`,
      );
    }
    this.#sizeBytes = end;
    this.#broken = rest !== 'nothing' && !this.#truncate();
    this.adopt(engine);
  }

  /** Continues from a state that the engine already has (after a live restart). */
  adopt(engine: Engine): void {
    this.#engine = engine;
    if (!this.#compact() && this.#sizeBytes === 0) this.#broken = true;
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
    const frame = encodeFrame(this.#lines);
    this.#lines = [];
    try {
      if (this.#broken) this.#repair();
      this.#append(this.#fd, frame, this.#sizeBytes);
    } catch (error) {
      throw this.#refuse(error);
    }
    this.#sizeBytes += frame.length;
    this.#unsynced = true;
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
    if (!this.#unsynced) return;
    this.#unsynced = false;
    try {
      this.#fs.fdatasyncSync(this.#fd);
    } catch (error) {
      this.#broken = true;
      throw this.#refuse(error);
    }
    if (this.#sizeBytes > SMALL_BYTES && this.#sizeBytes > GROWTH * this.#snapshotBytes) this.#compact();
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
    this.#closeOld(this.#fd);
  }

  #add(change: JournalChange): void {
    // Until the file is loaded, the changes are its own.
    if (this.#engine !== undefined) this.#lines.push(JSON.stringify(lineOf(change)));
  }

  #append(fd: number, frame: Buffer, at: number): void {
    try {
      for (let done = 0; done < frame.length; ) {
        const written = this.#fs.writeSync(fd, frame, done, frame.length - done);
        if (written === 0) throw Object.assign(new Error('write: nothing was written'), { code: 'ENOSPC' });
        done += written;
      }
    } catch (error) {
      // Part of a frame must not be followed by another one.
      if (fd === this.#fd && at === this.#sizeBytes) this.#broken ||= !this.#truncate();
      throw error;
    }
  }

  #truncate(): boolean {
    try {
      this.#fs.ftruncateSync(this.#fd, this.#sizeBytes);
      return true;
    } catch (error) {
      this.#log(`${this.#path}: cannot cut off a broken entry: ${codeOf(error)}`);
      return false;
    }
  }

  /**
   * A rewrite puts the store as it is into a new file, so that nothing of the old one matters.
   * @throws Error of the last attempt
   */
  #repair(): void {
    if (this.#compact(true)) this.#broken = false;
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
   * @returns false when it was put off
   * @throws Error the failure, when `must`
   */
  #compact(must = false): boolean {
    if (!must && this.#nowMs() < this.#retryMs) return false;
    const temporary = `${this.#path}.new`;
    let fd: number | undefined;
    try {
      fd = this.#openLocked(temporary);
      this.#fs.ftruncateSync(fd, 0);
      const size = this.#writeSnapshot(fd);
      this.#fs.fsyncSync(fd);
      this.#fs.renameSync(temporary, this.#path);
      this.#switchTo(fd, size);
      fd = undefined;
      this.#syncFolder();
      this.#broken = false;
      return true;
    } catch (error) {
      this.#retryMs = this.#nowMs() + RETRY_MS;
      if (fd !== undefined) this.#abandon(fd, temporary);
      if (must) throw error;
      this.#log(`${this.#path}: rewriting it is put off: ${codeOf(error)}`);
      return false;
    }
  }

  #switchTo(fd: number, size: number): void {
    const old = this.#fd;
    this.#fd = fd;
    this.#sizeBytes = size;
    this.#snapshotBytes = size;
    // Until the folder is synced a crash may bring the old file back.
    this.#broken = true;
    this.#closeOld(old);
  }

  #closeOld(fd: number): void {
    try {
      this.#fs.closeSync(fd);
    } catch (error) {
      this.#log(`${this.#path}: close: ${codeOf(error)}`);
    }
  }

  #abandon(fd: number, temporary: string): void {
    for (const tidy of [() => this.#fs.rmSync(temporary, { force: true }), () => this.#fs.closeSync(fd)]) {
      try {
        tidy();
      } catch (error) {
        this.#log(`${temporary}: ${codeOf(error)}`);
      }
    }
  }

  #writeSnapshot(fd: number): number {
    let size = 0;
    let lines: string[] = [JSON.stringify(['clear'])];
    const write = (): void => {
      const frame = encodeFrame(lines);
      this.#append(fd, frame, -1);
      size += frame.length;
      lines = [];
    };
    for (const change of this.#engine!.snapshot()) {
      lines.push(JSON.stringify(lineOf(change)));
      if (lines.length >= CHANGES_A_FRAME) write();
    }
    if (lines.length > 0) write();
    return size;
  }

  #syncFolder(): void {
    const folder = this.#fs.openSync(dirname(this.#path), 'r');
    try {
      this.#fs.fsyncSync(folder);
    } finally {
      this.#fs.closeSync(folder);
    }
  }

  #openLocked(path: string): number {
    let fd: number;
    try {
      fd = this.#fs.openSync(path, 'a+', 0o600);
    } catch (error) {
      if (path !== this.#path) throw error;
      throw new InputError(`cannot open the state file (${codeOf(error)})`, { file: path }, 'name a file in a folder that may be written');
    }
    if (lockFile(fd, path)) return fd;
    this.#fs.closeSync(fd);
    throw new InputError('another daemon uses this state file', { file: path }, 'end that one first, or name another file');
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function reasonOf(code: string): string {
  const REASONS: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EIO: 'the disk fails',
  };
  return `${REASONS[code] ?? 'it cannot be written'} (${code})`;
}

/** A snapshot is complete: it must not be added to what a fresh daemon starts with. */
function clear(engine: Engine): void {
  for (const { path } of [...engine.nodes()]) if (path !== '/') engine.restore({ kind: 'remove', path });
}
