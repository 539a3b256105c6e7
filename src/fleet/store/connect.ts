// A connection to the fleet's NATS with the user's servers, key and certificates. Only commands of
// the fleet load it.
import { type Authenticator, connect, type NatsConnection, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';
import { checkAccess, type FleetAccess, seedOfAccess, serversOf } from './access.js';

/** A server that was stopped, not ended, is noticed by two missing answers. */
const PING_MS = 2000;

/** @throws InputError as of checkAccess */
function optionsOf(access: FleetAccess): NodeConnectionOptions {
  checkAccess(access);
  const servers = serversOf(access);
  const authenticator = authenticatorOf(access);
  const { caFile } = access;
  const tls = caFile !== undefined || servers.some(({ scheme }) => scheme === 'tls');
  return {
    servers: servers.map(({ server }) => server),
    ...(authenticator === null ? {} : { authenticator }),
    ...(tls ? { tls: caFile === undefined ? {} : { caFile } } : {}),
  };
}

/** The key file is read again for each login; while it is being written, the old key stays. */
function authenticatorOf(access: FleetAccess): Authenticator | null {
  let key = seedOfAccess(access);
  if (key === null) return null;
  return (nonce) => {
    try {
      key = seedOfAccess(access);
    } catch {
      // Half written, or gone for a moment: the server says whether the old one still counts.
    }
    return nkeyAuthenticator(key!)(nonce);
  };
}

/** Of a user, as far as it is counted. */
const MOST_NAME = 128;

/** Prefix of the inboxes of all users. */
export const INBOXES = '_INBOX_';
/** Prefix of the inboxes of one user: its permissions name it. */
export const inboxesOf = (name: string): string => `${INBOXES}${name}`;
/** The user that an inbox says it is of; nothing proves it. */
export const inboxUserOf = (inbox: string): string => /^[^.]*/.exec(inbox.slice(INBOXES.length))![0].slice(0, MOST_NAME);

/**
 * @param name for the server's list of connections, and the prefix of the inboxes
 * @param wait goes on trying when no server answers; for daemons
 * @throws UnreachableError when none answers, or the key is refused
 */
export async function connectFleet(access: FleetAccess, name: string, wait = false): Promise<NatsConnection> {
  const options = optionsOf(access);
  try {
    return await connect({
      ...options,
      name,
      inboxPrefix: inboxesOf(name),
      maxReconnectAttempts: -1,
      // Users may be missing for a moment, while the servers' configuration is written. The
      // library would close the connection for good at the second refusal.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: 250,
      waitOnFirstConnect: wait,
      timeout: 3000,
      pingInterval: PING_MS,
      maxPingOut: 2,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnreachableError(
      `no NATS server answers at ${access.url}: ${reason}`,
      'check the servers, and the key given with --fleet-key',
    );
  }
}
