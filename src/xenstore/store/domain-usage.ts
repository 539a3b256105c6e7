// Watches and open transactions of each domain, summed over its connections: quotas are a domain's,
// not a connection's.

export type Usage = 'watches' | 'transactions';

export class DomainUsage {
  readonly #counts: Readonly<Record<Usage, Map<number, number>>> = { watches: new Map(), transactions: new Map() };
  /** Transactions open in all domains. */
  openTransactions = 0;

  of(domid: number, what: Usage): number {
    return this.#counts[what].get(domid) ?? 0;
  }

  add(domid: number, what: Usage, delta: number): void {
    if (what === 'transactions') this.openTransactions += delta;
    const counts = this.#counts[what];
    const next = (counts.get(domid) ?? 0) + delta;
    if (next === 0) counts.delete(domid);
    else counts.set(domid, next);
  }
}
