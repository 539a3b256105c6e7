// The use of the server by all connections of each domain: connections, unread bytes and replies,
// and unanswered requests. Limits and quotas are a domain's, not a connection's.

import { type Account, newAccount } from './account.js';
import type { ServerLimits } from './client-limits.js';
import { guestDescriptors } from './descriptors.js';
import type { Session } from './session.js';

interface DomainAccount extends Account {
  readonly sessions: Set<Session>;
  /** Bytes read in turn number `readTurn`. */
  readBytes: number;
  readTurn: number;
}

export class DomainLedger {
  readonly #limits: ServerLimits;
  readonly #accounts = new Map<number, DomainAccount>();
  readonly #allGuests: number;
  #guestConnections = 0;
  #turn = 0;

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

  account(domid: number): DomainAccount {
    let account = this.#accounts.get(domid);
    if (account === undefined) {
      account = { ...newAccount(), sessions: new Set(), readBytes: 0, readTurn: 0 };
      this.#accounts.set(domid, account);
    }
    return account;
  }

  add(session: Session): void {
    this.account(session.client.domid).sessions.add(session);
    if (session.client.domid !== 0) this.#guestConnections++;
  }

  delete(session: Session): void {
    const { client } = session;
    const account = this.#accounts.get(client.domid);
    if (account?.sessions.delete(session) !== true) return;
    session.leaveAccount();
    if (client.domid !== 0) this.#guestConnections--;
    if (account.sessions.size === 0) this.#accounts.delete(client.domid);
  }

  /**
   * After a session was sent to.
   * @returns the session to disconnect when its domain holds too much: the one with the most
   */
  charge(session: Session): Session | undefined {
    session.countReplies();
    const { client } = session;
    const account = this.account(client.domid);
    const limit = client.domid === 0 ? this.#limits.dom0WaitingBytes : this.#limits.guestWaitingBytes;
    if (account.waitingBytes + account.unansweredBytes <= limit) return undefined;
    let most = session;
    for (const other of account.sessions) if (other.heldBytes > most.heldBytes) most = other;
    return most;
  }

  beginTurn(): void {
    this.#turn++;
  }

  /** How much may be read of a session now; 0 = its domain has had its share of this turn. */
  allowance({ client }: Session): number {
    const { turnBytes } = this.#limits;
    if (client.domid === 0) return turnBytes;
    const account = this.account(client.domid);
    if (account.readTurn !== this.#turn) {
      account.readTurn = this.#turn;
      account.readBytes = 0;
    }
    return Math.max(0, turnBytes - account.readBytes);
  }

  noteRead({ client }: Session, bytes: number): void {
    this.account(client.domid).readBytes += bytes;
  }
}
