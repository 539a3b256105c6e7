// Sessions: who logged in, with which role, and until when. In memory: a restart ends them, as clients of XAPI expect (SESSION_INVALID).
import { randomUUID } from 'node:crypto';
import { xapiErrors } from '../wire/errors.js';
import { GuessThrottle, passwordFits, type Role, type User } from './users.js';

export interface Session {
  readonly ref: string;
  readonly uuid: string;
  readonly user: string;
  readonly role: Role;
  readonly originator: string;
  readonly createdMs: number;
  lastActiveMs: number;
  /** Classes of event.register, and the generation that event.next told of last; null = never registered. */
  registered: { names: string[]; since: number } | null;
}

export interface SessionLimits {
  /** A session that is not used for so long ends. */
  readonly idleMs: number;
  readonly sessions: number;
  /** Passwords looked at at one time: each costs memory and time. */
  readonly loginsAtOnce: number;
  /** Wrong passwords of one user or from one address before they have to wait. */
  readonly freeGuesses: number;
}

export const SESSION_LIMITS: SessionLimits = { idleMs: 24 * 3600 * 1000, sessions: 10_000, loginsAtOnce: 8, freeGuesses: 10 };

export class Sessions {
  readonly #users: () => ReadonlyMap<string, User> | null;
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #throttle: GuessThrottle;
  readonly #byRef = new Map<string, Session>();
  #checking = 0;

  /** @param users null = none are kept: on loopback, to the embedded host, `root` is let in with any password */
  constructor(users: () => ReadonlyMap<string, User> | null, limits: SessionLimits = SESSION_LIMITS, now: () => number = Date.now) {
    this.#users = users;
    this.#limits = limits;
    this.#now = now;
    this.#throttle = new GuessThrottle(limits.freeGuesses, now);
  }

  get count(): number {
    return this.#byRef.size;
  }

  /** @throws XapiError SESSION_AUTHENTICATION_FAILED, also while guesses are slowed down */
  async login(user: string, password: string, originator: string, address: string): Promise<Session> {
    const role = await this.roleOf(user, password, address);
    const now = this.#now();
    this.#expire(now);
    if (this.#byRef.size >= this.#limits.sessions) this.#byRef.delete(this.#byRef.keys().next().value!);
    const session: Session = {
      ref: `OpaqueRef:${randomUUID()}`,
      uuid: randomUUID(),
      user,
      role,
      originator,
      createdMs: now,
      lastActiveMs: now,
      registered: null,
    };
    this.#byRef.set(session.ref, session);
    return session;
  }

  /** @throws XapiError SESSION_AUTHENTICATION_FAILED */
  async roleOf(user: string, password: string, address: string): Promise<Role> {
    const users = this.#users();
    if (users === null) {
      if (user !== 'root') throw xapiErrors.authenticationFailed(user.slice(0, 100), 'Authentication failure');
      return 'admin';
    }
    const names = [`user ${user.slice(0, 100)}`, `address ${address}`];
    const waitMs = Math.max(...names.map((name) => this.#throttle.waitMs(name)));
    if (waitMs > 0 || this.#checking >= this.#limits.loginsAtOnce) {
      throw xapiErrors.authenticationFailed(user.slice(0, 100), 'Too many attempts, try again later');
    }
    this.#checking++;
    let fits: boolean;
    const known = users.get(user);
    try {
      fits = await passwordFits(known, password);
    } finally {
      this.#checking--;
    }
    if (!fits) {
      for (const name of names) this.#throttle.failed(name);
      throw xapiErrors.authenticationFailed(user.slice(0, 100), 'Authentication failure');
    }
    for (const name of names) this.#throttle.succeeded(name);
    return known!.role;
  }

  /** @throws XapiError SESSION_INVALID */
  get(ref: string): Session {
    const session = this.#byRef.get(ref);
    const now = this.#now();
    if (session === undefined || now - session.lastActiveMs > this.#limits.idleMs || !this.#mayStill(session)) {
      this.#byRef.delete(ref);
      throw xapiErrors.sessionInvalid(ref.slice(0, 100));
    }
    // Most recently used last, so that the first is the one to go when there are too many.
    if (now !== session.lastActiveMs) {
      session.lastActiveMs = now;
      this.#byRef.delete(ref);
      this.#byRef.set(ref, session);
    }
    return session;
  }

  /** What the file of users has of a user's password; '' = there is no such user. */
  hashOf(user: string): string {
    return this.#users()?.get(user)?.hash ?? '';
  }

  /** A user who was taken out, or has another role now, must log in again. */
  #mayStill({ user, role }: Session): boolean {
    const users = this.#users();
    return users === null || users.get(user)?.role === role;
  }

  logout(ref: string): void {
    this.#byRef.delete(ref);
  }

  #expire(now: number): void {
    for (const [ref, session] of this.#byRef) {
      if (now - session.lastActiveMs <= this.#limits.idleMs) return;
      this.#byRef.delete(ref);
    }
  }
}
