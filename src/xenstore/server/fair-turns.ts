// Guests take turns by the work that their requests cost, a domain with all of its connections. One
// that costs more than its share of a turn pays with its next turns.
import type { Account } from './account.js';
import type { ServerLimits } from './client-limits.js';

/** An account's share of this turn; turns that have passed since its last one paid for its work. */
export function beginShare(account: Account, turn: number, shareUnits: number): void {
  account.units = Math.max(0, account.units - (turn - account.turn) * shareUnits);
  account.turn = turn;
}

/** Connections of guests that have requests. */
export class GuestQueue<C> {
  readonly #limits: ServerLimits;
  /** In the order of service: a domain that was served goes to the end. */
  readonly #waiting = new Map<Account, Set<C>>();
  #turn = 0;

  constructor(limits: ServerLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  add(account: Account, connection: C): void {
    const connections = this.#waiting.get(account);
    if (connections === undefined) this.#waiting.set(account, new Set([connection]));
    else connections.add(connection);
  }

  delete(account: Account, connection: C): void {
    const connections = this.#waiting.get(account);
    if (connections?.delete(connection) && connections.size === 0) this.#waiting.delete(account);
  }

  /**
   * One turn: as many domains as its units are enough for. Connections that are added meanwhile
   * wait for a later turn.
   * @param answer answers requests of the connection while its account has units left
   */
  serve(answer: (connection: C) => void): void {
    this.#turn++;
    let units = 0;
    let domains = this.#waiting.size;
    for (const [account, connections] of this.#waiting) {
      if (domains-- === 0 || units >= this.#limits.guestTurnUnits) return;
      this.#waiting.delete(account);
      this.#waiting.set(account, connections);
      beginShare(account, this.#turn, this.#limits.turnUnits);
      const before = account.units;
      this.#serveDomain(account, connections, answer);
      units += account.units - before;
      if (connections.size === 0 && this.#waiting.get(account) === connections) this.#waiting.delete(account);
    }
  }

  #serveDomain(account: Account, connections: Set<C>, answer: (connection: C) => void): void {
    let left = connections.size;
    for (const connection of connections) {
      if (left-- === 0 || account.units >= this.#limits.turnUnits) return;
      connections.delete(connection);
      answer(connection);
    }
  }
}
