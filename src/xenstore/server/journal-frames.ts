// The format of the state file. A frame is "XSJ1", the length and the CRC-32 of its body, and the
// body: a change a line, as JSON. One turn of the server is one frame, so that a transaction is
// there whole or not at all. Zeros follow the last frame: room for the next ones.
import { crc32 } from 'node:zlib';
import { InputError } from '../../base/errors.js';
import type { XenstorePermission } from '../connection.js';
import type { Permissions } from '../protocol/permissions.js';
import type { JournalChange } from '../store/engine.js';

const MAGIC = Buffer.from('XSJ1');
/** Bytes before a frame's body. */
export const HEAD_BYTES = 12;

export type Line =
  | readonly ['s', path: string, value: string, permissions: string]
  | readonly ['r', path: string]
  | readonly ['i', domid: number, gfn: string, port: number]
  | readonly ['d', domid: number]
  | readonly ['clear'];

export function lineOf(change: JournalChange): Line {
  switch (change.kind) {
    case 'set':
      return ['s', change.path, change.value, textOf(change.permissions)];
    case 'remove':
      return ['r', change.path];
    case 'introduce':
      return ['i', change.domid, change.gfn, change.port];
    case 'release':
      return ['d', change.domid];
  }
}

export function encodeFrame(lines: readonly string[]): Buffer {
  const body = Buffer.from(lines.join('\n'), 'utf8');
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  MAGIC.copy(frame);
  frame.writeUInt32LE(body.length, 4);
  frame.writeUInt32LE(crc32(body), 8);
  body.copy(frame, HEAD_BYTES);
  return frame;
}

export interface Frames {
  /** Where the last whole frame ends. */
  readonly end: number;
  /**
   * What follows: an entry that was being written when the daemon died, or a whole one whose
   * checksum is wrong.
   */
  readonly rest: 'nothing' | 'unfinished' | 'damaged';
  /** Length of that rest, without the zeros after it. */
  readonly restBytes: number;
}

/**
 * Calls `apply` for every change.
 * @throws InputError when the file is damaged and whole frames follow
 */
export function readFrames(all: Buffer, file: string, apply: (change: JournalChange | 'clear') => void): Frames {
  const bytes = withoutZeros(all);
  if (!MAGIC.subarray(0, bytes.length).equals(bytes.subarray(0, MAGIC.length)))
    throw new InputError('it is not a state file of xenstored', { file }, 'name another file, or restore this one from a copy');
  let at = 0;
  while (at < bytes.length) {
    const body = frameAt(bytes, at);
    if (body === undefined) {
      for (let later = bytes.indexOf(MAGIC, at + 1); later >= 0; later = bytes.indexOf(MAGIC, later + 1)) {
        if (frameAt(bytes, later) === undefined) continue;
        throw new InputError(
          `the state file is damaged at byte ${at}, and whole entries follow`,
          { file },
          'restore it from a copy, or name another file',
        );
      }
      return { end: at, rest: isUnfinished(all, at) ? 'unfinished' : 'damaged', restBytes: bytes.length - at };
    }
    for (const line of body.toString('utf8').split('\n')) apply(changeOf(JSON.parse(line) as Line));
    at += HEAD_BYTES + body.length;
  }
  return { end: at, rest: 'nothing', restBytes: 0 };
}

/** A frame's body is JSON and ends in no zero. */
function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/** The head is cut short, or names more bytes than there are: an append that did not end. */
function isUnfinished(bytes: Buffer, at: number): boolean {
  const head = bytes.subarray(at, at + HEAD_BYTES);
  if (head.length < HEAD_BYTES) return MAGIC.subarray(0, head.length).equals(head.subarray(0, MAGIC.length));
  return head.subarray(0, MAGIC.length).equals(MAGIC) && head.readUInt32LE(4) > bytes.length - at - HEAD_BYTES;
}

function frameAt(bytes: Buffer, at: number): Buffer | undefined {
  if (bytes.length - at < HEAD_BYTES || bytes.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  if (length > bytes.length - at - HEAD_BYTES) return undefined;
  const body = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
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

function textOf(permissions: Permissions): string {
  return permissions.map(({ access, domid, exactDomid }) => `${access}${exactDomid ?? domid}`).join(' ');
}

function permissionOf(text: string): XenstorePermission {
  const access = text[0] as XenstorePermission['access'];
  const domid = Number(text.slice(1));
  return Number.isSafeInteger(domid) ? { access, domid } : { access, domid, exactDomid: BigInt(text.slice(1)) };
}
