// How many records clients may make and how much text all records may have. Each record is charged
// to the user who made it, and its text to those who made it grow.
import { xapiErrors } from '../wire/errors.js';
import { isStruct, type Wire, type WireStruct } from '../wire/values.js';

export interface RecordShare {
  /** For all users together. */
  readonly total: number;
  /** Records that one user has made since the daemon's start. */
  readonly each: number;
}

/** By class. Classes that are not listed have the share of `others`. */
export const RECORD_SHARES = {
  VM: { total: 12_500, each: 10_000 },
  VDI: { total: 62_500, each: 50_000 },
  VBD: { total: 62_500, each: 50_000 },
  VIF: { total: 62_500, each: 50_000 },
  PBD: { total: 12_500, each: 10_000 },
  others: { total: 1250, each: 1000 },
  /** Characters of all records. */
  text: { total: 64 * 2 ** 20, each: 48 * 2 ** 20 },
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
  'placement',
  'task',
]);

/** Overhead of a member of a set or a map, beside its text. */
const MEMBER = 8;
/** References are shared with the record that they lead to. */
const REFERENCE = /^OpaqueRef:[0-9a-f-]{36}$/;

interface Charge {
  readonly type: string;
  /** null = made by an earlier process, or by the daemon. */
  readonly maker: string | null;
  size: number;
  /** By user; the rest of the size is nobody's. */
  readonly shares: Map<string, number>;
}

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
  plan(user: string, { ref, type, before, after, count }: PlannedChange): void {
    const planned = accountOf(this.#planned, user);
    const held = accountOf(this.#accounts, user);
    if (before === null && !BOUND_TO_OTHERS.has(type)) {
      const { total, each } = this.#shares[type] ?? this.#shares.others!;
      if (count >= total) throw xapiErrors.operationNotAllowed(`no more than ${total} records of class ${type}: destroy some`);
      if ((held.made.get(type) ?? 0) + (planned.made.get(type) ?? 0) >= each) {
        throw xapiErrors.operationNotAllowed(`no more than ${each} records of class ${type} made by one user: destroy some`);
      }
    }
    const size = textOf(after);
    const more = size - (before === null ? 0 : textOf(before));
    if (more > 0) this.#assertText(ref, size, more, held.text + planned.text);
    planned.text += Math.max(more, 0);
    if (before === null) planned.count(type, 1);
  }

  #assertText(ref: string, size: number, more: number, own: number): void {
    const { total, each } = this.#shares.text!;
    if (size > MAX_RECORD_TEXT) {
      throw xapiErrors.operationNotAllowed(`a record has at most ${MAX_RECORD_TEXT} characters, and ${ref} would have ${size}`);
    }
    let all = this.#text;
    for (const { text } of this.#planned.values()) all += text;
    if (all + more > total) throw xapiErrors.operationNotAllowed(`all records have at most ${total} characters: remove some`);
    if (own + more > each) throw xapiErrors.operationNotAllowed(`the records of one user have at most ${each} characters: remove some`);
  }

  /** The plans were committed, or nothing of them is left. */
  settled(): void {
    this.#planned.clear();
  }

  /**
   * What the daemon changes by itself is bounded by what it manages, and not counted.
   * @param user null = the daemon
   */
  published(ref: string, type: string, user: string | null, record: WireStruct | null): void {
    const known = this.#charges.get(ref);
    if (record === null) {
      if (known !== undefined) this.#release(ref, known);
      return;
    }
    if (user === null && known !== undefined) return;
    const charge = known ?? { type, maker: user, size: 0, shares: new Map<string, number>() };
    if (known === undefined) {
      this.#charges.set(ref, charge);
      if (user !== null) accountOf(this.#accounts, user).count(type, 1);
    }
    const size = textOf(record);
    this.#text += size - charge.size;
    this.#share(charge, user, size - charge.size);
    charge.size = size;
  }

  #share(charge: Charge, user: string | null, more: number): void {
    if (more > 0 && user !== null) this.#move(charge, user, more);
    // A smaller record first reduces the charge of the user who made it smaller.
    let less = -more;
    for (const name of [user, ...charge.shares.keys()]) {
      if (less <= 0) return;
      const own = name === null ? 0 : (charge.shares.get(name) ?? 0);
      if (own > 0) this.#move(charge, name!, -Math.min(own, less));
      less -= own;
    }
  }

  #move({ shares }: Charge, user: string, more: number): void {
    const own = (shares.get(user) ?? 0) + more;
    if (own === 0) shares.delete(user);
    else shares.set(user, own);
    accountOf(this.#accounts, user).text += more;
  }

  #release(ref: string, { type, maker, size, shares }: Charge): void {
    this.#charges.delete(ref);
    this.#text -= size;
    for (const [user, own] of shares) accountOf(this.#accounts, user).text -= own;
    if (maker !== null) accountOf(this.#accounts, maker).count(type, -1);
  }
}

function accountOf(accounts: Map<string, Account>, user: string): Account {
  let account = accounts.get(user);
  if (account === undefined) {
    account = new Account();
    accounts.set(user, account);
  }
  return account;
}

/** The text of all fields; the fields' names are the class's. */
function textOf(record: WireStruct): number {
  let size = 0;
  for (const name in record) size += sizeOf(record[name]!);
  return size;
}

function sizeOf(value: Wire): number {
  if (typeof value === 'string') return value.length === 46 && REFERENCE.test(value) ? 0 : value.length;
  let size = 0;
  if (Array.isArray(value)) for (const one of value as readonly Wire[]) size += MEMBER + sizeOf(one);
  else if (isStruct(value)) for (const key in value) size += MEMBER + (REFERENCE.test(key) ? 0 : key.length) + sizeOf(value[key]!);
  return size;
}
