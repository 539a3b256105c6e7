// The number of vCPUs with the same hard mask, node affinity and pool. A host has few such groups,
// so that a count of vCPUs by node (libxl, before each placement) need not read the masks of all of
// them.
import type { Domid, PoolId } from '../../base/ids.js';
import type { Domain, Vcpu } from './domain.js';

export interface AffinityGroup {
  readonly pool: PoolId;
  readonly nodeAffinity: readonly number[];
  readonly hard: readonly number[];
  vcpus: number;
}

export class AffinityGroups {
  readonly #domains: ReadonlyMap<Domid, Domain>;
  readonly #groups = new Map<string, AffinityGroup>();
  /** The groups of each counted domain, one entry a vCPU. */
  readonly #counted = new Map<Domid, readonly AffinityGroup[]>();
  /** Domains that may have changed since. */
  readonly #changed = new Set<Domid>();

  constructor(domains: ReadonlyMap<Domid, Domain>) {
    this.#domains = domains;
  }

  /** The domain came, went, or may have other masks now. */
  changed(domid: Domid): void {
    this.#changed.add(domid);
  }

  allChanged(): void {
    for (const domid of this.#counted.keys()) this.#changed.add(domid);
    for (const domid of this.#domains.keys()) this.#changed.add(domid);
  }

  /** The groups as they are now; the same lists for the same masks. */
  all(): readonly AffinityGroup[] {
    for (const domid of this.#changed) this.#countAgain(domid);
    this.#changed.clear();
    return [...this.#groups.values()].filter((group) => group.vcpus > 0);
  }

  #countAgain(domid: Domid): void {
    for (const group of this.#counted.get(domid) ?? []) group.vcpus--;
    this.#counted.delete(domid);
    const domain = this.#domains.get(domid);
    if (domain === undefined) return;
    let before: Vcpu | undefined;
    let group: AffinityGroup | undefined;
    const groups = domain.vcpus.map((vcpu) => {
      // Most vCPUs of a domain have one mask.
      if (group === undefined || !vcpu.hard.equals(before!.hard)) group = this.#groupOf(domain, vcpu);
      before = vcpu;
      group.vcpus++;
      return group;
    });
    this.#counted.set(domid, groups);
  }

  #groupOf({ pool, nodeAffinity }: Domain, { hard }: Vcpu): AffinityGroup {
    const key = `${pool.id}|${nodeAffinity.words}|${hard.words}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      // Groups that nobody is in any more go when they are many.
      if (this.#groups.size > 2 * this.#counted.size + 64) this.#forgetEmpty();
      group = { pool: pool.id, nodeAffinity: [...nodeAffinity], hard: [...hard], vcpus: 0 };
      this.#groups.set(key, group);
    }
    return group;
  }

  #forgetEmpty(): void {
    for (const [key, { vcpus }] of this.#groups) if (vcpus === 0) this.#groups.delete(key);
  }
}
