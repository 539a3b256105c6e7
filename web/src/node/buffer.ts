// For a browser, in place of Node's Buffer: the part of it that the embedded host uses. The bundle
// gets it as a global (scripts/build-page.mjs).
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();
/** Arguments of one call. */
const CHUNK = 8192;

type Encoding = 'utf8' | 'latin1' | 'hex';

class PageBuffer extends Uint8Array {
  static alloc(length: number): PageBuffer {
    return new PageBuffer(length);
  }
  static allocUnsafe(length: number): PageBuffer {
    return new PageBuffer(length);
  }
  // The same name as Uint8Array's, with other arguments, as Node has it.
  static of2(given: string | ArrayLike<number>, encoding: Encoding = 'utf8'): PageBuffer {
    if (typeof given !== 'string') return copyOf(given);
    if (encoding === 'hex') return copyOf((given.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
    if (encoding === 'utf8') return copyOf(utf8.encode(given));
    const bytes = new PageBuffer(given.length);
    bytes.latin1Write(given, 0);
    return bytes;
  }
  static concat(parts: readonly Uint8Array[]): PageBuffer {
    const all = new PageBuffer(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
  static byteLength(text: string): number {
    return utf8.encode(text).length;
  }
  static compare(a: Uint8Array, b: Uint8Array): number {
    for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! < b[at]! ? -1 : 1;
    return Math.sign(a.length - b.length);
  }
  override toString(encoding: Encoding = 'utf8', start = 0, end: number = this.length): string {
    if (encoding === 'latin1') return this.latin1Slice(start, end);
    const part = this.subarray(start, end);
    if (encoding === 'hex') return Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return fromUtf8.decode(part);
  }
  latin1Slice(start = 0, end: number = this.length): string {
    let text = '';
    for (let at = start; at < end; at += CHUNK) text += String.fromCharCode(...this.subarray(at, Math.min(end, at + CHUNK)));
    return text;
  }
  /** UTF-8. @returns bytes */
  write(text: string, offset = 0): number {
    return new TextEncoder().encodeInto(text, this.subarray(offset)).written;
  }
  latin1Write(text: string, offset = 0): number {
    for (let at = 0; at < text.length; at++) this[offset + at] = text.charCodeAt(at);
    return text.length;
  }
  readUInt32LE(at = 0): number {
    return new DataView(this.buffer, this.byteOffset).getUint32(at, true);
  }
  writeUInt32LE(value: number, at = 0): number {
    new DataView(this.buffer, this.byteOffset).setUint32(at, value, true);
    return at + 4;
  }
}

function copyOf(bytes: ArrayLike<number>): PageBuffer {
  const copy = new PageBuffer(bytes.length);
  copy.set(bytes);
  return copy;
}

Object.defineProperty(PageBuffer, 'from', { value: PageBuffer.of2 });

export { PageBuffer as Buffer };
