// The files of a trace, plain or compressed by gzip. One file of the Azure format is enough: the
// others are found in its folder.
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { InputError } from '../../base/errors.js';
import { readUserFile } from '../../base/files/user-file.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { AZURE_PARTS, type AzurePart, azurePart, readAzureTrace } from '../../replay/trace/azure.js';
import { looksLikeCsv, readCsvTrace } from '../../replay/trace/csv.js';
import { TRACE_LIMITS, type Trace } from '../../replay/trace/trace.js';

/** Text of some ten million VMs, and less than the longest text of Node. */
const MOST_BYTES = 500 * 2 ** 20;
const GZIP_MAGIC = 0x1f8b;
const LINE_END = 0x0a;
/** The header, and some that are empty. */
const MOST_LINES = TRACE_LIMITS.vms + 1000;

const FORMATS = 'a CSV file with the header time,vcpus,memory,duration, or files of the Azure format (docs/how-to-replay-a-trace.md)';

/** @throws InputError for files that cannot be read, or are no trace */
export function readTrace(files: readonly string[]): Trace {
  const texts = files.map(readText);
  const [first] = texts;
  if (texts.length === 1 && looksLikeCsv(first!.text)) return readCsvTrace(first!);
  const parts: Partial<Record<AzurePart, InputText>> = {};
  for (const text of texts) {
    const part = azurePart(text.text);
    if (part === null) throw new InputError('is no trace', { file: text.file }, `expected ${FORMATS}`);
    if (parts[part] !== undefined)
      throw new InputError(`has the ${part}, as ${parts[part].file} has`, { file: text.file }, 'leave one out');
    parts[part] = text;
  }
  const missing = AZURE_PARTS.filter((part) => parts[part] === undefined);
  const beside = missing.length === 0 ? [] : neighbours(files[0]!);
  for (const part of missing) parts[part] = neighbour(part, beside, files[0]!);
  return readAzureTrace(parts as Record<AzurePart, InputText>);
}

/** Other files of its folder, those first whose names have most in common with its own. */
function neighbours(file: string): string[] {
  const own = basename(file);
  const common = (name: string) => {
    let length = 0;
    while (length < name.length && name[length] === own[length]) length++;
    return length;
  };
  return namesBeside(file)
    .filter((name) => name !== own && /\.txt(\.gz)?$/.test(name))
    .sort((a, b) => common(b) - common(a) || (a < b ? -1 : 1))
    .map((name) => join(dirname(file), name))
    .filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile() === true);
}

function namesBeside(file: string): string[] {
  try {
    return readdirSync(dirname(file));
  } catch {
    // A folder may be entered without being listed.
    return [];
  }
}

function neighbour(part: AzurePart, beside: readonly string[], file: string): InputText {
  for (const name of beside) {
    try {
      const text = readText(name);
      if (azurePart(text.text) === part) return text;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  throw new InputError(`found no ${part} beside it`, { file }, `give all four files of the trace: ${AZURE_PARTS.join(', ')}`);
}

function readText(file: string): InputText {
  let bytes = readUserFile(file, { mostBytes: MOST_BYTES, mend: 'split the trace' });
  if (bytes.length > 2 && bytes.readUInt16BE(0) === GZIP_MAGIC) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
    } catch (error) {
      throw new InputError(`cannot be decompressed: ${(error as Error).message}`, { file }, 'check that the file is whole');
    }
  }
  if (bytes.includes(0)) throw new InputError('expected text, got binary data', { file }, 'check that this is the right file');
  guardLines(bytes, file);
  return { file, text: bytes.toString('utf8') };
}

/** Readers take a line for each VM, and keep them all. */
function guardLines(bytes: Buffer, file: string): void {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_END); at >= 0; at = bytes.indexOf(LINE_END, at + 1)) {
    if (++lines > MOST_LINES) throw new InputError(`expected at most ${MOST_LINES} lines, got more`, { file }, 'split the trace');
  }
}
