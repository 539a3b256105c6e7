// Addresses from which somebody logged in lately, with the user: a user's addresses share one
// account of the ledger, and only administrators' addresses get at the whole reserve. Also the
// networks that unknown addresses are charged to.
import { isIPv6 } from 'node:net';
import type { Principal } from './ledger.js';
import type { StoredAddress } from './login-memory.js';

/** For this long after a login its address counts as known. */
export const KNOWN_MS = 24 * 3600 * 1000;
export const KNOWN_ADDRESSES = 1000;

/** An IPv4 address that reached an IPv6 socket, as Node writes it. */
const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

export interface KnownAddress {
  readonly user: string;
  readonly rank: Principal['rank'];
  readonly atMs: number;
}

/** One of each client, as far as addresses tell: an IPv4 address has one form only. */
export function plainAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address;
}

/**
 * What one stranger can have: an IPv4 address, or the /64 of an IPv6 address, in which everybody
 * chooses addresses at will (RFC 4291, 2.5.4; RFC 8981).
 */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [bare] = plain.split('%');
  const [head, tail] = bare!.split('::');
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'));
  const before = groups(head);
  // An IPv4 address at the end stands for two groups.
  const after = groups(tail).length + (tail?.includes('.') === true ? 1 : 0);
  const zeros = bare!.includes('::') ? 8 - before.length - after : 0;
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...groups(tail)];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

const RANKS: readonly Principal['rank'][] = ['stranger', 'known', 'admin', 'root'];

export class KnownAddresses {
  readonly #now: () => number;
  /** The one that logged in longest ago first. */
  readonly #known = new Map<string, KnownAddress>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** null = nobody logged in from there lately. */
  get(address: string): KnownAddress | null {
    const known = this.#known.get(plainAddress(address));
    return known !== undefined && this.#now() - known.atMs < KNOWN_MS ? known : null;
  }

  /**
   * Root's address stays that, then an administrator's, whoever logs in from there too. When
   * there are too many,
   * the oldest of the user with the most goes: nobody pushes out another one's.
   */
  add(address: string, user: string, rank: Principal['rank']): void {
    const before = this.get(address);
    if (before !== null && RANKS.indexOf(before.rank) > RANKS.indexOf(rank)) return;
    const plain = plainAddress(address);
    this.#known.delete(plain);
    this.#known.set(plain, { user, rank, atMs: this.#now() });
    if (this.#known.size > KNOWN_ADDRESSES) this.#forgetOne();
  }

  /** The one that logged in longest ago first. */
  stored(): StoredAddress[] {
    const now = this.#now();
    return [...this.#known].map(([address, { user, rank, atMs }]) => ({ address, user, rank, agoMs: Math.max(0, Math.round(now - atMs)) }));
  }

  restore(stored: readonly StoredAddress[]): void {
    const now = this.#now();
    for (const { address, user, rank, agoMs } of stored) if (agoMs < KNOWN_MS) this.#known.set(address, { user, rank, atMs: now - agoMs });
  }

  #forgetOne(): void {
    const counts = new Map<string, number>();
    for (const { user } of this.#known.values()) counts.set(user, (counts.get(user) ?? 0) + 1);
    const [most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    for (const [address, { user }] of this.#known) {
      if (user === most) return void this.#known.delete(address);
    }
  }
}
