// How many records clients may make and how much text all records may have. Each record is charged
// to the user who made it, and its text to those who made it grow. A charge is stored with its
// record, so that a restart forgives nobody anything.
import { xapiErrors } from '../wire/errors.js';
import { isStruct, type Wire, type WireStruct } from '../wire/values.js';
import { EMPTY_MAP } from './schema-types.js';

export interface RecordShare {
  /** For all users together. */
  readonly total: number;
  /** For one user, whenever the records were made. */
  readonly each: number;
  /** Part of the total for the superuser only: who makes records is an administrator anyway. */
  readonly reserve: number;
}

/** By class. Classes that are not listed have the share of `others`. */
export const RECORD_SHARES = {
  VM: { total: 12_500, each: 10_000, reserve: 1250 },
  VDI: { total: 62_500, each: 50_000, reserve: 6250 },
  VBD: { total: 62_500, each: 50_000, reserve: 6250 },
  VIF: { total: 62_500, each: 50_000, reserve: 6250 },
  PBD: { total: 12_500, each: 10_000, reserve: 1250 },
  others: { total: 1250, each: 1000, reserve: 125 },
  /** Characters of all records. */
  text: { total: 64 * 2 ** 20, each: 48 * 2 ** 20, reserve: 8 * 2 ** 20 },
} as const satisfies Record<string, RecordShare>;

export type RecordShares = Readonly<Record<string, RecordShare>>;

/** Characters of one record. */
export const MAX_RECORD_TEXT = 2 ** 20;

/** At most one for each record of another class; ended tasks have a bound of their own. */
export const BOUND_TO_OTHERS: ReadonlySet<string> = new Set([
  'VM_metrics',
  'VM_guest_metrics',
  'VBD_metrics',
  'VIF_metrics',
  'console',
  'VTPM',
  'placement',
  'task',
]);

/** Overhead of a member of a set or a map, beside its text. */
const MEMBER = 8;
/** References are shared with the record that they lead to. */
const REFERENCE = /^OpaqueRef:[0-9a-f-]{36}$/;

/** Who makes a change. */
export interface Maker {
  /** "user root" */
  readonly name: string;
  /** May use the reserve. */
  readonly superuser: boolean;
}

/** What a record costs, and whom. Never changed; a change of the record replaces it. */
export interface Charge {
  /** null = made by the daemon, or under a version that did not store it. */
  readonly maker: string | null;
  /** Characters of the record when a user last changed it. */
  readonly size: number;
  /** Characters by user; the rest of the size is nobody's. */
  readonly shares: ReadonlyMap<string, number>;
}

/** The part of a charge that is stored with its record. */
export type StoredCharge = Pick<Charge, 'maker' | 'shares'>;

const NO_SHARES: ReadonlyMap<string, number> = new Map();

class Account {
  text = 0;
  readonly made = new Map<string, number>();

  count(type: string, more: number): void {
    this.made.set(type, (this.made.get(type) ?? 0) + more);
  }
}

/** Changes that a user is about to make. */
export interface PlannedChange {
  readonly ref: string;
  readonly type: string;
  readonly before: WireStruct | null;
  readonly after: WireStruct;
  /** Records of this class, including staged ones. */
  readonly count: number;
}

export class RecordBounds {
  readonly #shares: RecordShares;
  readonly #charges = new Map<string, Charge>();
  readonly #accounts = new Map<string, Account>();
  /** Staged since the last commit, what was undone included. */
  readonly #planned = new Map<string, Account>();
  #text = 0;

  constructor(shares: RecordShares = {}) {
    this.#shares = { ...RECORD_SHARES, ...shares };
  }

  /** @throws XapiError OPERATION_NOT_ALLOWED; a change that makes nothing larger always fits */
  plan(maker: Maker, { ref, type, before, after, count }: PlannedChange): void {
    const planned = accountOf(this.#planned, maker.name);
    const held = accountOf(this.#accounts, maker.name);
    if (before === null && !BOUND_TO_OTHERS.has(type)) {
      const share = this.#shares[type] ?? this.#shares.others!;
      if (count >= roomOf(share, maker)) {
        throw xapiErrors.operationNotAllowed(
          `no more than ${roomOf(share, maker)} records of class ${type}${kept(share, maker)}: destroy some`,
        );
      }
      if ((held.made.get(type) ?? 0) + (planned.made.get(type) ?? 0) >= share.each) {
        throw xapiErrors.operationNotAllowed(`no more than ${share.each} records of class ${type} made by one user: destroy some`);
      }
    }
    const size = textOf(after);
    const more = size - (before === null ? 0 : textOf(before));
    if (more > 0) this.#assertText(maker, ref, size, more, held.text + planned.text);
    planned.text += Math.max(more, 0);
    if (before === null) planned.count(type, 1);
  }

  #assertText(maker: Maker, ref: string, size: number, more: number, own: number): void {
    const share = this.#shares.text!;
    if (size > MAX_RECORD_TEXT) {
      throw xapiErrors.operationNotAllowed(`a record has at most ${MAX_RECORD_TEXT} characters, and ${ref} would have ${size}`);
    }
    let all = this.#text;
    for (const { text } of this.#planned.values()) all += text;
    if (all + more > roomOf(share, maker)) {
      throw xapiErrors.operationNotAllowed(`all records have at most ${roomOf(share, maker)} characters${kept(share, maker)}: remove some`);
    }
    if (own + more > share.each) {
      throw xapiErrors.operationNotAllowed(`the records of one user have at most ${share.each} characters: remove some`);
    }
  }

  /** The plans were committed, or nothing of them is left. */
  settled(): void {
    this.#planned.clear();
  }

  /** null = the record is not known here. */
  chargeOf(ref: string): Charge | null {
    return this.#charges.get(ref) ?? null;
  }

  /** @param charge null = the record is gone, and what it cost is given back */
  publish(ref: string, type: string, charge: Charge | null): void {
    const known = this.#charges.get(ref) ?? null;
    if (known === charge) return;
    if (known !== null) this.#count(type, known, -1);
    if (charge === null) this.#charges.delete(ref);
    else {
      this.#count(type, charge, 1);
      this.#charges.set(ref, charge);
    }
  }

  #count(type: string, { maker, size, shares }: Charge, sign: 1 | -1): void {
    this.#text += sign * size;
    for (const [user, own] of shares) accountOf(this.#accounts, user).text += sign * own;
    if (maker !== null) accountOf(this.#accounts, maker).count(type, sign);
  }
}

/**
 * What the daemon changes by itself is bounded by what it manages, and not counted.
 * @param before null = the record is new
 * @param user null = the daemon
 */
export function charged(before: Charge | null, user: string | null, record: WireStruct): Charge {
  if (user === null && before !== null) return before;
  const size = textOf(record);
  if (user === null) return { maker: null, size, shares: NO_SHARES };
  const shares = new Map(before?.shares);
  const more = size - (before?.size ?? 0);
  if (more > 0) shares.set(user, (shares.get(user) ?? 0) + more);
  else reduce(shares, -more, user);
  return { maker: before === null ? user : before.maker, size, shares };
}

/** As it was stored; the record may have become smaller since it was charged. */
export function loadedCharge({ maker, shares: stored }: StoredCharge, record: WireStruct): Charge {
  const size = textOf(record);
  const shares = new Map(stored);
  let sum = 0;
  for (const own of shares.values()) sum += own;
  reduce(shares, sum - size, null);
  return { maker, size, shares: shares.size === 0 ? NO_SHARES : shares };
}

/** A smaller record first reduces the charge of the user who made it smaller. */
function reduce(shares: Map<string, number>, less: number, user: string | null): void {
  let rest = less;
  for (const name of [user, ...shares.keys()]) {
    if (rest <= 0) return;
    const own = name === null ? 0 : (shares.get(name) ?? 0);
    if (own === 0) continue;
    if (own > rest) shares.set(name!, own - rest);
    else shares.delete(name!);
    rest -= own;
  }
}

function roomOf({ total, reserve }: RecordShare, { superuser }: Maker): number {
  return superuser ? total : total - reserve;
}

function kept({ reserve }: RecordShare, { superuser }: Maker): string {
  return superuser ? '' : ` (${reserve} more are kept for root)`;
}

function accountOf(accounts: Map<string, Account>, user: string): Account {
  let account = accounts.get(user);
  if (account === undefined) {
    account = new Account();
    accounts.set(user, account);
  }
  return account;
}

/** Records do not change, and are asked for when they are planned, charged and replaced. */
const sizes = new WeakMap<WireStruct, number>();

/** The text of all fields; the fields' names are the class's. */
function textOf(record: WireStruct): number {
  let size = sizes.get(record);
  if (size === undefined) {
    size = 0;
    for (const name in record) size += sizeOf(record[name]!);
    sizes.set(record, size);
  }
  return size;
}

function sizeOf(value: Wire): number {
  if (typeof value === 'string') return value.length === 46 && REFERENCE.test(value) ? 0 : value.length;
  // Most fields, or most maps: the first tests are the cheap ones.
  if (typeof value !== 'object' || value === EMPTY_MAP) return 0;
  let size = 0;
  if (Array.isArray(value)) for (const one of value as readonly Wire[]) size += MEMBER + sizeOf(one);
  else if (isStruct(value)) for (const key in value) size += MEMBER + (REFERENCE.test(key) ? 0 : key.length) + sizeOf(value[key]!);
  return size;
}
