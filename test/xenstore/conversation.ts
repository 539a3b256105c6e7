// Random conversations with a XenStore daemon, in the format of the recorded ones, from a seed.
import type { JsonObject } from '../../src/conformance/player.js';
import { MESSAGE, PAYLOAD_MAX_BYTES } from '../../src/xenstore/wire.js';

export interface Step {
  readonly conn: number;
  readonly type: number;
  readonly tx: number | string | { readonly raw: number };
  readonly payload: string;
  readonly newtx?: string;
  /** `error`: which error the C daemon names is left over from an earlier call. */
  readonly check: 'exact' | 'error';
}

export interface Conversation {
  readonly id: number;
  readonly conns: number;
  readonly steps: readonly Step[];
}

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const NAMES = ['a', 'b', 'c', 'd', 'state', 'x-y_z@w', '0'];
export const ODD_PATHS = [
  '',
  '//',
  '/a//b',
  '/a/',
  '/a b',
  '/ä',
  '@x y',
  '@releaseDomain',
  `/${'p'.repeat(1100)}`,
  `/${'q'.repeat(2100)}`,
  `/local/domain/77/${'r'.repeat(1500)}`,
];
const VALUES = ['', 'v', 'with\0nul', 'x'.repeat(60), 'y'.repeat(2047), 'z'.repeat(2049)];
const ODD_NUMBERS = ['', 'x', '-1', ' 3', '3 ', '0x3', '03', '1_0', '99999999999', '4294967297', '32752', '+2', '0b11', '08'];
const TOKENS = ['t', 'tok', '', 'a/b', 'T'.repeat(300)];

export function makeConversation(seed: number): Conversation {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const chance = (percent: number): boolean => random(100) < percent;
  const conns = 1 + random(3);
  const top = `f${seed}`;
  const path = (): string => {
    if (chance(4)) return pick(ODD_PATHS);
    const depth = random(4);
    const names = Array.from({ length: depth }, () => pick(NAMES));
    return `${chance(12) ? '' : '/'}${[top, ...names].join('/')}`;
  };
  const domid = (): string => (chance(15) ? pick(ODD_NUMBERS) : String(1 + random(5)));
  const permission = (): string => `${pick(['n', 'r', 'w', 'b', 'n', 'r', 'x', ''])}${chance(20) ? pick(ODD_NUMBERS) : random(9)}`;
  let transactions = 0;
  const tx = (): Step['tx'] =>
    transactions > 0 && chance(55) ? `T${1 + random(transactions)}` : chance(3) ? { raw: 77_000 + random(3) } : 0;
  const steps: Step[] = [];
  const add = (type: number, payload: string, more: Partial<Step> = {}): void => {
    // Longer ones end the connection: the recorded conversations have them.
    if (payload.length <= PAYLOAD_MAX_BYTES) steps.push({ conn: random(conns), type, tx: 0, payload, check: 'exact', ...more });
  };
  // Malformed now and then: no NUL, one too many, something behind.
  const damaged = (payload: string): string =>
    chance(96) ? payload : pick([payload.slice(0, -1), `${payload}\0`, `${payload}more`, '', '\0']);
  const one = (type: number, text: string): void => {
    const payload = damaged(`${text}\0`);
    const whole = payload.length > 0 && payload.indexOf('\0') === payload.length - 1;
    add(type, payload, { tx: tx(), check: whole ? 'exact' : 'error' });
  };
  const count = 5 + random(35);
  while (steps.length < count) {
    const roll = random(100);
    if (roll < 22) add(MESSAGE.write, damaged(`${path()}\0`) + pick(VALUES), { tx: tx(), check: 'exact' });
    else if (roll < 31) one(MESSAGE.read, path());
    else if (roll < 37) one(MESSAGE.directory, path());
    else if (roll < 42) one(MESSAGE.getPermissions, path());
    else if (roll < 50) one(MESSAGE.mkdir, path());
    else if (roll < 60) one(MESSAGE.rm, path());
    else if (roll < 67) {
      const entries = Array.from({ length: 1 + random(3) }, () => `${permission()}\0`).join('');
      const payload = damaged(`${path()}\0${entries}`);
      add(MESSAGE.setPermissions, payload, { tx: tx(), check: payload.startsWith('@') ? 'error' : 'exact' });
    } else if (roll < 76) {
      add(MESSAGE.watch, damaged(`${chance(8) ? pick(['@introduceDomain', '@releaseDomain']) : path()}\0${pick(TOKENS)}\0`), { tx: tx() });
    } else if (roll < 79) add(MESSAGE.unwatch, damaged(`${path()}\0${pick(TOKENS)}\0`));
    else if (roll < 85) {
      const nested = chance(10) ? tx() : 0;
      transactions++;
      add(MESSAGE.transactionStart, '\0', { tx: nested, newtx: `T${transactions}` });
    } else if (roll < 91 && transactions > 0) {
      const payload = chance(92) ? pick(['T\0', 'T\0', 'T\0', 'F\0']) : pick(['X\0', 'T', 'TT\0', '']);
      add(MESSAGE.transactionEnd, payload, { tx: `T${1 + random(transactions)}` });
    } else if (roll < 93) one(MESSAGE.getDomainPath, domid());
    else if (roll < 95) add(MESSAGE.introduce, `${domid()}\0${pick(['1', '2', '0x10', 'zz'])}\0${pick(['1', '2', '0', 'x', '-1'])}\0`);
    else if (roll < 96) {
      const released = domid();
      // Without domain 0 neither daemon is of use any more.
      if (/[1-9]/.test(released)) one(MESSAGE.release, released);
    } else if (roll < 97) one(MESSAGE.isDomainIntroduced, domid());
    else if (roll < 98) {
      // No target that exists: the C daemon's reference to it outlives its release, and changes what the next ones answer.
      if (chance(50)) add(MESSAGE.resume, damaged(`${domid()}\0`), { check: 'error' });
      else add(MESSAGE.setTarget, damaged('7\x008\0'), { check: 'error' });
    } else if (roll < 99) add(MESSAGE.resetWatches, pick(['', '\0']), { tx: tx() });
    else add(MESSAGE.directoryPart, `${path()}\0${pick(['0', '2', '9999', 'x'])}\0`, { tx: tx() });
  }
  return { id: seed, conns, steps };
}

export function asLine({ id, conns, steps }: Conversation): JsonObject {
  return {
    id,
    conns,
    steps: steps.map(({ conn, type, tx, payload, newtx, check }) => ({
      conn,
      type,
      tx,
      payload_b64: Buffer.from(payload, 'latin1').toString('base64'),
      ...(newtx === undefined ? {} : { newtx }),
      check,
    })) as unknown as JsonObject[],
  };
}

/** Leaves out steps while `differs` stays true: the shortest that it finds. */
export async function shrink(conversation: Conversation, differs: (shorter: Conversation) => Promise<boolean>): Promise<Conversation> {
  let best = conversation;
  for (let size = Math.max(1, best.steps.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < best.steps.length; ) {
      const shorter = { ...best, steps: [...best.steps.slice(0, at), ...best.steps.slice(at + size)] };
      if (shorter.steps.length > 0 && (await differs(shorter))) best = shorter;
      else at += size;
    }
  }
  return best;
}

/** For people: one step a line. */
export function shown({ steps }: Conversation): string {
  return steps
    .map(({ conn, type, tx, payload }, at) => `${at}: conn ${conn} type ${type} tx ${JSON.stringify(tx)} ${JSON.stringify(payload)}`)
    .join('\n');
}
