// The output of `xenstore-ls -f` as a store that can be read (tools/xenstore/xenstore_client.c of
// Xen 4.17: one path a line, values escaped).
import { XenError } from '../../base/errors.js';
import type { Listing } from './listings.js';

const LINE = /^(\/\S*) = "(.*)"(?:\s+\(.*\))?\s*$/;

export class XenstoreListing {
  readonly #values = new Map<string, string>();

  constructor(listings: readonly Listing[]) {
    for (const { lines } of listings) {
      for (const { text } of lines) {
        const match = LINE.exec(text);
        if (match !== null) this.#values.set(match[1]!, unescaped(match[2]!));
      }
    }
  }

  get size(): number {
    return this.#values.size;
  }

  get(path: string): string | undefined {
    return this.#values.get(path);
  }

  /** Reads as a XenStore connection does. */
  async read(path: string): Promise<string> {
    const value = this.#values.get(path);
    if (value === undefined) throw new XenError('ENOENT', `read ${path}`);
    return value;
  }

  /** Paths below a folder, for keys with unknown names. */
  *below(folder: string): Iterable<readonly [path: string, value: string]> {
    for (const entry of this.#values) if (entry[0].startsWith(`${folder}/`)) yield entry;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"' };

/** Octal and C escapes (sanitise_value in tools/xenstore/xs_lib.c). */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    if (/^[0-7]+$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    if (code.startsWith('x') && code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return ESCAPES[code] ?? code;
  });
}
