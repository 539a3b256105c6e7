// The last build of each VM, one file a VM in a state folder. `explain` reads it without the
// process that owns the folder. The daemon's state has these files too, because the lock of its
// database keeps other processes out.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../../base/errors.js';
import { readRegularFile } from '../../base/own-file.js';
import type { LastBuild } from '../api/metadata.js';
import { DURABLE_CALLS, type DurableCalls, removeFiles, replaceFile } from './durable-file.js';
import { decodeBuild, encodeBuild } from './metadata-format.js';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Names may hold anything and be long; files may not. */
export function fileOf(folder: string, name: string, kind: 'json' | 'build' | 'image'): string {
  return join(folder, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.${kind}`);
}

export async function keepBuild(folder: string, name: string, build: LastBuild, calls: DurableCalls = DURABLE_CALLS): Promise<void> {
  await replaceFile(fileOf(folder, name, 'build'), encodeBuild(name, build), calls);
}

export async function forgetBuild(folder: string, name: string): Promise<void> {
  await removeFiles([fileOf(folder, name, 'build')], DURABLE_CALLS);
}

/**
 * The last build of a VM, by any process; null when it never was, or there is no such folder.
 * @throws InputError when it cannot be read
 */
export async function readBuild(folder: string, name: string): Promise<LastBuild | null> {
  const path = fileOf(resolve(folder), name, 'build');
  if (!existsSync(path)) return null;
  const orElse = 'or remove it, and explain knows the next start';
  const { name: of, build } = await readFileAs(path, decodeBuild, orElse);
  if (of !== name) throw damaged(path, `that of another VM, '${of}'`, 'or remove it');
  return build;
}

/** @throws InputError for a file that `decode` does not take */
export async function readFileAs<T>(path: string, decode: (text: string) => T, orElse: string): Promise<T> {
  try {
    return decode(readRegularFile(path, MAX_FILE_BYTES).toString('utf8'));
  } catch (error) {
    throw damaged(path, error instanceof Error ? error.message : String(error), orElse);
  }
}

export function damaged(path: string, why: string, orElse: string): InputError {
  return new InputError(`expected xennuma's metadata of a VM, got ${why}`, { file: path }, `put it back from a copy, ${orElse}`);
}
