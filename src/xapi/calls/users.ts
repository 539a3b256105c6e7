// The users who may log in: a file with scrypt hashes, one a line. Pure but for the hashing.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { InputError } from '../../base/errors.js';

/** read-only and pool-admin are XAPI's names; admin is short for the latter in the file. */
export type Role = 'read-only' | 'admin';

export interface User {
  readonly name: string;
  readonly role: Role;
  readonly hash: string;
}

/**
 * N, r, p of new hashes: 32 MiB and about 50 ms each. Those of the file are honoured within the
 * bounds below.
 */
const COST = { n: 2 ** 15, r: 8, p: 1 } as const;
const MAX_COST = { n: 2 ** 20, r: 32, p: 16 } as const;
const KEY_BYTES = 32;
export const USER_LIMITS = { users: 1000, passwordBytes: 1024, nameChars: 64 } as const;
const NAME = /^[A-Za-z0-9_.@-]{1,64}$/;

/** "name:role:scrypt:N:r:p:salt:key", salt and key in base64. */
export function parseUsers(text: string, file: string): ReadonlyMap<string, User> {
  const users = new Map<string, User>();
  const fault = (line: number, message: string) =>
    new InputError(message, { file, line }, 'write lines with: xennuma serve passwd USER --file FILE');
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const parts = line.split(':');
    const [name, role, ...hash] = parts;
    if (parts.length !== 8 || name === undefined || role === undefined) throw fault(index + 1, 'expected name:role:scrypt:N:r:p:salt:key');
    if (!NAME.test(name)) throw fault(index + 1, 'expected a user name of letters, digits and _ . @ -');
    if (role !== 'admin' && role !== 'read-only') throw fault(index + 1, `expected the role admin or read-only, got '${role}'`);
    if (parseHash(hash.join(':')) === null) throw fault(index + 1, 'expected scrypt:N:r:p:salt:key');
    if (users.has(name)) throw fault(index + 1, `the user '${name}' is given twice`);
    if (users.size >= USER_LIMITS.users) throw fault(index + 1, `expected at most ${USER_LIMITS.users} users`);
    users.set(name, { name, role, hash: hash.join(':') });
  });
  return users;
}

/** @throws InputError for a name or password that cannot be one */
export async function userLine(name: string, role: Role, password: string): Promise<string> {
  if (!NAME.test(name)) throw new InputError(`'${name}' is not a user name`, {}, 'use letters, digits and _ . @ -, at most 64');
  if (password === '' || Buffer.byteLength(password) > USER_LIMITS.passwordBytes) {
    throw new InputError('the password is empty or too long', {}, `give 1 to ${USER_LIMITS.passwordBytes} bytes`);
  }
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST.n, COST.r, COST.p);
  return `${name}:${role}:scrypt:${COST.n}:${COST.r}:${COST.p}:${salt.toString('base64')}:${key.toString('base64')}`;
}

/** Takes as long for an unknown user as for a known one. */
export async function passwordFits(user: User | undefined, password: string): Promise<boolean> {
  const known = parseHash(user?.hash ?? '');
  const { n, r, p, salt, key } = known ?? { ...COST, salt: Buffer.alloc(16), key: Buffer.alloc(KEY_BYTES) };
  const derived = await derive(password.slice(0, USER_LIMITS.passwordBytes), salt, n, r, p);
  return timingSafeEqual(derived, key) && known !== null && Buffer.byteLength(password) <= USER_LIMITS.passwordBytes;
}

function parseHash(text: string): { n: number; r: number; p: number; salt: Buffer; key: Buffer } | null {
  const found = /^scrypt:(\d{1,7}):(\d{1,2}):(\d{1,2}):([A-Za-z0-9+/]{16,88}={0,2}):([A-Za-z0-9+/]{43}=)$/.exec(text);
  if (found === null) return null;
  const [n, r, p] = [Number(found[1]), Number(found[2]), Number(found[3])];
  if (n < 2 || n > MAX_COST.n || (n & (n - 1)) !== 0 || r < 1 || r > MAX_COST.r || p < 1 || p > MAX_COST.p) return null;
  return { n, r, p, salt: Buffer.from(found[4]!, 'base64'), key: Buffer.from(found[5]!, 'base64') };
}

function derive(password: string, salt: Buffer, n: number, r: number, p: number): Promise<Buffer> {
  // What OpenSSL asks for, 128 * r * (N + p + 2), with room to spare.
  const maxmem = 256 * r * (n + p + 2);
  return new Promise((done, failed) => {
    scrypt(password, salt, KEY_BYTES, { N: n, r, p, maxmem }, (error, key) => (error === null ? done(key) : failed(error)));
  });
}
