// How to reach the fleet: its servers, the user's key and the certificate authority. Of NATS it
// loads the keys alone, so that daemons check what they were given before they open anything.
import { X509Certificate } from 'node:crypto';
import { fromSeed } from '@nats-io/nkeys';
import { InputError } from '../../base/errors.js';
import { readUserFile } from '../../base/files/user-file.js';

export interface FleetAccess {
  /** nats://host:port or tls://host:port, several with commas between. */
  readonly url: string;
  /** File with the seed of an nkey. */
  readonly keyFile?: string;
  /** File with the certificate authority of the servers, in PEM. */
  readonly caFile?: string;
}

export interface FleetServer {
  readonly scheme: 'nats' | 'tls';
  /** With its port. */
  readonly server: string;
}

const DEFAULT_PORT = 4222;
const KEY_MEND = 'xennuma fleet init and fleet join write keys';
const CA_MEND = "give the servers' authority, as in ca_file of their configuration";

/** @throws InputError for a URL, a key file or an authority that no connection can use */
export function checkAccess(access: FleetAccess): void {
  serversOf(access);
  seedOfAccess(access);
  if (access.caFile !== undefined) checkAuthority(access.caFile);
}

/** @throws InputError for a URL that is none */
export const serversOf = ({ url }: FleetAccess): FleetServer[] => url.split(',').map(serverOf);

function serverOf(text: string): FleetServer {
  const found = /^(nats|tls):\/\/([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?\/?$/.exec(text.trim());
  if (found === null || Number(found[3] ?? 0) > 65_535) {
    throw new InputError(`expected nats://host:port, got '${text}'`, { path: '--fleet' }, 'separate several servers by commas');
  }
  return { scheme: found[1] as FleetServer['scheme'], server: `${found[2]}:${found[3] ?? DEFAULT_PORT}` };
}

/** @returns null for a fleet without keys. @throws InputError for a file that holds no seed */
export function seedOfAccess({ keyFile }: FleetAccess): Uint8Array | null {
  if (keyFile === undefined) return null;
  const seed = /^(SU\S*)\s*$/m.exec(textOf(keyFile, KEY_MEND))?.[1];
  if (seed === undefined) throw new InputError('expected the seed of an nkey, which begins with SU', { file: keyFile }, KEY_MEND);
  if (!isSeed(seed)) {
    throw new InputError('the seed of the nkey is incomplete or mistyped: its checksum is wrong', { file: keyFile }, 'copy the file again');
  }
  return new TextEncoder().encode(seed);
}

/** The two bytes of its kind, the seed's 32, and the checksum's two, in base32. */
const SEED_CHARACTERS = 58;

/** Of another length it may decode all the same, as letters beyond a whole byte do not count. */
function isSeed(text: string): boolean {
  if (text.length !== SEED_CHARACTERS) return false;
  try {
    fromSeed(new TextEncoder().encode(text));
    return true;
  } catch {
    return false;
  }
}

/** TLS passes over what is no certificate, and then trusts no server. */
function checkAuthority(file: string): void {
  const blocks = textOf(file, CA_MEND)
    .split(/(?=-----BEGIN )/)
    .filter((block) => /^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(block));
  if (blocks.length === 0) throw new InputError('expected a certificate in PEM', { file }, CA_MEND);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw new InputError(`expected certificates in PEM: ${(error as Error).message}`, { file }, CA_MEND);
    }
  }
}

/** Keys and chains of certificates have a few KiB. */
const MOST_BYTES = 2 ** 20;

function textOf(file: string, mend: string): string {
  return readUserFile(file, { mostBytes: MOST_BYTES, mend }).toString();
}
