// Files between a client and its host, over HTTP at a path of the host. A task of the host tells
// how it ended (cli_util.ml, track_http_operation, of xen-api e2ee48d6).
import { XapiError } from '../../xapi-client/errors.js';
import { asText } from '../../xapi-client/values.js';
import { XePlainFailure } from '../failures.js';
import { type Run, showProgress } from '../operations.js';

export interface Transfer {
  /** Of the task. */
  readonly label: string;
  readonly description?: string;
  readonly way: 'download' | 'upload';
  /** The client's file. */
  readonly name: string;
  readonly path: string;
  /** Session and task are added. */
  readonly query?: Readonly<Record<string, string>>;
}

/** The host may tell why a transfer ended after the client knows that it did. */
const REASON_MS = 1000;

/**
 * @returns the task's result
 * @throws XapiError of the task; CLIENT_ERROR when the host knows of no failure
 */
export async function transfer(run: Run, { label, description = '', way, name, path, query = {} }: Transfer): Promise<string> {
  const { session } = run.context;
  const task = asText(await session.call('task.create', [label, description]));
  try {
    const search = new URLSearchParams({ session_id: session.ref, task_id: task, ...query });
    const moved = await run.files[way](name, `${path}?${search.toString()}`);
    if (moved) return await session.outcome(task, showProgress(run));
    throw await reasonOf(run, task);
  } finally {
    await session.call('task.destroy', [task]).catch(() => {});
  }
}

async function reasonOf({ context: { session } }: Run, task: string): Promise<Error> {
  try {
    await session.outcome(task, { signal: AbortSignal.timeout(REASON_MS) });
  } catch (error) {
    if (error instanceof XapiError) return error;
  }
  return new XapiError('CLIENT_ERROR', []);
}

/** A download that says so on the screen; without a file's name its content is there. */
export async function downloadAndTell(run: Run, what: Omit<Transfer, 'way'>, told: string): Promise<void> {
  try {
    await transfer(run, { ...what, way: 'download' });
  } catch (error) {
    if (error instanceof XapiError && error.code === 'CLIENT_ERROR') throw new XePlainFailure(`${told} failed, unknown error.`);
    throw error;
  }
  if (what.name !== '') run.printer.list([`${told} succeeded`]);
}
