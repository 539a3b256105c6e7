// Domains that were released while a transaction was open: a node that it created for one of them
// must not go to the next domain of that number (XSA-417).

export class Releases {
  /** Number of the last release of each domain. */
  readonly #last = new Map<number, number>();
  readonly #exists: ((domid: number) => boolean) | undefined;
  #count = 0;

  /** `exists`: whether the hypervisor knows a domain, where there is one to ask. */
  constructor(exists: ((domid: number) => boolean) | undefined) {
    this.#exists = exists;
  }

  /** Number of releases so far; a transaction keeps it from its start. */
  get count(): number {
    return this.#count;
  }

  add(domid: number): void {
    this.#last.set(domid, ++this.#count);
  }

  /**
   * Whether the domain was released after the first `count` releases, and the hypervisor does not
   * say that it exists.
   */
  goneSince(domid: number, count: number): boolean {
    return (this.#last.get(domid) ?? 0) > count && this.#exists?.(domid) !== true;
  }

  dump(): { readonly last: ReadonlyMap<number, number>; readonly count: number } {
    return { last: this.#last, count: this.#count };
  }

  load({ last, count }: ReturnType<Releases['dump']>): void {
    for (const [domid, number] of last) this.#last.set(domid, number);
    this.#count = count;
  }
}
