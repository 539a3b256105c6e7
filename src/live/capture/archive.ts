// Archives and folders with captures or status reports, as the texts in them that Xen tools
// printed. The content of an entry decides its kind; its name is only a hint. Sizes and counts are
// bounded, because archives come from strangers.
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Unzip, UnzipInflate } from 'fflate';
import { createTarDecoder } from 'modern-tar';
import unbzip2 from 'unbzip2-stream';
import { InputError } from '../../base/errors.js';
import type { InputText } from '../../machine/readers/input-text.js';

export interface ArchiveLimits {
  readonly entries: number;
  readonly entryBytes: number;
  readonly totalBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  entries: 20_000,
  /**
   * Largest entry. A longer one is cut here: only logs are that long, and their end matters least.
   */
  entryBytes: 32 * 2 ** 20,
  /** Largest sum of all entries, unpacked. */
  totalBytes: 1024 * 2 ** 20,
};

export type ArchiveKind = 'gzip' | 'bzip2' | 'zip' | 'tar';

/** Kind by the first bytes; null for plain text. */
export function archiveKind(bytes: Uint8Array): ArchiveKind | null {
  const starts = (...head: number[]) => head.every((byte, at) => bytes[at] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x42, 0x5a, 0x68)) return 'bzip2';
  if (starts(0x50, 0x4b, 0x03, 0x04)) return 'zip';
  return Buffer.from(bytes.subarray(257, 262)).toString('latin1') === 'ustar' ? 'tar' : null;
}

/** A line near the start of an entry that only the tools of Xen and xapi print. */
const TELLING =
  /^(?:[> ]*)(?:Name\s+ID\s+(?:Mem|VCPU)|Name\s+CPU|CPU\s+core\s+socket\s+node|(?:host|nr_nodes|nr_cpus|numa_info)\s*:|\/(?:local|vm|libxl|tool)\b|@@xennuma|<database>|uuid \( RO\))|Memory location of each domain:|^\[\s*$/m;

/**
 * The texts of an archive, ordered by name.
 * @throws InputError for a damaged archive, one beyond the limits, or one without anything from Xen
 */
export async function readArchive(bytes: Uint8Array, file: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<InputText[]> {
  const texts = await collect(bytes, file, new Collection(file, limits));
  if (texts.length === 0)
    throw new InputError('expected the output of Xen tools in the archive, found none', { file }, 'is it a capture or a status report?');
  return texts.sort((a, b) => orderOf(a.file) - orderOf(b.file) || (a.file < b.file ? -1 : 1));
}

/** Like readArchive, for an unpacked folder. Symbolic links are not followed. */
export async function readFolder(folder: string): Promise<InputText[]> {
  const found = new Collection(folder, ARCHIVE_LIMITS);
  const visit = async (path: string): Promise<void> => {
    for (const name of (await readdir(path)).sort()) {
      const full = join(path, name);
      const info = await lstat(full);
      if (info.isDirectory()) await visit(full);
      else if (info.isFile()) {
        const entry = found.entry(full);
        entry.add(await readFile(full));
        entry.end();
      }
    }
  };
  await visit(folder);
  const { texts } = found;
  if (texts.length === 0)
    throw new InputError('expected the output of Xen tools in the folder, found none', { file: folder }, 'is it a status report?');
  return texts.sort((a, b) => orderOf(a.file) - orderOf(b.file) || (a.file < b.file ? -1 : 1));
}

/** Of several dumps the last counts: the current ring comes after older logs. */
function orderOf(file: string): number {
  if (/\.log(?:\.\d+)?(?:\.gz)?$/.test(file)) return 0;
  return /dmesg/.test(file) ? 2 : 1;
}

class Collection {
  readonly texts: InputText[] = [];
  readonly #file: string;
  readonly #limits: ArchiveLimits;
  #entries = 0;
  #bytes = 0;

  constructor(file: string, limits: ArchiveLimits) {
    this.#file = file;
    this.#limits = limits;
  }

  /** @throws InputError past the limits, here and when bytes are added */
  entry(name: string): { add(chunk: Uint8Array): void; end(): void } {
    if (++this.#entries > this.#limits.entries) throw this.#tooLarge(`${this.#limits.entries} entries`);
    const parts: Uint8Array[] = [];
    let kept = 0;
    return {
      add: (chunk) => {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.totalBytes) throw this.#tooLarge(`${this.#limits.totalBytes / 2 ** 20} MiB`);
        if (kept >= this.#limits.entryBytes) return;
        parts.push(chunk.slice(0, this.#limits.entryBytes - kept));
        kept += chunk.length;
      },
      end: () => {
        const text = Buffer.concat(parts).toString();
        if (TELLING.test(text)) this.texts.push({ file: name, text });
      },
    };
  }

  #tooLarge(limit: string): InputError {
    return new InputError(
      `expected at most ${limit} in the archive, found more`,
      { file: this.#file },
      'unpack it, and give the folder with the listings',
    );
  }
}

async function collect(bytes: Uint8Array, file: string, found: Collection): Promise<InputText[]> {
  try {
    const kind = archiveKind(bytes);
    if (kind === 'zip') unzip(bytes, found);
    else if (kind === 'tar') await untar(Readable.from([bytes]), found);
    else await unpack(Readable.from([bytes]), kind, file, found);
    return found.texts;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`the archive is damaged: ${error instanceof Error ? error.message : String(error)}`, { file }, 'take it again');
  }
}

/** The unpacked content is a tar archive or a single text. */
async function unpack(source: Readable, kind: ArchiveKind | null, file: string, found: Collection): Promise<void> {
  // The bzip2 stream has no async iterator.
  const plain = kind === 'gzip' ? source.pipe(createGunzip()) : new Readable().wrap(source.pipe(unbzip2()));
  source.on('error', (error) => plain.destroy(error));
  const chunks = plain[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  if (first.done === true) return;
  // The magic of a tar archive is in its first block.
  let head = first.value;
  while (head.length < 512) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  if (archiveKind(head) === 'tar') return untar(Readable.from(all()), found);
  const entry = found.entry(file);
  for await (const chunk of all()) entry.add(chunk);
  entry.end();
}

async function untar(source: Readable, found: Collection): Promise<void> {
  const entries = (Readable.toWeb(source) as ReadableStream<Uint8Array>).pipeThrough(createTarDecoder());
  const reader = entries.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const { header, body } = next.value;
    if (header.type !== 'file') {
      await body.cancel();
      continue;
    }
    const entry = found.entry(header.name);
    const content = body.getReader();
    for (let chunk = await content.read(); !chunk.done; chunk = await content.read()) entry.add(chunk.value);
    entry.end();
  }
}

function unzip(bytes: Uint8Array, found: Collection): void {
  const unzipper = new Unzip((file) => {
    if (file.name.endsWith('/')) return;
    const entry = found.entry(file.name);
    file.ondata = (error, chunk, final) => {
      if (error !== null) throw error;
      entry.add(chunk);
      if (final) entry.end();
    };
    file.start();
  });
  unzipper.register(UnzipInflate);
  // Unpacks in pieces, so that a decompression bomb reaches the limits early.
  const piece = 64 * 1024;
  for (let at = 0; at < bytes.length; at += piece) unzipper.push(bytes.subarray(at, at + piece), at + piece >= bytes.length);
}
