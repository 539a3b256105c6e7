// Random conversations with a XenStore daemon, in the format of the recorded ones, from a seed.
import { numbersBelow } from '../../src/base/random.js';
import type { JsonObject } from '../../src/conformance/player.js';
import { MESSAGE, PAYLOAD_MAX_BYTES } from '../../src/xenstore/protocol/wire.js';

export interface Step {
  readonly conn: number;
  readonly type: number;
  readonly tx: number | string | { readonly raw: number };
  readonly payload: string;
  readonly newtx?: string;
  /** `error`: which error the C daemon names is left over from an earlier call. */
  readonly check: 'exact' | 'set' | 'error';
}

export interface Conversation {
  readonly id: number;
  readonly conns: number;
  /** Domain of each connection; all of domain 0 when absent. */
  readonly domids?: readonly number[];
  readonly steps: readonly Step[];
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
  const random = numbersBelow(seed);
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
  const noTx = (): Step['tx'] => (chance(3) ? { raw: 77_000 + random(3) } : 0);
  const tx = (): Step['tx'] => (transactions > 0 && chance(55) ? `T${1 + random(transactions)}` : noTx());
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
      // No target that exists: the C daemon's reference to it outlives its release, and changes
      // what the next ones answer.
      if (chance(50)) add(MESSAGE.resume, damaged(`${domid()}\0`), { check: 'error' });
      else add(MESSAGE.setTarget, damaged('7\x008\0'), { check: 'error' });
    } else if (roll < 99) add(MESSAGE.resetWatches, pick(['', '\0']), { tx: tx() });
    else add(MESSAGE.directoryPart, `${path()}\0${pick(['0', '2', '9999', 'x'])}\0`, { tx: tx() });
  }
  return { id: seed, conns, steps };
}

/**
 * One with guests: domain 0's connection, and one of each of one or two domains, each with its own
 * home.
 */
export function makeGuestConversation(seed: number): Conversation {
  const random = numbersBelow(seed ^ 0x5eed);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const chance = (percent: number): boolean => random(100) < percent;
  const domids = chance(60) ? [0, 1, 2] : [0, 1];
  const tops = [`/f${seed}`, '/local/domain/1', '/local/domain/2', '/local/domain/1', `/f${seed}`];
  const path = (): string => {
    if (chance(3))
      return pick(['/', '/local', '/local/domain', '/tool', '@introduceDomain', '//', '/a b', `/local/domain/1/${'p'.repeat(1100)}`]);
    const names = Array.from({ length: random(4) }, () => pick(NAMES.slice(0, 4)));
    if (chance(30)) return names.length === 0 ? pick(NAMES) : names.join('/');
    return [pick(tops), ...names].join('/');
  };
  const permission = (): string => `${pick(['n', 'r', 'w', 'b'])}${pick([0, 1, 2, 1, 2, 3])}`;
  let transactions: number[] = [];
  const steps: Step[] = [];
  const tx = (conn: number): Step['tx'] => {
    const own = transactions.flatMap((owner, at) => (owner === conn ? [at + 1] : []));
    return own.length > 0 && chance(60) ? `T${pick(own)}` : 0;
  };
  const damaged = (payload: string): string => (chance(99) ? payload : pick([`${payload}\0`, `${payload}more`, payload.slice(0, -1)]));
  const add = (conn: number, type: number, payload: string, more: Partial<Step> = {}): void => {
    if (payload.length <= PAYLOAD_MAX_BYTES) steps.push({ conn, type, tx: 0, payload, check: 'exact', ...more });
  };
  const one = (conn: number, type: number): void => {
    const payload = damaged(`${path()}\0`);
    // What lies there is everyone's, in the order in which it came to be.
    const shared = type === MESSAGE.directory && /^\/(local|local\/domain|tool)?\0$/.test(payload);
    const check = payload.indexOf('\0') === payload.length - 1 ? 'exact' : 'error';
    add(conn, type, payload, { tx: tx(conn), check: shared ? 'set' : check });
  };
  const count = 10 + random(50);
  while (steps.length < count) {
    const conn = chance(25) ? 0 : 1 + random(domids.length - 1);
    const roll = random(100);
    if (roll < 26)
      add(conn, MESSAGE.write, damaged(`${path()}\0`) + pick(['', 'v', 'w', 'x'.repeat(90), 'y'.repeat(700), 'z'.repeat(2049)]), {
        tx: tx(conn),
      });
    else if (roll < 33) one(conn, MESSAGE.read);
    else if (roll < 39) one(conn, MESSAGE.directory);
    else if (roll < 45) one(conn, MESSAGE.getPermissions);
    else if (roll < 53) one(conn, MESSAGE.mkdir);
    else if (roll < 60) one(conn, MESSAGE.rm);
    else if (roll < 72) {
      const entries = Array.from({ length: 1 + random(chance(8) ? 8 : 3) }, () => `${permission()}\0`).join('');
      const payload = `${path()}\0${entries}`;
      add(conn, MESSAGE.setPermissions, payload, { tx: tx(conn), check: payload.startsWith('@') ? 'error' : 'exact' });
    } else if (roll < 82)
      add(conn, MESSAGE.watch, damaged(`${chance(15) ? pick(['@introduceDomain', '@releaseDomain']) : path()}\0${pick(['t', 'u'])}\0`));
    else if (roll < 84) add(conn, MESSAGE.unwatch, damaged(`${path()}\0${pick(['t', 'u'])}\0`));
    else if (roll < 89) {
      transactions = [...transactions, conn];
      add(conn, MESSAGE.transactionStart, '\0', { newtx: `T${transactions.length}` });
    } else if (roll < 94 && transactions.length > 0) {
      add(conn, MESSAGE.transactionEnd, pick(['T\0', 'T\0', 'T\0', 'F\0']), { tx: tx(conn) });
    } else if (roll < 95)
      add(
        conn,
        pick([MESSAGE.introduce, MESSAGE.control]),
        conn === 0 ? '3\x001\x001\0' : 'help\0',
        conn === 0 ? { type: MESSAGE.introduce } : {},
      );
    else if (roll < 97) add(conn, pick([MESSAGE.release, MESSAGE.resume, MESSAGE.isDomainIntroduced]), '3\0');
    else if (roll < 98) add(conn, MESSAGE.resetWatches, '\0');
    else if (roll < 99) add(conn, MESSAGE.getDomainPath, '2\0');
    else add(conn, MESSAGE.directoryPart, `${pick(tops)}/${pick(NAMES)}\x000\0`, { tx: tx(conn) });
  }
  return { id: seed, conns: domids.length, domids, steps };
}

export function asLine({ id, conns, domids, steps }: Conversation): JsonObject {
  return {
    id,
    conns,
    ...(domids === undefined ? {} : { domids: [...domids] }),
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
export function conversationText({ steps }: Conversation): string {
  return steps
    .map(({ conn, type, tx, payload }, at) => `${at}: conn ${conn} type ${type} tx ${JSON.stringify(tx)} ${JSON.stringify(payload)}`)
    .join('\n');
}
