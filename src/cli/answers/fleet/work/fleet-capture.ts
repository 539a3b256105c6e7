// `xennuma fleet capture`: one capture of each host, taken by the workers, each a file in a folder.
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../../../base/errors.js';
import { withErrnoName } from '../../../../base/files/errno-names.js';
import { assertNamed } from '../../../../base/own-file.js';
import { harmless } from '../../../../base/safe-text.js';
import { connectFleet } from '../../../../fleet/store/connect.js';
import { readArchive } from '../../../../live/capture/archive/archive.js';
import { readCapture } from '../../../../live/capture/captured-host.js';
import { sshTarget } from '../../../../live/capture/ssh.js';
import { accessOf, type FleetOptions } from '../../../input/fleet-options.js';
import { type CaptureFigures, captureFigures, captureLine } from '../../../output/capture-line.js';
import { EXIT } from '../../../output/exit-codes.js';
import { out, remark } from '../../../output/terminal.js';
import { VERSION } from '../../../output/version.js';
import { writeNamed } from '../../../output/write-files.js';
import { openJobs } from '../open-fleet.js';
import type { CaptureJob } from './capture-jobs.js';
import { type JobOptions, NO_WORKER } from './host-jobs.js';

export interface FleetCaptureOptions extends FleetOptions, JobOptions {
  readonly from: string;
  /** Folder of the captures. */
  readonly output: string;
  readonly anonymous?: true;
  /** false: --no-memory */
  readonly memory: boolean;
  readonly json?: true;
}

const OTHER_FOLDER = 'give another folder with --output';

type Captured =
  | ({ readonly source: string; readonly file: string; readonly bytes: number } & CaptureFigures)
  | { readonly source: string; readonly error: string };

/** @returns EXIT.no when a host could not be recorded */
export async function fleetCapture(options: FleetCaptureOptions): Promise<number> {
  const files = filesOf(options.from, options.output);
  const isThere = isFolder(options.output);
  const connection = await connectFleet(accessOf(options), options.fleetAs);
  const done: Captured[] = [];
  try {
    const jobs = await openJobs(connection, options);
    if (!isThere) makeFolder(options.output);
    const run = options.job ?? randomBytes(6).toString('hex');
    const sources = new Map([...files.keys()].map((source) => [captureJobId(run, source), source]));
    for (const id of await jobs.without([...sources.keys()])) {
      const job: CaptureJob = {
        task: 'capture',
        source: sources.get(id)!,
        anonymous: options.anonymous === true,
        memory: options.memory,
      };
      await jobs.submit(id, job);
    }
    const writing: Promise<void>[] = [];
    await jobs.results(
      [...sources.keys()],
      (id, result) => {
        const source = sources.get(id)!;
        writing.push(
          keep(source, files.get(source)!, result).then((one) => {
            done.push(one);
            remark(`${done.length} of ${sources.size}: ${source}${'error' in one ? `: ${one.error}` : ''}`);
            if (!('error' in one) && !options.json) out(captureLine(one.file, one, one.bytes));
          }),
        );
      },
      () => remark(NO_WORKER),
    );
    await Promise.all(writing);
  } finally {
    await connection.close();
  }
  const captures = [...files.keys()].map((source) => done.find((one) => one.source === source)!);
  if (options.json) out(JSON.stringify({ command: 'fleet capture', version: VERSION, captures }, null, 2));
  return done.some((one) => 'error' in one) ? EXIT.no : EXIT.ok;
}

/**
 * By source: its file.
 * @throws InputError for a source that is not ssh://, and for two of one file
 */
function filesOf(from: string, folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const source of new Set(from.split(',').map((one) => one.trim()))) {
    const { host, port } = sshTarget(source);
    const file = join(folder, `${host.replaceAll(':', '-')}${port === undefined ? '' : `-${port}`}.tgz`);
    const other = [...files].find(([, taken]) => taken === file)?.[0];
    if (other !== undefined) {
      throw new InputError(`${other} and ${source} are one host, and have one file: ${file}`, {}, 'name each host once');
    }
    files.set(source, file);
  }
  return files;
}

/**
 * Before the workers begin, which take long.
 * @throws InputError for a file, and for a folder that cannot be written
 */
function isFolder(path: string): boolean {
  assertNamed(path);
  let known: Stats | undefined;
  try {
    known = statSync(path, { throwIfNoEntry: false });
    if (known?.isDirectory()) accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new InputError(`cannot be used: ${(withErrnoName(error) as Error).message}`, { file: path }, OTHER_FOLDER);
  }
  if (known !== undefined && !known.isDirectory()) throw new InputError('expected a folder, got a file', { file: path }, OTHER_FOLDER);
  return known !== undefined;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new InputError(`cannot be made: ${(withErrnoName(error) as Error).message}`, { file: path }, OTHER_FOLDER);
  }
}

/** A source may have characters that an id may not. */
export function captureJobId(run: string, source: string): string {
  return `${run}.capture.${createHash('sha256').update(source).digest('base64url').slice(0, 22)}`;
}

/** A worker wrote it: what is no capture does not become a file. */
async function keep(source: string, file: string, result: unknown): Promise<Captured> {
  const { capture, error } = (result ?? {}) as { readonly capture?: unknown; readonly error?: unknown };
  if (typeof capture !== 'string') return { source, error: harmless(typeof error === 'string' ? error : 'no capture came') };
  try {
    const bytes = Buffer.from(capture, 'base64');
    const { live } = readCapture(await readArchive(bytes, source));
    writeNamed(file, bytes, 0o600);
    return { source, file, bytes: bytes.length, ...captureFigures(live.map) };
  } catch (failure) {
    return { source, error: harmless((failure as Error).message) };
  }
}
