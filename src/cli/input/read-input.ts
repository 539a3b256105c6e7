// Reads the files that the user names, within bounds; `-` is stdin. Every failure is an InputError
// that names the file.
import { InputError } from '../../base/errors.js';
import { readStandardInput, readUserFile } from '../../base/files/user-file.js';
import { INPUT_LIMITS, type InputText } from '../../machine/readers/input-text.js';

/** @throws InputError for a file that is missing, a folder, unreadable, too big, or not text */
export function readInput(file: string): InputText {
  return file === '-' ? { file: 'stdin', text: toText('stdin', readStandardInput('stdin', LIMIT)) } : { file, text: readText(file) };
}

const LIMIT = { mostBytes: INPUT_LIMITS.textChars };

/** @throws InputError as readInput */
function readText(file: string): string {
  return toText(file, readUserFile(file, LIMIT));
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
