// Finds the XenStore of this machine as Xen's own tools do, and connects to it.
// Source: tools/libs/store/xs.c xs_daemon_socket, xs_domain_dev (Xen 4.17).
import { existsSync, statSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { type ClientOptions, XenstoreClient } from './client.js';
import { connectDevice } from './device-transport.js';
import { connectSocket } from './socket-transport.js';
import type { Transport } from './transport.js';

const DEVICES = ['/dev/xen/xenbus', '/proc/xen/xenbus'];

export interface ConnectOptions extends Pick<ClientOptions, 'onConnection'> {
  /** Socket or device; without it the environment says, as for xenstore-ls. */
  readonly path?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Come back after a loss, with all watches; true by default. */
  readonly reconnect?: boolean;
  readonly signal?: AbortSignal;
  /** Time for the first answer; without it nothing is asked, and it may never come. */
  readonly answerMs?: number;
}

/** Time for a command's first answer. A XenStore that is being started again may take a moment. */
export const ANSWER_MS = 5000;

/**
 * Where a XenStore is to be found: $XENSTORED_PATH; else the socket in $XENSTORED_RUNDIR
 * (/run/xenstored, /var/run/xenstored) or the kernel's device, the first that is there.
 */
export function xenstorePaths(env: Readonly<Record<string, string | undefined>> = process.env): string[] {
  if (env.XENSTORED_PATH) return [env.XENSTORED_PATH];
  const folders = env.XENSTORED_RUNDIR ? [env.XENSTORED_RUNDIR] : ['/run/xenstored', '/var/run/xenstored'];
  return [...folders.map((folder) => `${folder}/socket`), ...DEVICES];
}

/**
 * @throws InputError when there is no XenStore, or none that we may use
 */
export async function connectXenstore(options: ConnectOptions = {}): Promise<XenstoreClient> {
  const paths = options.path === undefined ? xenstorePaths(options.env) : [options.path];
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new InputError(`no XenStore here: looked for ${paths.join(', ')}`, {}, 'start xenstored, or name its socket in XENSTORED_PATH');
  }
  const open = (): Promise<Transport> => (isDevice(path) ? connectDevice(path) : connectSocket(path, options.signal));
  let transport: Transport;
  try {
    transport = await open();
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof InputError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new InputError(`the XenStore at ${path} does not answer (${code})`, {}, 'is it running, and may this user open it?');
  }
  const { onConnection, answerMs } = options;
  const client = new XenstoreClient(transport, {
    ...(options.reconnect === false ? {} : { reconnect: open }),
    ...(onConnection === undefined ? {} : { onConnection }),
  });
  if (answerMs !== undefined) await mustAnswer(client, path, answerMs);
  return client;
}

/** Something else may listen there, or the device is none of Xen's. */
async function mustAnswer(client: XenstoreClient, path: string, withinMs: number): Promise<void> {
  try {
    await client.with(AbortSignal.timeout(withinMs)).domainPath(0);
  } catch (error) {
    await client.close();
    const late = (error as Error).name === 'TimeoutError';
    const reason = late ? `nothing within ${withinMs / 1000} seconds` : (error as Error).message;
    throw new InputError(
      `${path} does not answer as a XenStore does: ${reason}`,
      {},
      'is it the socket or device of one, and does it run?',
    );
  }
}

function isDevice(path: string): boolean {
  return statSync(path).isCharacterDevice();
}
