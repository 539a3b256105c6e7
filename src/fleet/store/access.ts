// How to reach the fleet: its servers, the user's key and the certificate authority. It loads
// nothing of NATS, so that daemons check what they were given before they open anything.
import { X509Certificate } from 'node:crypto';
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

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Two bytes say what it is, 32 are the seed, two the checksum: 36 bytes, in base32. */
const SEED_CHARACTERS = 58;

/** As NATS's own nkeys checks it: CRC-16/XMODEM, little-endian, of all bytes before it. */
function isSeed(text: string): boolean {
  if (text.length !== SEED_CHARACTERS) return false;
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const one of text) {
    const value = BASE32.indexOf(one);
    if (value === -1) return false;
    bits = ((bits << 5) | value) & 0xfff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes.push((bits >> held) & 0xff);
    }
  }
  const [low, high] = bytes.splice(-2);
  return crc16(bytes) === (low! | (high! << 8));
}

function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
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
