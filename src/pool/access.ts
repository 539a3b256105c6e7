// A pool over XAPI: login, one read of its hosts and VMs, and one of its hosts with its topology.
import { InputError, UnreachableError } from '../base/errors.js';
import type { Host } from '../machine/model.js';
import { type Endpoint, endpointUrl } from '../xapi-client/endpoint.js';
import { XapiError, XapiUnreachable } from '../xapi-client/errors.js';
import { type PoolHost, type PoolView, type PoolVm, readPool } from '../xapi-client/pool.js';
import { type Credentials, XapiSession } from '../xapi-client/session.js';
import { asItIsNow, topologyOf } from './topology.js';

export interface PoolTarget {
  readonly endpoint: Endpoint;
  /** Read again for each login: the password may have been changed while a session was open. */
  readonly credentials: () => Credentials;
}

export interface Pool {
  readonly session: XapiSession;
  readonly view: PoolView;
  /** An error of the pool as users of the command read it: where, and how to mend it. */
  readonly worded: (error: unknown) => Error;
}

/** A host of a pool. */
export interface PoolAccess extends Pool {
  /** The host as the API describes it. */
  readonly record: PoolHost;
  /** The same host with its topology and its current free memory. */
  readonly host: Host;
  /** Guests that run on it. */
  readonly running: readonly PoolVm[];
  /** Guests of the pool that are off. */
  readonly halted: readonly PoolVm[];
}

/** A description of a host's topology; null if the user gave none. */
export type Describe = (record: PoolHost, view: PoolView) => Host | null;

/**
 * Logs in, reads, does the work and logs out.
 * @throws UnreachableError when the pool cannot be reached or refuses the user
 */
export async function withPool<T>({ endpoint, credentials }: PoolTarget, work: (pool: Pool) => Promise<T>): Promise<T> {
  let session: XapiSession | null = null;
  let user = '';
  const current = () => {
    const read = credentials();
    user = read.user;
    return read;
  };
  const worded = (error: unknown) => asUnreachable(error, endpointUrl(endpoint), user);
  try {
    session = await XapiSession.login(endpoint, current);
    return await work({ session, view: await readPool(session), worded });
  } catch (error) {
    throw worded(error);
  } finally {
    await session?.close();
  }
}

/**
 * @throws InputError when the description does not fit, or is missing for a host of several nodes
 */
export function accessOf(pool: Pool, record: PoolHost, describe: Describe): PoolAccess {
  const { vms } = pool.view;
  const running = vms.filter((vm) => vm.host === record.ref && !vm.controlDomain);
  const halted = vms.filter((vm) => vm.power === 'Halted' && !vm.controlDomain);
  const host = asItIsNow(topologyOf(record, describe(record, pool.view)), record, running);
  return { ...pool, record, host, running, halted };
}

/**
 * @param name name or uuid of a host; undefined for a pool of one host
 * @throws InputError when there is no such host, or several and none is named
 */
export function hostNamed(view: PoolView, name: string | undefined): PoolHost {
  const names = view.hosts.map((host) => host.name).join(', ');
  if (name === undefined) {
    if (view.hosts.length === 1) return view.hosts[0]!;
    throw new InputError(`the pool has ${view.hosts.length} hosts: ${names}`, { path: '--pool' }, 'name one with --pool-host');
  }
  const found = view.hosts.find((host) => host.name === name || host.uuid === name);
  if (found === undefined) throw new InputError(`the pool has no host '${name}'`, { path: '--pool-host' }, `its hosts are ${names}`);
  return found;
}

function asUnreachable(error: unknown, url: string, user: string): Error {
  if (error instanceof XapiUnreachable) return new UnreachableError(error.message, error.mend);
  if (!(error instanceof XapiError)) return error instanceof Error ? error : new Error(String(error));
  const [first = ''] = error.params;
  switch (error.code) {
    case 'SESSION_AUTHENTICATION_FAILED':
      return new UnreachableError(`${url}: wrong user '${user}' or password`, 'give -u USER and -pwf FILE');
    case 'HOST_IS_SLAVE':
      return new UnreachableError(`${url} is not the coordinator of its pool`, `use --pool https://${first}`);
    case 'RBAC_PERMISSION_DENIED':
      return new UnreachableError(
        `${url}: the user '${user}' has no permission for this (${first})`,
        'log in as a user with that permission',
      );
    default:
      return new UnreachableError(`${url} refused: ${error.message}`, "see the pool's own log");
  }
}
