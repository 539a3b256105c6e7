// Files that a command writes: renderings of the flow and of the map.
import { closeSync, constants, fchmodSync, openSync, realpathSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { isFull, withErrnoName } from '../../base/files/errno-names.js';
import { formatBytes } from '../../base/units.js';
import { FlowRecord } from '../../flow/record.js';
import type { HostMap } from '../../map/host-map.js';
import type { PageData } from '../../page/page-data.js';
import type { PageInput } from '../../page/page-inputs.js';
import type { PageReport } from '../../page/page-report.js';
import { remark } from './terminal.js';
import { VERSION } from './version.js';

/** As for a pipe that is read (src/base/files/user-file.ts). */
const FIRST_READER_MS = 5000;
const PAUSE_MS = 10;

/**
 * Writes a file and says so on stderr; '-' is standard output.
 * @throws InputError when the file cannot be written
 */
export function writeOutput(file: string, text: string): void {
  if (file === '-') {
    process.stdout.write(text);
    return;
  }
  writeNamed(file, text);
  remark(`wrote ${file} (${formatBytes(Buffer.byteLength(text))})`);
}

/**
 * The whole file or none of it: on a full disk an earlier file stays as it was.
 * @param mode of a new file, less the umask; one that is there keeps its own
 * @throws InputError when the file cannot be written
 */
export function writeNamed(file: string, content: string | Uint8Array, mode = 0o666): void {
  try {
    const { path, known } = targetOf(file);
    // A pipe, a device, and what belongs to somebody else can only be written in place.
    if (known?.isFIFO()) writePipe(file, path, content);
    else if (known !== null && (!known.isFile() || known.uid !== process.getuid?.())) writeFileSync(path, content);
    else replace(path, content, known === null ? mode : known.mode & 0o777, known !== null);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { message } = withErrnoName(error as Error);
    throw new InputError(
      `cannot be written: ${message}`,
      { file },
      isFull(error) ? 'make room there, or write it elsewhere' : 'check the directory and its permissions',
    );
  }
}

/** Where a link leads; null = there is nothing yet. */
function targetOf(file: string): { readonly path: string; readonly known: Stats | null } {
  const known = statSync(file, { throwIfNoEntry: false }) ?? null;
  return { path: known === null ? file : realpathSync(file), known };
}

/** A pipe is opened only when somebody reads it: else the command would wait for ever. */
function writePipe(file: string, path: string, content: string | Uint8Array): void {
  const endMs = performance.now() + FIRST_READER_MS;
  for (;;) {
    try {
      const reader = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      writeFileSync(path, content);
      closeSync(reader);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    }
    if (performance.now() > endMs) {
      const seconds = FIRST_READER_MS / 1000;
      throw new InputError(`nobody has read from this pipe for ${seconds} seconds`, { file }, 'start the command that reads it first');
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

function replace(path: string, content: string | Uint8Array, mode: number, isThere: boolean): void {
  const fresh = `${path}.${process.pid}.part`;
  let fd: number;
  try {
    fd = openSync(fresh, 'wx', mode);
  } catch (error) {
    // The file may be written where its folder may not.
    const { code } = error as NodeJS.ErrnoException;
    if (!isThere || (code !== 'EACCES' && code !== 'EPERM')) throw error;
    writeFileSync(path, content);
    return;
  }
  try {
    try {
      if (isThere) fchmodSync(fd, mode);
      writeFileSync(fd, content);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

/**
 * The rendering that the file name's extension selects.
 * @throws InputError for any other name
 */
export function formatOf<const F extends string>(file: string, formats: readonly F[], option: string): F {
  const found = formats.find((format) => file.endsWith(`.${format}`));
  if (found !== undefined) return found;
  throw new InputError(`${option}: the format is unknown`, { file }, `end the name in ${formats.map((format) => `.${format}`).join(', ')}`);
}

export const FLOW_FILES = ['txt', 'mmd', 'svg'] as const;

/** The paths of several runs: consecutive as text, overlaid in a chart. */
export async function writeFlow(file: string, records: readonly FlowRecord[]): Promise<void> {
  const format = formatOf(file, FLOW_FILES, '--flow');
  const { renderFlow } = await import('../../flow/render/render.js');
  const [first] = records;
  if (format === 'txt')
    writeOutput(
      file,
      records
        .map((record) => renderFlow(record, format).trimEnd())
        .join('\n\n')
        .concat('\n'),
    );
  else if (records.length === 1) writeOutput(file, renderFlow(first!, format));
  else {
    const title = `${records.length} operations, the first: ${first?.title ?? 'none'}`;
    const entries = records.flatMap((record) => record.entries);
    writeOutput(file, renderFlow(new FlowRecord(title, entries), format));
  }
}

/** The picture of a host. */
export async function writeMap(file: string, map: HostMap): Promise<void> {
  const { renderHostMapSvg } = await import('../../view/host-map-svg.js');
  writeOutput(file, renderHostMapSvg(map));
}

/**
 * Hosts as a page in one file.
 * @param view that opens, as in the page's address
 * @param report has a view of its own
 */
export async function writePage(
  file: string,
  kind: PageData['kind'],
  hosts: readonly PageInput[],
  { view = '', report }: { readonly view?: string; readonly report?: PageReport } = {},
): Promise<void> {
  const [{ pageAssets, pageFile }, { wholePage }] = await Promise.all([
    import('../../page/page-file.js'),
    import('../../page/page-inputs.js'),
  ]);
  const takenAt = kind === 'live' ? new Date().toISOString() : null;
  const { data, ...parts } = wholePage({ kind, version: VERSION, takenAt }, hosts);
  writeOutput(file, pageFile({ ...data, view, ...(report === undefined ? {} : { report }) }, pageAssets(), parts));
}
