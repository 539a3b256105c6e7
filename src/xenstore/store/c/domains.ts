// The domains that the C daemon knows: introduced ones, and those that own nodes or stand in
// permissions. Source: tools/xenstore/xenstored_domain.c (Xen 4.17).
import type { XenstorePermission } from '../../connection.js';
import type { Identity, Permissions } from '../../protocol/permissions.js';
import { grants } from '../../protocol/permissions.js';
import { Releases } from '../releases.js';

export interface Domain {
  readonly domid: number;
  /** Of the store when the daemon first heard of it. */
  readonly generation: number;
  introduced: boolean;
  gfn: string;
  port: number;
  /** Nodes that it owns. */
  nodes: number;
  /** Bytes that it is charged for (memory.ts); domain 0 is not. */
  memory: number;
}

export class Domains {
  readonly releases: Releases;
  readonly #byId = new Map<number, Domain>();
  readonly #exists: ((domid: number) => boolean) | undefined;

  /** `exists`: whether the hypervisor knows a domain; without one, every domain may exist. */
  constructor(exists?: (domid: number) => boolean) {
    this.#exists = exists;
    this.releases = new Releases(exists);
    this.allocate(0, 0).introduced = true;
  }

  find(domid: number): Domain | undefined {
    return this.#byId.get(domid);
  }

  introduced(domid: number): Domain | undefined {
    const domain = this.#byId.get(domid);
    return domain?.introduced ? domain : undefined;
  }

  all(): IterableIterator<Domain> {
    return this.#byId.values();
  }

  allocate(domid: number, generation: number): Domain {
    let domain = this.#byId.get(domid);
    if (domain === undefined) {
      domain = { domid, generation, introduced: false, gfn: '0', port: 0, nodes: 0, memory: 0 };
      this.#byId.set(domid, domain);
    }
    return domain;
  }

  release(domid: number): void {
    this.#byId.delete(domid);
    this.releases.add(domid);
  }

  /** Takes in every domain of a permission list that the hypervisor knows. */
  refer(permissions: Permissions, generation: number): void {
    for (const { domid } of permissions) {
      if (!this.#byId.has(domid) && this.#exists?.(domid) !== false) this.allocate(domid, generation);
    }
  }

  count(domid: number, delta: number): void {
    const domain = this.#byId.get(domid);
    if (domain !== undefined) domain.nodes += delta;
  }

  charge(domid: number, bytes: number): void {
    if (domid === 0) return;
    const domain = this.#byId.get(domid);
    if (domain !== undefined) domain.memory += bytes;
  }

  isOwner({ domid, target }: Identity, permissions: Permissions): boolean {
    const owner = permissions[0]!.domid;
    return domid === 0 || owner === domid || owner === target;
  }

  /**
   * Whether an entry behind the first counts: its domain must be the one it was given to, not a
   * later one of that number (XSA-322).
   */
  counts({ domid }: XenstorePermission, since: number): boolean {
    const domain = this.#byId.get(domid);
    return domain !== undefined && domain.generation < since;
  }

  /** Source of the rule on later domains: domain_adjust_node_perms, chk_domain_generation. */
  permits(identity: Identity, permissions: Permissions, since: number, access: 'read' | 'write'): boolean {
    if (this.isOwner(identity, permissions)) return true;
    for (let at = 1; at < permissions.length; at++) {
      const entry = permissions[at]!;
      if (entry.domid !== identity.domid && entry.domid !== identity.target) continue;
      if (this.counts(entry, since)) return grants(entry, access);
    }
    return grants(permissions[0]!, access);
  }
}
