// Hostile messages, and many honest ones, from a seed.
import { MESSAGE, PAYLOAD_MAX_BYTES } from '../protocol/wire.js';

export type Random = (below: number) => number;

export interface FuzzMessage {
  readonly type: number;
  readonly txId: number;
  /** latin1. */
  readonly payload: string;
}

const TYPES = Object.values(MESSAGE);
const NAMES = ['a', 'b', 'c', 'd', 'e', 'local', 'domain', '0', '1', '2', '3', '@x', 'n-_'];
const SPECIAL = [
  '@introduceDomain',
  '@releaseDomain',
  '@',
  '/',
  '//',
  '',
  '/local/domain/1',
  '/local/domain/2',
  'x'.repeat(1025),
  '/tool',
  '\xff',
];
const WORDS = [
  'T',
  'F',
  '0',
  '1',
  '2',
  '3',
  '7',
  '32752',
  '-1',
  '99999999999',
  'n0',
  'r1',
  'b2',
  'w3',
  'n1',
  'x',
  '',
  'quota',
  'check',
  'set',
  'print',
  'watches',
  '-s',
  'tok',
];
const WRITES = [
  MESSAGE.write,
  MESSAGE.mkdir,
  MESSAGE.rm,
  MESSAGE.setPermissions,
  MESSAGE.transactionEnd,
  MESSAGE.transactionStart,
  MESSAGE.watch,
];

/** `transactions`: ids that are open, to be used often. */
export function makeMessage(random: Random, transactions: readonly number[]): FuzzMessage {
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const type = random(100) < 2 ? random(2 ** 32) : pick(random(3) === 0 ? WRITES : TYPES);
  let txId = 0;
  if (transactions.length > 0 && random(3) > 0) txId = pick(transactions);
  else if (random(40) === 0) txId = random(2 ** 32);
  return { type, txId, payload: payloadFor(type, random, pick).slice(0, PAYLOAD_MAX_BYTES) };
}

function payloadFor(type: number, random: Random, pick: <T>(from: readonly T[]) => T): string {
  if (random(25) === 0) return bytes(random, random(64));
  const path = (): string => {
    if (random(12) === 0) return pick(SPECIAL);
    const names = Array.from({ length: 1 + random(4) }, () => pick(NAMES)).join('/');
    return random(6) === 0 ? names : `/${names}`;
  };
  let payload: string;
  switch (type) {
    case MESSAGE.write:
      payload = `${path()}\0${random(10) === 0 ? bytes(random, random(3000)) : pick(WORDS)}`;
      break;
    case MESSAGE.setPermissions:
      payload = `${path()}\0${Array.from({ length: 1 + random(6) }, () => `${pick(['n', 'r', 'w', 'b'])}${random(5)}\0`).join('')}`;
      break;
    case MESSAGE.watch:
    case MESSAGE.unwatch:
      payload = `${path()}\0${pick(['t', 'tok', ''])}\0`;
      break;
    case MESSAGE.transactionEnd:
      payload = random(3) > 0 ? 'T\0' : 'F\0';
      break;
    case MESSAGE.introduce:
      payload = `${random(5)}\0${random(3)}\0${random(3)}\0`;
      break;
    case MESSAGE.release:
    case MESSAGE.isDomainIntroduced:
    case MESSAGE.resume:
    case MESSAGE.getDomainPath:
      payload = `${random(5)}\0`;
      break;
    case MESSAGE.setTarget:
      payload = `${random(5)}\0${random(5)}\0`;
      break;
    case MESSAGE.control:
      payload = `${Array.from({ length: 1 + random(3) }, () => pick(WORDS)).join('\0')}\0`;
      break;
    case MESSAGE.directoryPart:
      payload = `${path()}\0${random(30)}\0`;
      break;
    default:
      payload = `${path()}\0`;
  }
  // Damaged now and then.
  if (random(20) > 0) return payload;
  const at = random(payload.length + 1);
  return random(2) === 0 ? payload.slice(0, at) : `${payload.slice(0, at)}${String.fromCharCode(random(256))}${payload.slice(at)}`;
}

function bytes(random: Random, length: number): string {
  return String.fromCharCode(...Array.from({ length }, () => random(256)));
}
