// The metadata of a toolstack's VMs in files: one JSON file a VM in a state folder, where a new
// process finds it, and beside it the last build of the VM (build-files.ts).
import { closeSync, openSync, realpathSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '../../base/errors.js';
import { assertNamed, checkOwnFolder } from '../../base/own-file.js';
import { lockFile } from '../../xenstore/server/file-lock.js';
import type { LastBuild, MetadataStore, VmMetadata } from '../api/metadata.js';
import { damaged, fileOf, keepBuild, readFileAs } from './build-files.js';
import { DURABLE_CALLS, type DurableCalls, makeFolder, removeFiles, replaceFile, UNFINISHED } from './durable-file.js';
import { decodePlacedVm, encodePlacedVm } from './metadata-format.js';

/** A state folder that this process owns until `close`. */
export class FileMetadata implements MetadataStore {
  readonly #folder: string;
  readonly #unlock: () => Promise<void>;
  readonly #calls: DurableCalls;
  readonly #positions = new Map<string, number>();
  #nextPosition = 0;

  private constructor(folder: string, unlock: () => Promise<void>, calls: DurableCalls = DURABLE_CALLS) {
    this.#calls = calls;
    this.#folder = folder;
    this.#unlock = unlock;
  }

  /**
   * Makes the folder if it is not there, and takes it for this process alone.
   * @throws InputError when another process has it, or it cannot be used
   */
  static async open(folder: string, calls?: DurableCalls): Promise<FileMetadata> {
    assertNamed(folder);
    const path = resolve(folder);
    try {
      await makeFolder(path);
      // A link to it may be given: the lock is on the folder itself.
      checkOwnFolder(realpathSync(path));
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw unusable(path, error);
    }
    return new FileMetadata(path, lock(path), calls);
  }

  /**
   * What another process keeps there, or kept: nothing is taken, made or tidied up. [] when there
   * is no such folder.
   * @throws InputError when it cannot be read
   */
  static async read(folder: string): Promise<readonly VmMetadata[]> {
    assertNamed(folder);
    const path = resolve(folder);
    const reader = new FileMetadata(path, async () => {});
    let names: string[];
    try {
      names = await readdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw unusable(path, error);
    }
    const found = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => reader.#read(join(path, name))));
    return found.sort((a, b) => a.position - b.position).map(({ vm }) => vm);
  }

  async load(): Promise<readonly VmMetadata[]> {
    const found: { position: number; vm: VmMetadata }[] = [];
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith('.json')) found.push(await this.#read(join(this.#folder, name)));
      // What a killed process had not finished writing.
      else if (name.endsWith(UNFINISHED)) await rm(join(this.#folder, name), { force: true });
    }
    found.sort((a, b) => a.position - b.position);
    for (const { position, vm } of found) this.#positions.set(vm.spec.name, position);
    this.#nextPosition = (found.at(-1)?.position ?? -1) + 1;
    return found.map(({ vm }) => vm);
  }

  async save(vm: VmMetadata, build?: LastBuild): Promise<void> {
    const { name } = vm.spec;
    if (build !== undefined) await keepBuild(this.#folder, name, build, this.#calls);
    const position = this.#positions.get(name) ?? this.#nextPosition++;
    await replaceFile(fileOf(this.#folder, name, 'json'), encodePlacedVm(position, vm), this.#calls);
    this.#positions.set(name, position);
  }

  async remove(name: string): Promise<void> {
    // The VM's file first: a failure after it leaves an unused record of a build, or a guest's
    // memory, and those the next one replaces.
    await removeFiles([fileOf(this.#folder, name, 'json')], this.#calls);
    this.#positions.delete(name);
    const others = [fileOf(this.#folder, name, 'build'), fileOf(this.#folder, name, 'image')];
    await removeFiles(others, this.#calls).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#unlock();
  }

  async #read(path: string): Promise<{ readonly position: number; readonly vm: VmMetadata }> {
    const orElse = 'or remove it to forget the VM';
    const { position, vm } = await readFileAs(path, decodePlacedVm, orElse);
    const { name } = vm.spec;
    if (path !== fileOf(this.#folder, name, 'json')) throw damaged(path, `the file of another VM, '${name}'`, orElse);
    return { position, vm };
  }
}

/**
 * Locks the folder itself, not a path or link to it. The lock ends with the process, even if it is
 * killed.
 */
function lock(folder: string): () => Promise<void> {
  const fd = openSync(folder, 'r');
  if (lockFile(fd, join(folder, 'lock'))) return async () => closeSync(fd);
  closeSync(fd);
  throw new InputError('another xennuma owns this state folder', { file: folder }, 'end it first, or choose another folder');
}

function unusable(folder: string, error: unknown): InputError {
  return new InputError(
    `the state folder cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    { file: folder },
    'choose a folder that this user may write',
  );
}
