// The file that holds a suspended guest: xenopsd's frame of signature and headers (xen-api,
// ocaml/xenopsd/xc/suspend_image.ml) around libxenguest's stream, which the builder writes and
// reads. A file that is not finished has another name.
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import type { GuestImages, ImageOwner } from '../api/guest-images.js';
import { fileOf } from './build-files.js';
import { UNFINISHED } from './durable-file.js';

const SIGNATURE = 'XenSavedDomv2-\n';
/** Kinds of the parts; each header is the kind and the length of its part, 64 bits each. */
const HEADER = { toolstack: 0x000fn, guest: 0x00f0n, end: 0xffffn } as const;
const HEADER_BYTES = 16;
const MAX_RECORD_BYTES = 1 << 20;

/** In a folder, beside the VMs' own files. */
export function fileImages(folder: string): GuestImages {
  const pathOf = ({ name }: ImageOwner) => fileOf(folder, name, 'image');
  return {
    write: (owner, write) => writeImage(pathOf(owner), owner, write),
    read: (owner, read) => readImage(pathOf(owner), owner, read),
    remove: (owner) => rm(pathOf(owner), { force: true }),
  };
}

async function writeImage(path: string, { name, uuid }: ImageOwner, write: (fd: number) => Promise<void>): Promise<number> {
  const unfinished = `${path}${UNFINISHED}`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    const record = Buffer.from(JSON.stringify({ name, uuid }));
    await file.write(Buffer.concat([Buffer.from(SIGNATURE), header(HEADER.toolstack, record.length), record, header(HEADER.guest, 0)]));
    await write(file.fd);
    await file.write(header(HEADER.end, 0));
    await file.sync();
    const { size } = await file.stat();
    await file.close();
    await rename(unfinished, path);
    await syncFolder(dirname(path));
    return size;
  } catch (error) {
    await file.close().catch(() => {});
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
}

async function readImage<T>(path: string, { name, uuid }: ImageOwner, read: (fd: number) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw damaged(path, error.code ?? error.message);
  });
  try {
    if ((await take(file, path, SIGNATURE.length)).toString('latin1') !== SIGNATURE) throw damaged(path, 'another signature');
    const recordBytes = await expectHeader(file, path, HEADER.toolstack);
    if (recordBytes > MAX_RECORD_BYTES) throw damaged(path, `a record of ${recordBytes} bytes`);
    const record = (await take(file, path, recordBytes)).toString('utf8');
    if (record !== JSON.stringify({ name, uuid })) throw damaged(path, `the guest of ${record.slice(0, 200)}`);
    await expectHeader(file, path, HEADER.guest);
    const result = await read(file.fd);
    await expectHeader(file, path, HEADER.end);
    return result;
  } finally {
    await file.close();
  }
}

function header(kind: bigint, bytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64BE(kind, 0);
  header.writeBigUInt64BE(BigInt(bytes), 8);
  return header;
}

async function expectHeader(file: FileHandle, path: string, kind: bigint): Promise<number> {
  const found = await take(file, path, HEADER_BYTES);
  if (found.readBigUInt64BE(0) !== kind) throw damaged(path, `part 0x${found.readBigUInt64BE(0).toString(16)}, not 0x${kind.toString(16)}`);
  return Number(found.readBigUInt64BE(8));
}

async function take(file: FileHandle, path: string, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(buffer, at, bytes - at, null);
    if (bytesRead === 0) throw damaged(path, 'its end too early');
    at += bytesRead;
  }
  return buffer;
}

function damaged(path: string, found: string): InputError {
  return new InputError(`expected the memory of a suspended guest, got ${found}`, { file: path }, 'stop the VM, which discards it');
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
