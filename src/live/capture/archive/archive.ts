// Archives with captures or status reports, as the texts in them that Xen tools printed. The
// content of an entry decides its kind; its name is only a hint. Sizes and counts are bounded,
// because archives come from strangers. The page reads them in a browser too.
import { Unzip, UnzipInflate } from 'fflate';
import { createTarDecoder } from 'modern-tar';
import { InputError } from '../../../base/errors.js';
import { INPUT_LIMITS, type InputText } from '../../../machine/readers/input-text.js';
import { textOfBytes } from '../text/plain-text.js';
import { hasZipEnd, withTarEnd } from './ends.js';
import { foreignFormat } from './foreign.js';
import { bunzip2, gunzip, streamOf } from './unpack.js';

export interface ArchiveLimits {
  readonly entries: number;
  readonly entryBytes: number;
  readonly totalBytes: number;
  readonly textChars: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  entries: 20_000,
  /**
   * Largest entry. A longer one is cut here: only logs are that long, and their end matters least.
   */
  entryBytes: 32 * 2 ** 20,
  /** Largest sum of all entries, unpacked. */
  totalBytes: 1024 * 2 ** 20,
  /** Of the texts of Xen's tools among them: all are read, as if they were one text. */
  textChars: INPUT_LIMITS.textChars,
};

export type ArchiveKind = 'gzip' | 'bzip2' | 'zip' | 'tar';

const USTAR = [...'ustar'].map((sign) => sign.charCodeAt(0));

/** Kind by the first bytes; null for plain text. */
export function archiveKind(bytes: Uint8Array): ArchiveKind | null {
  const starts = (...head: number[]) => head.every((byte, at) => bytes[at] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x42, 0x5a, 0x68)) return 'bzip2';
  if (starts(0x50, 0x4b, 0x03, 0x04)) return 'zip';
  return USTAR.every((sign, at) => bytes[257 + at] === sign) ? 'tar' : null;
}

/** A line near the start of an entry that only the tools of Xen and xapi print. */
const TELLING =
  /^(?:[> ]*)(?:Name\s+ID\s+(?:Mem|VCPU)|Name\s+CPU|CPU\s+core\s+socket\s+node|(?:host|nr_nodes|nr_cpus|numa_info)\s*:|\/(?:local|vm|libxl|tool)\b|@@xennuma|(?:<\?xml[^>]{0,200}>\s{0,9})?<database>|uuid \( RO\)|id\s+\|\s+uuid\s+\|)|Memory location of each domain:|^\[\s*$/m;

/**
 * The texts of an archive, ordered by name.
 * @throws InputError for a damaged archive, one beyond the limits, or one without anything from Xen
 */
export async function readArchive(bytes: Uint8Array, file: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<InputText[]> {
  const found = new Collection(file, limits);
  await collect(bytes, file, found);
  return found.ordered();
}

/** The last of several dumps counts, so the current ring comes after older logs. */
function orderOf(file: string): number {
  if (/\.log(?:\.\d+)?(?:\.gz)?$/.test(file)) return 0;
  return /dmesg/.test(file) ? 2 : 1;
}

/** The texts among entries, within limits. */
export class Collection {
  readonly #texts: InputText[] = [];
  readonly #file: string;
  readonly #limits: ArchiveLimits;
  readonly #kind: 'archive' | 'folder';
  /** Archives within it, which are not unpacked. */
  readonly #inner: string[] = [];
  #entries = 0;
  #bytes = 0;
  #chars = 0;

  constructor(file: string, limits: ArchiveLimits, kind: 'archive' | 'folder' = 'archive') {
    this.#file = file;
    this.#limits = limits;
    this.#kind = kind;
  }

  /** For what is no text. @throws InputError past the limits */
  count(): void {
    if (++this.#entries > this.#limits.entries) throw this.#tooLarge(`${this.#limits.entries} entries`);
  }

  /** @throws InputError past the limits, here and when bytes are added */
  entry(name: string): { add(chunk: Uint8Array): void; end(): void } {
    this.count();
    const parts: Uint8Array[] = [];
    let storedBytes = 0;
    return {
      add: (chunk) => {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.totalBytes) throw this.#tooLarge(`${this.#limits.totalBytes / 2 ** 20} MiB`);
        if (storedBytes >= this.#limits.entryBytes) return;
        parts.push(chunk.slice(0, this.#limits.entryBytes - storedBytes));
        storedBytes += chunk.length;
      },
      end: () => {
        const content = joined(parts);
        if (archiveKind(content) !== null || foreignFormat(content) !== null) this.#inner.push(name);
        const text = textOfBytes(content);
        if (!TELLING.test(text)) return;
        this.#chars += text.length;
        if (this.#chars > this.#limits.textChars) throw this.#tooLarge(`${this.#limits.textChars / 2 ** 20} MiB of listings`);
        this.#texts.push({ file: name, text });
      },
    };
  }

  /** @throws InputError where Xen's tools printed none of it */
  ordered(): InputText[] {
    if (this.#texts.length === 0) throw this.#nothing();
    return this.#texts.sort((a, b) => orderOf(a.file) - orderOf(b.file) || (a.file < b.file ? -1 : 1));
  }

  #nothing(): InputError {
    const expected = `expected the output of Xen tools in the ${this.#kind}, found none`;
    const [first, ...more] = this.#inner.toSorted();
    if (first === undefined) return new InputError(expected, { file: this.#file }, 'is it a capture or a status report?');
    const others = more.length === 0 ? 'another archive' : `${more.length + 1} other archives`;
    return new InputError(
      `${expected}, but ${others}: ${[first, ...more.slice(0, 2)].join(', ')}${more.length > 2 ? ' and more' : ''}`,
      { file: this.#file },
      'give that of one host alone',
    );
  }

  #tooLarge(limit: string): InputError {
    return new InputError(
      `expected at most ${limit} in the ${this.#kind}, found more`,
      { file: this.#file },
      this.#kind === 'archive' ? 'unpack it, and give the folder with the listings' : 'give the folder with the listings alone',
    );
  }
}

async function collect(bytes: Uint8Array, file: string, found: Collection): Promise<void> {
  try {
    const kind = archiveKind(bytes);
    if (kind === 'zip') unzip(bytes, found);
    else if (kind === 'tar') await untar([bytes], found);
    else await unpack(kind === 'gzip' ? gunzip(bytes) : bunzip2(bytes), file, found);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`the archive is damaged: ${error instanceof Error ? error.message : String(error)}`, { file }, 'take it again');
  }
}

/** The magic of a tar archive is in its first block. */
const TAR_BLOCK = 512;

/** The unpacked content is a tar archive or a single text. */
async function unpack(chunks: AsyncGenerator<Uint8Array>, file: string, found: Collection): Promise<void> {
  let head: Uint8Array = new Uint8Array();
  while (head.length < TAR_BLOCK) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = joined([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield head;
    yield* chunks;
  }
  try {
    if (archiveKind(head) === 'tar') await untar(all(), found);
    else if (head.length > 0) {
      const entry = found.entry(file);
      for await (const chunk of all()) entry.add(chunk);
      entry.end();
    }
  } finally {
    await chunks.return(undefined);
  }
}

async function untar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, found: Collection): Promise<void> {
  const reader = streamOf(withTarEnd(chunks)).pipeThrough(createTarDecoder()).getReader();
  try {
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
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function unzip(bytes: Uint8Array, found: Collection): void {
  if (!hasZipEnd(bytes)) throw new Error('its end is missing');
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

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
