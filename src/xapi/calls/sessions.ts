// Sessions: the user, the role and the end of each. They are in memory, so a restart ends them, as
// clients of XAPI expect (SESSION_INVALID).
import { randomUUID } from 'node:crypto';
import type { Maker } from '../model/record-bounds.js';
import { xapiErrors } from '../wire/errors.js';
import { GuessThrottle } from './guess-throttle.js';
import { KnownAddresses, networkOf, plainAddress } from './known-addresses.js';
import { Ledger, type Principal } from './ledger.js';
import type { LoginMemory } from './login-memory.js';
import { Revocations } from './revocation.js';
import { passwordFits, type Role, type User } from './users.js';

export interface Session {
  readonly ref: string;
  readonly uuid: string;
  readonly user: string;
  readonly role: Role;
  readonly originator: string;
  /** Opened through the unix socket, by root, whatever the file of users says. */
  readonly local: boolean;
  readonly createdMs: number;
  /** By the wall clock, which may be set: for those who read it. */
  lastActiveMs: number;
  /** By a clock that only grows: for the end of the session. */
  usedAtMs: number;
  /**
   * Classes of event.register, and the generation of the last event.next; null = never registered.
   */
  registered: { names: string[]; since: number } | null;
}

export interface SessionLimits {
  /** A session that is unused for this long ends. */
  readonly idleMs: number;
  readonly sessions: number;
  /** Sessions of one user; beyond it the user's least recently used one ends. */
  readonly sessionsOfUser: number;
  /** Wrong passwords from one address before it has to wait. */
  readonly freeGuesses: number;
}

export const SESSION_LIMITS: SessionLimits = { idleMs: 24 * 3600 * 1000, sessions: 10_000, sessionsOfUser: 1000, freeGuesses: 10 };

/**
 * Stands for the address of those who came through the unix socket. Its file belongs to root alone,
 * so that they log in under any name and with any password (xapi_session.ml:
 * login_with_password__internal, preauth).
 */
export const UNIX_SOCKET = 'unix socket';

/** The user whom xapi takes from the host itself, and who is no subject. */
export const LOCAL_SUPERUSER = 'root';

/** Logins that wait for their turn, in all and from one address, and for how long. */
const WAITING_LOGINS = { total: 64, each: 4, longestMs: 30_000 } as const;
export class Sessions {
  /** Long-running calls, which must end with the right to them. */
  readonly revocations = new Revocations();
  readonly #users: () => ReadonlyMap<string, User> | null;
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #steady: () => number;
  readonly #throttle: GuessThrottle;
  readonly #byRef = new Map<string, Session>();
  readonly #ledger: Ledger;
  readonly #known: KnownAddresses;
  readonly #memory: LoginMemory | null;
  readonly #waiting: { readonly name: string; readonly go: () => void }[] = [];

  /**
   * @param users null = none are kept: on loopback, to the embedded host, `root` is let in with any
   *   password
   */
  constructor(
    users: () => ReadonlyMap<string, User> | null,
    limits: SessionLimits = SESSION_LIMITS,
    now: () => number = Date.now,
    ledger = new Ledger(),
    memory: LoginMemory | null = null,
  ) {
    this.#users = users;
    this.#limits = limits;
    this.#now = now;
    // A clock that is set forward must not end all sessions.
    this.#steady = now === Date.now ? () => Math.floor(performance.now()) : now;
    this.#throttle = new GuessThrottle(limits.freeGuesses, this.#steady);
    this.#ledger = ledger;
    this.#known = new KnownAddresses(this.#steady);
    this.#memory = memory;
    const stored = memory?.load() ?? null;
    this.#known.restore(stored?.known ?? []);
    this.#throttle.restore(stored?.guesses ?? []);
    memory?.follow(() => ({ known: this.#known.stored(), guesses: this.#throttle.stored() }));
  }

  get count(): number {
    return this.#byRef.size;
  }

  /** @throws XapiError SESSION_AUTHENTICATION_FAILED, also while guesses are slowed down */
  async login(user: string, password: string, originator: string, address: string): Promise<Session> {
    const role = await this.roleOf(user, password, address);
    const now = this.#now();
    const usedAtMs = this.#steady();
    this.#expire(usedAtMs);
    this.#makeRoom(user);
    const session: Session = {
      ref: `OpaqueRef:${randomUUID()}`,
      uuid: randomUUID(),
      user,
      role,
      originator,
      local: address === UNIX_SOCKET,
      createdMs: now,
      lastActiveMs: now,
      usedAtMs,
      registered: null,
    };
    this.#byRef.set(session.ref, session);
    return session;
  }

  /** @throws XapiError SESSION_AUTHENTICATION_FAILED */
  async roleOf(user: string, password: string, address: string): Promise<Role> {
    if (address === UNIX_SOCKET) return 'admin';
    const users = this.#users();
    if (users === null) {
      if (user !== 'root') throw xapiErrors.authenticationFailed(user.slice(0, 100), 'Authentication failure');
      return 'admin';
    }
    const shown = user.slice(0, 100);
    const [addressName, userName] = [`address ${networkOf(address)}`, `user ${shown}`];
    // Many addresses that guess at one user slow that user down, but not from where somebody logged
    // in lately.
    const userWaitMs = this.knows(address) ? 0 : this.#throttle.waitMs(userName);
    if (Math.max(this.#throttle.waitMs(addressName), userWaitMs) > 0) throw tooMany(shown);
    const known = users.get(user);
    const fits = await this.#inTurn(address, shown, () => passwordFits(known, password));
    if (!fits) {
      // One address counts once against the user.
      if (this.#throttle.failed(addressName)) this.#throttle.failed(userName);
      this.#memory?.changed();
      throw xapiErrors.authenticationFailed(shown, 'Authentication failure');
    }
    this.#throttle.succeeded(addressName);
    this.#known.add(address, known!.name, rankOf(known!.name, known!.role));
    this.#memory?.changed();
    return known!.role;
  }

  /** Whether somebody logged in from an address lately. */
  knows(address: string): boolean {
    return address === UNIX_SOCKET || this.#known.get(address) !== null;
  }

  /** The principal charged for what comes from an address before its user is known. */
  principalAt(address: string): Principal {
    if (address === UNIX_SOCKET) return { name: `address ${address}`, rank: 'root' };
    const known = this.#known.get(address);
    const role = known === null ? undefined : this.#users()?.get(known.user)?.role;
    if (known === null || role === undefined) return { name: `address ${networkOf(address)}`, rank: 'stranger' };
    return { name: `address ${plainAddress(address)}`, rank: rankOf(known.user, role), user: `user ${known.user}` };
  }

  /** The principal charged for a session's work; before login it is the address. */
  principalOf(ref: unknown, address: string): Principal {
    const session = typeof ref === 'string' ? this.#byRef.get(ref) : undefined;
    if (session !== undefined && this.#mayStill(session)) return principalOfUser(session);
    return this.principalAt(address);
  }

  /**
   * Passwords are examined a few at a time; others wait, a few of each address. @throws XapiError
   * when too many wait
   */
  async #inTurn<T>(address: string, user: string, work: () => Promise<T>): Promise<T> {
    const { name, rank } = this.principalAt(address);
    // Not charged to the user, who may be another one than the one whose password it is.
    const principal: Principal = { name, rank };
    const deadline = performance.now() + WAITING_LOGINS.longestMs;
    let release = this.#ledger.take('logins', principal);
    while (release === null) {
      const own = this.#waiting.filter((one) => one.name === name).length;
      const full = this.#waiting.length >= WAITING_LOGINS.total && rank === 'stranger';
      if (own >= WAITING_LOGINS.each || full || performance.now() > deadline) throw tooMany(user);
      await new Promise<void>((go) => this.#waiting.push({ name, go }));
      release = this.#ledger.take('logins', principal);
    }
    try {
      return await work();
    } finally {
      release();
      // All waiters check again, because the next turn depends on the current use of the ledger.
      for (const { go } of this.#waiting.splice(0)) go();
    }
  }

  /** @throws XapiError SESSION_INVALID */
  get(ref: string): Session {
    const session = this.#byRef.get(ref);
    const now = this.#steady();
    if (session === undefined || now - session.usedAtMs > this.#limits.idleMs || !this.#mayStill(session)) {
      this.#byRef.delete(ref);
      throw xapiErrors.sessionInvalid(ref.slice(0, 100));
    }
    // Most recently used last, so that the first is the one to go when there are too many.
    if (now !== session.usedAtMs) {
      session.usedAtMs = now;
      session.lastActiveMs = this.#now();
      this.#byRef.delete(ref);
      this.#byRef.set(ref, session);
    }
    return session;
  }

  /** Whether calls of a session are still answered; a call that waits does not make it idle. */
  isLive(session: Session): boolean {
    return this.#byRef.get(session.ref) === session && this.#mayStill(session);
  }

  /** null = none are kept. */
  users(): ReadonlyMap<string, User> | null {
    return this.#users();
  }

  live(): Session[] {
    return [...this.#byRef.values()].filter((session) => this.#mayStill(session));
  }

  /** A user's line in the file of users, without the name; '' = there is no such user. */
  hashOf(user: string): string {
    return this.#users()?.get(user)?.hash ?? '';
  }

  /** A user who was removed, or has another role now, must log in again. */
  #mayStill({ user, role, local }: Session): boolean {
    const users = this.#users();
    return local || users === null || users.get(user)?.role === role;
  }

  logout(ref: string): void {
    this.#byRef.delete(ref);
  }

  /** Room for one more session of a user: first at the cost of that user's own. */
  #makeRoom(user: string): void {
    const own = [...this.#byRef.values()].filter((session) => session.user === user);
    if (own.length >= this.#limits.sessionsOfUser) this.#byRef.delete(own[0]!.ref);
    else if (this.#byRef.size >= this.#limits.sessions) this.#endOneOfMost();
  }

  /** The least recently used one of the user with the most. */
  #endOneOfMost(): void {
    const counts = new Map<string, number>();
    for (const { user } of this.#byRef.values()) counts.set(user, (counts.get(user) ?? 0) + 1);
    const [most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    const oldest = [...this.#byRef.values()].find(({ user }) => user === most)!;
    this.#byRef.delete(oldest.ref);
  }

  #expire(now: number): void {
    for (const [ref, session] of this.#byRef) {
      if (now - session.usedAtMs <= this.#limits.idleMs) return;
      this.#byRef.delete(ref);
    }
  }
}

/** A user who is charged for calls, watchers, tasks and answers. */
export function principalOfUser({ user, role, local = false }: Pick<Session, 'user' | 'role'> & { local?: boolean }): Principal {
  return { name: `user ${user}`, rank: local ? 'root' : rankOf(user, role) };
}

function rankOf(user: string, role: Role): Principal['rank'] {
  if (role !== 'admin') return 'known';
  return user === LOCAL_SUPERUSER ? 'root' : 'admin';
}

/** Whom the records that a session makes are charged to. */
export function makerOf({ user, role, local }: Session): Maker {
  return { name: `user ${user}`, superuser: local || (user === LOCAL_SUPERUSER && role === 'admin') };
}

function tooMany(user: string) {
  return xapiErrors.authenticationFailed(user, 'Too many attempts, try again later');
}
