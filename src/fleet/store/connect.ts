// A connection to the fleet's NATS with the user's servers, key and certificates. Only commands of
// the fleet load it.
import { readFileSync } from 'node:fs';
import { connect, type NatsConnection, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node';
import { InputError, UnreachableError } from '../../base/errors.js';

export interface FleetAccess {
  /** nats://host:port or tls://host:port, several with commas between. */
  readonly url: string;
  /** File with the seed of an nkey. */
  readonly keyFile?: string;
  /** File with the certificate authority of the servers, in PEM. */
  readonly caFile?: string;
}

const DEFAULT_PORT = 4222;
/** A server that was stopped, not ended, is noticed by two missing answers. */
const PING_MS = 2000;

/** @throws InputError for a URL or a key that is none */
function optionsOf(access: FleetAccess): NodeConnectionOptions {
  const { url, caFile } = access;
  const parsed = url.split(',').map(serverOf);
  const key = seedOfAccess(access);
  const tls = caFile !== undefined || parsed.some(({ scheme }) => scheme === 'tls');
  return {
    servers: parsed.map(({ server }) => server),
    ...(key === null ? {} : { authenticator: nkeyAuthenticator(key) }),
    ...(tls ? { tls: caFile === undefined ? {} : { caFile } } : {}),
  };
}

function serverOf(text: string): { readonly scheme: string; readonly server: string } {
  const found = /^(nats|tls):\/\/([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?\/?$/.exec(text.trim());
  if (found === null || Number(found[3] ?? 0) > 65_535) {
    throw new InputError(`expected nats://host:port, got '${text}'`, { path: '--fleet' }, 'separate several servers by commas');
  }
  return { scheme: found[1]!, server: `${found[2]}:${found[3] ?? DEFAULT_PORT}` };
}

/** @returns null for a fleet without keys. @throws InputError for a file that holds no seed */
export const seedOfAccess = ({ keyFile }: FleetAccess): Uint8Array | null => (keyFile === undefined ? null : seedOf(keyFile));

/** The seed of a user's nkey begins with SU. */
function seedOf(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InputError(`cannot be read: ${(error as Error).message}`, { file }, 'xennuma fleet init and fleet join write keys');
  }
  const seed = /^(SU[A-Z2-7]{40,80})\s*$/m.exec(text)?.[1];
  if (seed === undefined)
    throw new InputError('expected the seed of an nkey, which begins with SU', { file }, 'xennuma fleet join writes one');
  return new TextEncoder().encode(seed);
}

/** Prefix of the inboxes of all users. */
export const INBOXES = '_INBOX_';
/** Prefix of the inboxes of one user: its permissions name it. */
export const inboxesOf = (name: string): string => `${INBOXES}${name}`;

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
