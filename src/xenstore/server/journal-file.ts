// The state file: every change of the store, appended and made durable before its reply goes out.
// A frame is "XSJ1", the length and the CRC-32 of its body, and the body: a change a line, as JSON. One turn of the server is one
// frame, so that a transaction is there whole or not at all.
import { closeSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { InputError } from '../../base/errors.js';
import type { XenstorePermission } from '../connection.js';
import type { Permissions } from '../protocol/permissions.js';
import type { Engine, Journal, JournalChange } from '../store/engine.js';
import { libc } from './libc.js';

const MAGIC = Buffer.from('XSJ1');
const FRAME_BYTES = 12;
const CHANGES_A_FRAME = 1000;
/** Written anew when it has grown to this many times what the store itself takes, and at least to this size. */
const GROWTH = 4;
const SMALL_BYTES = 1024 * 1024;

type Line =
  | readonly ['s', path: string, value: string, permissions: string]
  | readonly ['r', path: string]
  | readonly ['i', domid: number, gfn: string, port: number]
  | readonly ['d', domid: number]
  | readonly ['clear'];

export class JournalFile implements Journal {
  private readonly path: string;
  private fd: number;
  private sizeBytes: number;
  private snapshotBytes = 0;
  private lines: string[] = [];
  private engine: Engine | undefined;

  /**
   * Opens or makes the file; `load` is to be called before anything is written.
   * @throws InputError when it cannot be opened or another daemon has it
   */
  constructor(path: string) {
    this.path = path;
    this.fd = openLocked(path);
    this.sizeBytes = fstatSync(this.fd).size;
  }

  /**
   * Brings the engine to the state that the file holds. A last frame that was being written when the daemon died is cut off: none of
   * it was acknowledged.
   * @throws InputError when the file is damaged before its end
   */
  load(engine: Engine): void {
    const bytes = readFileSync(this.path);
    const end = readFrames(bytes, this.path, (change) => (change === 'clear' ? clear(engine) : engine.restore(change)));
    if (end < bytes.length) ftruncateSync(this.fd, end);
    this.engine = engine;
    this.compact();
  }

  /** Goes on from a state that the engine has already (after a live restart). */
  adopt(engine: Engine): void {
    this.engine = engine;
    this.compact();
  }

  set(path: string, value: string, permissions: Permissions): void {
    this.add(['s', path, value, permissions.map(({ access, domid }) => `${access}${domid}`).join(' ')]);
  }

  remove(path: string): void {
    this.add(['r', path]);
  }

  introduce(domid: number, gfn: string, port: number): void {
    this.add(['i', domid, gfn, port]);
  }

  release(domid: number): void {
    this.add(['d', domid]);
  }

  /** Makes durable what was changed since the last time. */
  commit(): void {
    if (this.lines.length === 0) return;
    this.sizeBytes += writeFrame(this.fd, this.lines, this.sizeBytes);
    this.lines = [];
    fdatasyncSync(this.fd);
    if (this.sizeBytes > SMALL_BYTES && this.sizeBytes > GROWTH * this.snapshotBytes) this.compact();
  }

  close(): void {
    this.commit();
    closeSync(this.fd);
  }

  private add(line: Line): void {
    // Before `load` has ended the changes are those of the file.
    if (this.engine !== undefined) this.lines.push(JSON.stringify(line));
  }

  /** Writes the store as it is into a new file, and puts that in the place of the old one at once. */
  private compact(): void {
    const engine = this.engine!;
    const temporary = `${this.path}.new`;
    const fd = openLocked(temporary);
    ftruncateSync(fd, 0);
    let size = 0;
    let lines: string[] = [JSON.stringify(['clear'])];
    const write = (): void => {
      size += writeFrame(fd, lines, size);
      lines = [];
    };
    const put = (line: Line): void => {
      lines.push(JSON.stringify(line));
      if (lines.length >= CHANGES_A_FRAME) write();
    };
    const text = (permissions: Permissions): string => permissions.map(({ access, domid }) => `${access}${domid}`).join(' ');
    for (const { domid, gfn, port } of engine.introducedDomains()) put(['i', domid, gfn, port]);
    for (const { path, value, permissions } of engine.nodes()) put(['s', path, value, text(permissions)]);
    for (const [path, permissions] of engine.specialPermissions()) put(['s', path, '', text(permissions)]);
    write();
    fsyncSync(fd);
    renameSync(temporary, this.path);
    const folder = openSync(dirname(this.path), 'r');
    fsyncSync(folder);
    closeSync(folder);
    closeSync(this.fd);
    this.fd = fd;
    this.sizeBytes = size;
    this.snapshotBytes = size;
  }
}

function openLocked(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, 'a+', 0o600);
  } catch (error) {
    throw new InputError(
      `cannot open the state file (${(error as NodeJS.ErrnoException).code})`,
      { file: path },
      'name a file in a folder that may be written',
    );
  }
  if (libc().lock(fd)) return fd;
  closeSync(fd);
  throw new InputError('another daemon uses this state file', { file: path }, 'end that one first, or name another file');
}

function writeFrame(fd: number, lines: readonly string[], at: number): number {
  const body = Buffer.from(lines.join('\n'), 'utf8');
  const frame = Buffer.alloc(FRAME_BYTES + body.length);
  MAGIC.copy(frame);
  frame.writeUInt32LE(body.length, 4);
  frame.writeUInt32LE(crc32(body), 8);
  body.copy(frame, FRAME_BYTES);
  for (let done = 0; done < frame.length; ) {
    try {
      done += writeSync(fd, frame, done);
    } catch (error) {
      // A frame that is there in part must not be followed by another.
      ftruncateSync(fd, at);
      throw error;
    }
  }
  return frame.length;
}

/** Calls `apply` for every change; returns where the last whole frame ends. */
function readFrames(bytes: Buffer, file: string, apply: (change: JournalChange | 'clear') => void): number {
  let at = 0;
  while (at < bytes.length) {
    const body = frameAt(bytes, at);
    if (body === undefined) {
      for (let later = bytes.indexOf(MAGIC, at + 1); later >= 0; later = bytes.indexOf(MAGIC, later + 1)) {
        if (frameAt(bytes, later) === undefined) continue;
        throw new InputError(
          `the state file is damaged at byte ${at}, with whole entries behind it`,
          { file },
          'bring it back from a copy',
        );
      }
      return at;
    }
    for (const line of body.toString('utf8').split('\n')) apply(changeOf(JSON.parse(line) as Line));
    at += FRAME_BYTES + body.length;
  }
  return at;
}

function frameAt(bytes: Buffer, at: number): Buffer | undefined {
  if (bytes.length - at < FRAME_BYTES || bytes.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  if (length > bytes.length - at - FRAME_BYTES) return undefined;
  const body = bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
  return crc32(body) === bytes.readUInt32LE(at + 8) ? body : undefined;
}

function changeOf(line: Line): JournalChange | 'clear' {
  switch (line[0]) {
    case 's':
      return { kind: 'set', path: line[1], value: line[2], permissions: line[3].split(' ').map(permissionOf) };
    case 'r':
      return { kind: 'remove', path: line[1] };
    case 'i':
      return { kind: 'introduce', domid: line[1], gfn: line[2], port: line[3] };
    case 'd':
      return { kind: 'release', domid: line[1] };
    case 'clear':
      return 'clear';
  }
}

function permissionOf(text: string): XenstorePermission {
  return { access: text[0] as XenstorePermission['access'], domid: Number(text.slice(1)) };
}

/** A snapshot says all: what a fresh daemon makes is not to be added to it. */
function clear(engine: Engine): void {
  for (const { path } of [...engine.nodes()]) if (path !== '/') engine.restore({ kind: 'remove', path });
}
