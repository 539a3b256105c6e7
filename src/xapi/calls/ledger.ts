// The use of the daemon's limited resources, in one ledger. No address and no user can take all of
// a resource. A reserve is kept for administrators and for addresses with a recent login, half of
// it for administrators alone, and half of that for root alone, who can take rights from others.

export interface Share {
  /** For all together. */
  readonly total: number;
  /** For one address or user. */
  readonly each: number;
  /**
   * Part of the total for known clients and administrators; half of it is for the latter only, and
   * a quarter for root.
   */
  readonly reserve: number;
}

/**
 * Connections are charged to an address, or to its network (known-addresses.ts). Answers, calls,
 * watchers and tasks are charged to a user, or to an address before login.
 */
export const SHARES = {
  connections: { total: 1024, each: 512, reserve: 128 },
  /** Bytes of request bodies that are being read and of answers that are not read yet. */
  bytes: { total: 192 * 2 ** 20, each: 64 * 2 ** 20, reserve: 48 * 2 ** 20 },
  calls: { total: 1024, each: 768, reserve: 64 },
  /** Calls that wait for events. */
  watchers: { total: 512, each: 256, reserve: 64 },
  tasks: { total: 2000, each: 1500, reserve: 200 },
  /** Passwords under examination: each costs 32 MiB and 50 ms. */
  logins: { total: 8, each: 2, reserve: 2 },
} as const satisfies Record<string, Share>;

export type Resource = keyof typeof SHARES;
export type Shares = Readonly<Record<Resource, Share>>;

export interface Principal {
  /** "address 10.0.0.1", "address 2001:db8:0:0::/64", "user root". */
  readonly name: string;
  readonly rank: 'stranger' | 'known' | 'admin' | 'root';
  /**
   * The user of a known address, who is charged too, so that more addresses are not more. The
   * address may have three quarters of the user's share: whoever else is there leaves the user the
   * rest at other addresses.
   */
  readonly user?: string;
}

interface Account {
  sum: number;
  readonly byRank: Record<Principal['rank'], number>;
  readonly held: Map<string, number>;
}

export class Ledger {
  #shares: Shares;
  readonly #released = new Map<Resource, Set<() => void>>();
  readonly #accounts: Readonly<Record<Resource, Account>>;

  constructor(shares: Partial<Shares> = {}) {
    this.#shares = { ...SHARES, ...shares };
    const account = (): Account => ({ sum: 0, byRank: { stranger: 0, known: 0, admin: 0, root: 0 }, held: new Map() });
    this.#accounts = {
      connections: account(),
      bytes: account(),
      calls: account(),
      watchers: account(),
      tasks: account(),
      logins: account(),
    };
  }

  /** Sets the total; one principal's share and the reserve keep their proportions. */
  resize(resource: Resource, total: number): void {
    const { total: before, each, reserve } = SHARES[resource];
    const share = { total, each: Math.ceil((total * each) / before), reserve: Math.floor((total * reserve) / before) };
    this.#shares = { ...this.#shares, [resource]: share };
  }

  /** The most that one principal can hold. */
  most(resource: Resource): number {
    return this.#shares[resource].each;
  }

  /** Resolves when some of a resource was released, or when the time is over. */
  released(resource: Resource, ms: number): Promise<void> {
    const waiting = this.#released.get(resource) ?? new Set();
    this.#released.set(resource, waiting);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      waiting.add(done);
    });
  }

  held(resource: Resource): number {
    return this.#accounts[resource].sum;
  }

  /**
   * @returns a function that releases it, once; null if the principal, or all together, would hold
   * too much
   */
  take(resource: Resource, principal: Principal, amount = 1): (() => void) | null {
    const { total, each, reserve } = this.#shares[resource];
    const account = this.#accounts[resource];
    const { name, rank, user } = principal;
    const most = user === undefined ? each : Math.ceil((each * 3) / 4);
    if ((account.held.get(name) ?? 0) + amount > most) return null;
    if (user !== undefined && (account.held.get(user) ?? 0) + amount > each) return null;
    const { stranger, known, admin } = account.byRank;
    if (account.sum + amount > total) return null;
    if (rank !== 'root' && stranger + known + admin + amount > total - Math.ceil(reserve / 4)) return null;
    if ((rank === 'stranger' || rank === 'known') && stranger + known + amount > total - Math.ceil(reserve / 2)) return null;
    if (rank === 'stranger' && stranger + amount > total - reserve) return null;
    this.#add(account, principal, amount);
    let granted = false;
    return () => {
      if (granted) return;
      granted = true;
      this.#add(account, principal, -amount);
      const waiting = this.#released.get(resource);
      if (waiting !== undefined && waiting.size > 0) for (const wake of [...waiting]) wake();
    };
  }

  #add(account: Account, { name, rank, user }: Principal, amount: number): void {
    account.sum += amount;
    account.byRank[rank] += amount;
    const { held } = account;
    for (const one of user === undefined ? [name] : [name, user]) {
      const own = (held.get(one) ?? 0) + amount;
      if (own === 0) held.delete(one);
      else held.set(one, own);
    }
  }
}
