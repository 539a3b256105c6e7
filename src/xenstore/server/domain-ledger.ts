// What the connections of each domain hold of the server together: connections, and bytes that wait
// to be read.

import type { ServerLimits } from './client-limits.js';
import { guestDescriptors } from './descriptors.js';
import type { Session } from './session.js';

interface Account {
  readonly sessions: Set<Session>;
  waitingBytes: number;
}

export class DomainLedger {
  readonly #limits: ServerLimits;
  readonly #accounts = new Map<number, Account>();
  readonly #waiting = new Map<Session, number>();
  readonly #allGuests: number;
  #guestConnections = 0;

  constructor(limits: ServerLimits) {
    this.#limits = limits;
    this.#allGuests = Math.min(limits.allGuestConnections, guestDescriptors());
  }

  /** Whether one more connection of the domain may be accepted. */
  admits(domid: number): boolean {
    const open = this.#accounts.get(domid)?.sessions.size ?? 0;
    if (domid === 0) return open < this.#limits.connections;
    return open < this.#limits.guestConnections && this.#guestConnections < this.#allGuests;
  }

  add(session: Session): void {
    const { domid } = session.client;
    let account = this.#accounts.get(domid);
    if (account === undefined) {
      account = { sessions: new Set(), waitingBytes: 0 };
      this.#accounts.set(domid, account);
    }
    account.sessions.add(session);
    if (domid !== 0) this.#guestConnections++;
  }

  delete(session: Session): void {
    const { domid } = session.client;
    const account = this.#accounts.get(domid);
    if (account?.sessions.delete(session) !== true) return;
    account.waitingBytes -= this.#waiting.get(session) ?? 0;
    this.#waiting.delete(session);
    if (domid !== 0) this.#guestConnections--;
    if (account.sessions.size === 0) this.#accounts.delete(domid);
  }

  /**
   * Notes how many bytes wait for a session.
   * @returns the session to disconnect when its domain holds too much: the one with the most
   */
  charge(session: Session, bytes: number): Session | undefined {
    const before = this.#waiting.get(session) ?? 0;
    if (bytes === before) return undefined;
    if (bytes === 0) this.#waiting.delete(session);
    else this.#waiting.set(session, bytes);
    const { domid } = session.client;
    const account = this.#accounts.get(domid)!;
    account.waitingBytes += bytes - before;
    if (account.waitingBytes <= (domid === 0 ? this.#limits.dom0WaitingBytes : this.#limits.guestWaitingBytes)) return undefined;
    let most = session;
    for (const other of account.sessions) if ((this.#waiting.get(other) ?? 0) > (this.#waiting.get(most) ?? 0)) most = other;
    return most;
  }
}
