// What a toolstack keeps of its VMs, in files: one JSON file a VM in a state folder, replaced as a whole, so that a kill at any moment leaves
// the old one or the new one. A new process finds its VMs here. Beside it, as NAME.build, how the VM was last built.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { ERRNO, type Errno, InputError } from '../../base/errors.js';
import { flowEntrySchema } from '../../flow/schema/entry.js';
import { LIMITS } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import type { LastBuild, MetadataStore, VmMetadata } from '../api/metadata.js';

const FORMAT = 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const cpuLists = z.array(z.array(z.int().min(0)));
const domid = z.int().min(0).max(0x7fef);

const specSchema = z.strictObject({
  name: z.string().min(1),
  uuid: z.string().regex(UUID).optional(),
  label: z.string().optional(),
  kind: z.enum(['hvm', 'pvh', 'pv']),
  vcpusMax: z.int().min(1).max(LIMITS.vcpusPerVm),
  vcpusAtStartup: z.int().min(1).max(LIMITS.vcpusPerVm),
  memoryStaticMaxBytes: z.int().min(1),
  memoryTargetBytes: z.int().min(1),
  vcpusParams: z.record(z.string(), z.string()),
  xlSoftCpus: cpuLists.optional(),
  xlHardCpus: cpuLists.optional(),
  xlHardCpusForm: z.enum(['string', 'list']).optional(),
  boot: z.strictObject({ kernel: z.string().min(1), ramdisk: z.string().optional(), cmdline: z.string().optional() }).optional(),
});

const fileSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** Place among the VMs, in the order in which they were added. */
  position: z.int().min(0),
  uuid: z.string().regex(UUID),
  phase: z.enum(['halted', 'starting', 'running', 'paused', 'stopping']),
  domid: domid.nullable(),
  pending: z.array(domid),
  spec: specSchema,
});

const buildSchema = z.strictObject({
  format: z.literal(FORMAT),
  name: z.string(),
  operation: z.enum(['start', 'reboot', 'migrate']),
  domid: domid.nullable(),
  failure: z
    .strictObject({ step: z.string(), message: z.string(), errno: z.enum(Object.keys(ERRNO) as [Errno, ...Errno[]]).nullable() })
    .nullable(),
  title: z.string(),
  entries: z.array(flowEntrySchema),
});

/** A state folder that this process owns until `close`. */
export class FileMetadata implements MetadataStore {
  readonly #folder: string;
  readonly #unlock: () => Promise<void>;
  readonly #positions = new Map<string, number>();
  #nextPosition = 0;

  private constructor(folder: string, unlock: () => Promise<void>) {
    this.#folder = folder;
    this.#unlock = unlock;
  }

  /**
   * Makes the folder if it is not there, and takes it for this process alone.
   * @throws InputError when another process has it, or it cannot be used
   */
  static async open(folder: string): Promise<FileMetadata> {
    const path = resolve(folder);
    try {
      await makeFolder(path);
    } catch (error) {
      throw unusable(path, error);
    }
    return new FileMetadata(path, await lock(path));
  }

  /**
   * What another process keeps there, or kept: nothing is taken, made or tidied up. [] when there is no such folder.
   * @throws InputError when it cannot be read
   */
  static async read(folder: string): Promise<readonly VmMetadata[]> {
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

  /**
   * How a VM was last built, by whichever process; null when it never was, or there is no such folder.
   * @throws InputError when it cannot be read
   */
  static async readBuild(folder: string, name: string): Promise<LastBuild | null> {
    const path = new FileMetadata(resolve(folder), async () => {}).#path(name, 'build');
    if (!existsSync(path)) return null;
    const { format: _, name: of, ...build } = await readAs(path, buildSchema, 'or remove it, and explain knows the next start');
    if (of !== name) throw damaged(path, `that of another VM, '${of}'`, 'or remove it');
    return build;
  }

  async load(): Promise<readonly VmMetadata[]> {
    const found: { position: number; vm: VmMetadata }[] = [];
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith('.json')) found.push(await this.#read(join(this.#folder, name)));
      // What a killed process had not finished writing.
      else if (name.endsWith('.new')) await rm(join(this.#folder, name), { force: true });
    }
    found.sort((a, b) => a.position - b.position);
    for (const { position, vm } of found) this.#positions.set(vm.spec.name, position);
    this.#nextPosition = (found.at(-1)?.position ?? -1) + 1;
    return found.map(({ vm }) => vm);
  }

  async save(vm: VmMetadata): Promise<void> {
    const { name } = vm.spec;
    const position = this.#positions.get(name) ?? this.#nextPosition++;
    this.#positions.set(name, position);
    await this.#replace(this.#path(name), { format: FORMAT, position, ...vm });
  }

  async remove(name: string): Promise<void> {
    this.#positions.delete(name);
    await Promise.all([this.#path(name), this.#path(name, 'build')].map((path) => rm(path, { force: true })));
    await this.#syncFolder();
  }

  async keepBuild(name: string, build: LastBuild): Promise<void> {
    await this.#replace(this.#path(name, 'build'), { format: FORMAT, name, ...build });
  }

  async #replace(path: string, content: object): Promise<void> {
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await this.#syncFolder();
  }

  async close(): Promise<void> {
    await this.#unlock();
  }

  async #read(path: string): Promise<{ position: number; vm: VmMetadata }> {
    const { position, uuid, phase, domid, pending, spec } = await readAs(path, fileSchema, 'or remove it to forget the VM');
    if (path !== this.#path(spec.name)) throw damaged(path, `the file of another VM, '${spec.name}'`, 'or remove it to forget the VM');
    return { position, vm: { spec: withoutUndefined(spec), uuid, phase, domid, pending } };
  }

  /** Names may hold anything and be long; files may not. */
  #path(name: string, what: 'json' | 'build' = 'json'): string {
    return join(this.#folder, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.${what}`);
  }

  /** A rename is durable when its folder is. */
  async #syncFolder(): Promise<void> {
    const folder: FileHandle = await open(this.#folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

/** @throws InputError for a file that is not what `schema` says */
async function readAs<T>(path: string, schema: z.ZodType<T>, orElse: string): Promise<T> {
  let content: unknown;
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_FILE_BYTES) throw damaged(path, `${text.length} characters`, orElse);
    content = JSON.parse(text);
  } catch (error) {
    throw error instanceof InputError ? error : damaged(path, error instanceof Error ? error.message : String(error), orElse);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(path, `${issue?.path.join('.')}: ${issue?.message}`, orElse);
}

function damaged(path: string, why: string, orElse: string): InputError {
  return new InputError(`expected what xennuma keeps of a VM, got ${why}`, { file: path }, `put it back from a copy, ${orElse}`);
}

/** As mkdir's own recursion, which never ends in a file system that answers ENOENT under a folder that exists, as /proc does. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}

/** zod gives `undefined` for what is left out, which the interface does not know. */
function withoutUndefined(spec: z.output<typeof specSchema>): VmSpec {
  return JSON.parse(JSON.stringify(spec)) as VmSpec;
}

/** A name in the kernel's abstract namespace: it goes with the process, however that ends. */
async function lock(folder: string): Promise<() => Promise<void>> {
  const name = `\0xennuma-state-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(
        error.code === 'EADDRINUSE'
          ? new InputError('another xennuma owns this state folder', { file: folder }, 'end it first, or choose another folder')
          : unusable(folder, error),
      ),
    );
    server.listen(name, done);
  });
  server.unref();
  return () => new Promise((done) => server.close(() => done()));
}

function unusable(folder: string, error: unknown): InputError {
  return new InputError(
    `the state folder cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    { file: folder },
    'choose a folder that this user may write',
  );
}
