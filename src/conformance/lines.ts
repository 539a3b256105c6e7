// Lines of a stream of bytes, bounded, and unpacked if it is gzip.
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InputError } from '../base/errors.js';

export const LINE_MOST_BYTES = 32 * 2 ** 20;
const GZIP_MAGIC = [0x1f, 0x8b];

/** A line, or the reason why it cannot be read; `number` from 1. */
export type NumberedLine = { readonly number: number; readonly text: string } | { readonly number: number; readonly error: InputError };

/**
 * The non-empty lines of the input, without their ends. A line of more than `mostBytes` is skipped
 * and reported, and reading goes on.
 * @throws InputError when the input is gzip and damaged
 */
export async function* readLines(input: AsyncIterable<Uint8Array>, mostBytes = LINE_MOST_BYTES): AsyncGenerator<NumberedLine> {
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let number = 0;
  const take = (): NumberedLine | undefined => {
    number++;
    const tooLong = sizeBytes > mostBytes;
    const text = tooLong ? '' : Buffer.concat(parts).toString('utf8').trim();
    [parts, sizeBytes] = [[], 0];
    if (tooLong) {
      const message = `the line is longer than ${mostBytes} bytes`;
      return { number, error: new InputError(message, { line: number }, 'put one case on each line, within that size') };
    }
    return text === '' ? undefined : { number, text };
  };
  for await (const chunk of await plainBytes(input)) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const part = chunk.subarray(from, end === -1 ? chunk.length : end);
      sizeBytes += part.length;
      if (sizeBytes <= mostBytes) parts.push(part);
      else parts = [];
      if (end === -1) break;
      from = end + 1;
      const line = take();
      if (line !== undefined) yield line;
    }
  }
  if (sizeBytes > 0) {
    const line = take();
    if (line !== undefined) yield line;
  }
}

async function plainBytes(input: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = input[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  let done = false;
  while (head.length < GZIP_MAGIC.length && !done) {
    const next = await iterator.next();
    if (next.done === true) done = true;
    else head = Buffer.concat([head, next.value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield head;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
  return GZIP_MAGIC.every((byte, index) => head[index] === byte) ? gunzipped(whole()) : whole();
}

async function* gunzipped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(bytes, { objectMode: false });
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk as Uint8Array;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`the input begins as gzip but cannot be unpacked: ${reason}`, {}, 'give the whole .gz file, or plain JSON lines');
  }
}
