// Reads the files that the user names, within bounds; `-` is stdin. Every failure is an InputError
// that names the file.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { INPUT_LIMITS, type InputText } from '../../machine/readers/input-text.js';

/** @throws InputError for a file that is missing, a folder, unreadable, too big, or not text */
export function readInput(file: string): InputText {
  return file === '-' ? { file: 'stdin', text: toText('stdin', readAll(0, 'stdin')) } : { file, text: toText(file, readNamed(file)) };
}

const REASONS: Readonly<Record<string, [string, string]>> = {
  ENOENT: ['there is no such file', 'check the path'],
  EISDIR: ['expected a file, got a directory', 'name a file in it'],
  ENOTDIR: ['there is no such file', 'check the path'],
  EACCES: ['this user has no permission to read it', 'check its permissions'],
  ENAMETOOLONG: ['the name is too long', 'check the path'],
  ELOOP: ['its symbolic links form a loop', 'check the links'],
};

function readNamed(file: string): Buffer {
  if (file === '' || file.includes('\0'))
    throw new InputError('expected the name of a file', { file: JSON.stringify(file) }, 'check the path');
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw asInputError(error, file);
  }
  try {
    const info = fstatSync(fd);
    if (info.isDirectory()) throw new InputError(REASONS.EISDIR![0], { file }, REASONS.EISDIR![1]);
    if (info.size > INPUT_LIMITS.textChars) throw tooBig(file);
    // Pipes and devices have no known size.
    return info.isFile() ? readFileSync(fd) : readAll(fd, file);
  } catch (error) {
    throw asInputError(error, file);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, file: string): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536);
    let count: number;
    try {
      count = readSync(fd, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      // A non-blocking terminal or pipe has no data yet.
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        continue;
      }
      throw asInputError(error, file);
    }
    if (count === 0) break;
    size += count;
    if (size > INPUT_LIMITS.textChars) throw tooBig(file);
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks);
}

function tooBig(file: string): InputError {
  return new InputError(`expected at most ${INPUT_LIMITS.textChars / 2 ** 20} MiB`, { file }, 'check that this is the right file');
}

function asInputError(error: unknown, file: string): unknown {
  if (error instanceof InputError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const [reason, mend] = REASONS[code] ?? [message, 'check the path'];
  return new InputError(reason, { file }, mend);
}

function toText(file: string, bytes: Buffer): string {
  // UTF-16 from a Windows editor would look binary; every other text has no zero bytes.
  if (bytes.length >= 2 && bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  if (bytes.length >= 2 && bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const zero = bytes.indexOf(0);
  if (zero >= 0)
    throw new InputError(`expected text, got binary data (a zero byte at ${zero})`, { file }, 'check that this is the right file');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(
      'expected text in UTF-8, got other bytes',
      { file },
      'check that this is the right file, or convert it with iconv',
    );
  }
}
