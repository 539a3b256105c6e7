// The nodes of the C daemon with the rules of reading, creating, changing and removing them, in and
// out of transactions. Source: tools/xenstore/xenstored_core.c (Xen 4.17), function by function.

import type { Access, Permissions } from '../../protocol/permissions.js';
import type { ClientState } from '../client-state.js';
import { DomainUsage } from '../domain-usage.js';
import type { Journal } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import { Journaled } from '../journaled.js';
import type { StoreQuota } from '../limits.js';
import { WatchIndex } from '../watches.js';
import { Work } from '../work.js';
import { Announcer, type Before } from './announcer.js';
import { Domains } from './domains.js';
import { nodeBytes } from './memory.js';
import { canonical, childOf, isValidName, lastPart, parentOf } from './names.js';
import { nearestParent } from './nearest-parent.js';
import { addChild, copyOf, type Node, newNode, removeChild } from './nodes.js';
import { QuotaChecks } from './quota-checks.js';
import type { Transaction } from './transaction.js';

const DOM0_ONLY: Permissions = [{ domid: 0, access: 'n' }];

export type Client = ClientState<Transaction>;
/** A node that is made, changed or removed. */
const NODE_UNITS = 4;
type Tx = Transaction | undefined;

export class Store {
  readonly live = new Map<string, Node>();
  readonly work = new Work();
  readonly index = new WatchIndex(this.work);
  readonly domains: Domains;
  /** Who hears of introductions and releases, by the event's name. */
  readonly special = new Map<string, Permissions>([
    ['@introduceDomain', DOM0_ONLY],
    ['@releaseDomain', DOM0_ONLY],
  ]);
  /** Rises with each change of any node. */
  generation = 0;
  /** Nodes written or removed in the live store by requests, each time. */
  liveChanges = 0;
  readonly usage = new DomainUsage();
  readonly announcer: Announcer;
  readonly checks: QuotaChecks;
  readonly journaled: Journaled;

  constructor(quota: StoreQuota, exists: ((domid: number) => boolean) | undefined, journal: Journal | undefined) {
    this.domains = new Domains(exists);
    this.journaled = new Journaled(journal, this.work);
    this.checks = new QuotaChecks(quota, this.domains);
    this.announcer = new Announcer(this.live, this.index, this.domains, this.journaled);
    this.live.set('/', newNode('', DOM0_ONLY, 0, this.generation));
    this.live.set('/tool', newNode('', DOM0_ONLY, 0, this.generation));
    this.live.set('/tool/xenstored', newNode('', DOM0_ONLY, 0, this.generation));
    addChild(this.live.get('/')!, 'tool');
    addChild(this.live.get('/tool')!, 'xenstored');
    this.domains.count(0, 3);
  }

  /**
   * The node that a request names, or undefined when there is none and the client may know that.
   * @throws StoreFailure EINVAL, EACCES; ENOSPC past a transaction's limit
   */
  find(client: Client, tx: Tx, name: string, access: Access): Node | undefined {
    if (tx === undefined && client.domid === 0) {
      const node = this.live.get(name);
      if (node !== undefined) return node;
    }
    if (!isValidName(name, this.checks.quota.pathBytes)) fail('EINVAL');
    const node = this.read(tx, name);
    if (node !== undefined && this.permits(client, node, access)) return node;
    // A client that may not even read the nearest parent learns nothing about the node.
    if (!this.#parentsPermit(client, tx, name, access) || node !== undefined) fail('EACCES');
    return undefined;
  }

  read(tx: Tx, name: string): Node | undefined {
    this.work.units += 1 + (name.length >>> 6);
    return tx === undefined ? this.live.get(name) : tx.read(name);
  }

  permits(client: Client, node: Node, access: Access): boolean {
    return client.domid === 0 || this.domains.permits(client, node.permissions, node.since, access);
  }

  write(client: Client, tx: Tx, name: string, value: string): void {
    const existing = this.find(client, tx, name, 'write');
    if (existing === undefined) {
      this.#create(client, tx, name, value);
    } else {
      this.checks.size(client, tx, existing.permissions.length, value.length, existing.childBytes);
      this.checks.memory(client, tx, existing.permissions[0]!.domid, value.length - existing.value.length);
      const before = existing.value;
      const valueTo = (next: string) => (node: Node) => {
        node.value = next;
      };
      this.#change(tx, name, valueTo(value), valueTo(before));
      if (tx === undefined) this.journaled.journal?.set(name, value, existing.permissions);
    }
    this.fire(tx, name, false);
  }

  mkdir(client: Client, tx: Tx, name: string): void {
    if (this.find(client, tx, name, 'write') !== undefined) return;
    this.#create(client, tx, name, '');
    this.fire(tx, name, false);
  }

  rm(client: Client, tx: Tx, name: string): void {
    if (this.find(client, tx, name, 'write') === undefined) {
      if (this.read(tx, parentOf(name)) === undefined) fail('ENOENT');
      return;
    }
    if (name === '/') fail('EINVAL');
    this.remove(tx, name);
  }

  setPermissions(client: Client, tx: Tx, name: string, permissions: Permissions): void {
    const node = this.find(client, tx, name, 'write') ?? fail('ENOENT');
    if (!this.domains.isOwner(client, node.permissions)) {
      // Looked at as for any other right that is missing; a transaction has then touched it.
      this.#parentsPermit(client, tx, name, 'write');
      fail('EACCES');
    }
    if (client.domid !== 0 && permissions[0]!.domid !== node.permissions[0]!.domid) fail('EPERM');
    this.checks.size(client, tx, permissions.length, node.value.length, node.childBytes);
    const before = node.permissions;
    const { since } = node;
    this.checks.owner(client, tx, name, node, permissions);
    this.#count(tx, before[0]!.domid, -1);
    this.#count(tx, permissions[0]!.domid, 1);
    this.#change(
      tx,
      name,
      (changed) => Object.assign(changed, { permissions, since: this.generation }),
      (changed) => Object.assign(changed, { permissions: before, since }),
    );
    if (tx === undefined) this.journaled.journal?.set(name, node.value, permissions);
    this.fire(tx, name, false, { permissions: before, since });
  }

  /** Removes a node that exists, with all below it, children first. */
  remove(tx: Tx, name: string): void {
    const parentName = parentOf(name);
    if (this.read(tx, parentName) === undefined) fail('EINVAL');
    this.#removeBelow(tx, name, name);
    // A transaction may have made the parent itself, and see below it what others made meanwhile:
    // it cannot be committed then.
    if (!this.read(tx, parentName)!.children?.has(lastPart(name))) fail('EIO');
    const child = lastPart(name);
    this.#change(
      tx,
      parentName,
      (parent) => removeChild(parent, child),
      (parent) => addChild(parent, child),
    );
  }

  /** @throws StoreFailure EAGAIN, ENOMEM, ENOSPC; nothing is changed then */
  commit(client: Client, tx: Transaction): void {
    if (tx.failed) fail('ENOMEM');
    for (const domid of tx.counts.keys()) {
      // What the transaction made for a domain must not go to the next one of that number
      // (XSA-417).
      if (this.domains.releases.goneSince(domid, tx.start.releases)) fail('ENOMEM');
      // A domain released meanwhile may own nodes again only while the hypervisor knows it.
      this.domains.refer([{ domid, access: 'n' }], this.generation);
      if (this.domains.find(domid) === undefined) fail('ENOMEM');
    }
    if (client.domid !== 0 && tx.created) {
      for (const [domid, delta] of tx.counts) {
        if (domid !== 0 && (this.domains.find(domid)?.nodes ?? 0) + delta >= this.checks.quota.nodes) fail('ENOSPC');
      }
    }
    if (tx.conflicts()) fail('EAGAIN');
    this.work.units += NODE_UNITS * tx.accessed.size;
    // Counts first, so that the invariants hold when events are delivered.
    for (const [domid, delta] of tx.counts) this.#count(undefined, domid, delta);
    for (const [name, access] of tx.accessed) {
      if (!access.modified) continue;
      const replaced = this.live.get(name);
      if (access.node !== undefined) {
        access.node.generation = ++this.generation;
        this.#replace(name, replaced, access.node);
        this.journaled.journal?.set(name, access.node.value, access.node.permissions);
      } else if (replaced !== undefined) {
        this.#replace(name, replaced, undefined);
        this.journaled.journal?.remove(name);
      }
      if (access.fire !== 'no') {
        const before = access.permissions === undefined ? undefined : { permissions: access.permissions, since: this.generation };
        this.fire(undefined, name, access.fire === 'exact', before);
      }
    }
  }

  /** Announces a change, or queues the announcement for the commit. */
  fire(tx: Tx, name: string, exact: boolean, before?: Before, removed?: Node): void {
    if (tx !== undefined) tx.queue(name, exact);
    else this.announcer.fire(name, exact, before, removed);
  }

  fireSpecial(name: '@introduceDomain' | '@releaseDomain'): void {
    // A release takes the entries of its domain out of these permissions: all that are left count.
    this.announcer.fireSpecial(name, { permissions: this.special.get(name)!, since: Number.POSITIVE_INFINITY });
  }

  /** Removes what a domain owned, as its release does. */
  removeOwnedBy(domid: number): void {
    const domain = this.domains.find(domid)!;
    const visit = (name: string): void => {
      if (domain.nodes <= 0) return;
      const node = this.live.get(name);
      if (node === undefined) return;
      if (node.permissions[0]!.domid === domid && name !== '/') {
        this.remove(undefined, name);
        return;
      }
      if (node.children !== undefined) for (const child of [...node.children.keys()]) visit(childOf(name, child));
    };
    const root = this.live.get('/')!;
    if (root.permissions[0]!.domid === domid) {
      // The root cannot go: it falls back to domain 0.
      const before = root.permissions;
      const permissions: Permissions = [{ domid: 0, access: before[0]!.access }, ...before.slice(1)];
      this.#count(undefined, domid, -1);
      this.#count(undefined, 0, 1);
      const permissionsTo = (next: Permissions) => (node: Node) => {
        node.permissions = next;
      };
      this.#change(undefined, '/', permissionsTo(permissions), permissionsTo(before));
      this.journaled.journal?.set('/', root.value, permissions);
    }
    visit('/');
    this.#removeSpecialEntries(domid);
  }

  #removeSpecialEntries(domid: number): void {
    for (const [event, permissions] of this.special) {
      const remaining = permissions.filter((entry, at) => at === 0 || entry.domid !== domid);
      if (remaining[0]!.domid === domid) remaining[0] = { domid: 0, access: remaining[0]!.access };
      if (remaining.length !== permissions.length || remaining[0] !== permissions[0]) {
        this.special.set(event, remaining);
        this.journaled.journal?.set(event, '', remaining);
      }
    }
  }

  absolute(client: Client, name: string): string {
    return canonical(name, client.home);
  }

  /**
   * Changes the live node, or the transaction's copy, in place; who is charged for it is charged
   * for what it is then.
   */
  #change(tx: Tx, name: string, how: (node: Node) => void, back: (node: Node) => void): void {
    const generation = ++this.generation;
    if (tx !== undefined) {
      const copy = tx.change(name, generation);
      const before = nodeBytes(name, copy);
      how(copy);
      tx.charge(nodeBytes(name, copy) - before);
      return;
    }
    this.liveChanges++;
    let node = this.live.get(name)!;
    if (node.held) {
      node = copyOf(node);
      this.live.set(name, node);
    }
    const before = node.generation;
    node.generation = generation;
    this.#recharge(name, node, how);
    this.journaled.undo?.note(() => {
      const changed = this.live.get(name)!;
      changed.generation = before;
      this.#recharge(name, changed, back);
    });
  }

  #recharge(name: string, node: Node, how: (node: Node) => void): void {
    this.domains.charge(node.permissions[0]!.domid, -nodeBytes(name, node));
    how(node);
    this.domains.charge(node.permissions[0]!.domid, nodeBytes(name, node));
  }

  /** Puts another object, or none, in the place of a live node, and charges the owners. */
  #replace(name: string, before: Node | undefined, after: Node | undefined): void {
    if (before !== undefined) this.domains.charge(before.permissions[0]!.domid, -nodeBytes(name, before));
    if (after === undefined) {
      this.live.delete(name);
    } else {
      this.domains.charge(after.permissions[0]!.domid, nodeBytes(name, after));
      this.live.set(name, after);
    }
    this.journaled.undo?.note(() => this.#replace(name, after, before));
  }

  /**
   * Makes the node and its missing parents, as their parent's permissions say; who may write was
   * checked.
   */
  #create(client: Client, tx: Tx, name: string, value: string): void {
    const missing = [name];
    let parentName = parentOf(name);
    let parent = this.read(tx, parentName);
    while (parent === undefined) {
      missing.push(parentName);
      parentName = parentOf(parentName);
      parent = this.read(tx, parentName);
    }
    if (tx !== undefined) tx.created = true;
    const [first, ...others] = parent.permissions;
    const own = client.domid !== 0 && first!.domid !== client.domid;
    const permissions = own ? [{ domid: client.domid, access: first!.access }, ...others] : parent.permissions;
    this.checks.creation(client, tx, missing, parent, permissions, value);
    const { since } = parent;
    for (let at = 0; at < missing.length; at++) {
      const path = missing[at]!;
      this.work.units += NODE_UNITS;
      const node = newNode(at === 0 ? value : '', permissions, since, ++this.generation);
      if (at > 0) addChild(node, lastPart(missing[at - 1]!));
      if (tx === undefined) {
        this.liveChanges++;
        this.#replace(path, undefined, node);
      } else {
        tx.create(path, node);
      }
      this.#count(tx, permissions[0]!.domid, 1);
    }
    const child = lastPart(missing.at(-1)!);
    this.#change(
      tx,
      parentName,
      (node) => addChild(node, child),
      (node) => removeChild(node, child),
    );
    if (tx === undefined && this.journaled.journal !== undefined) {
      for (const path of missing.slice().reverse()) this.journaled.journal.set(path, this.live.get(path)!.value, permissions);
    }
  }

  #removeBelow(tx: Tx, name: string, top: string): void {
    let node: Node | undefined;
    try {
      node = this.read(tx, name);
    } catch (error) {
      // Past the transaction's limit of nodes, below the one that the request names.
      if (!(error instanceof StoreFailure)) throw error;
    }
    // In a transaction a parent may have been seen before a child of it went: it cannot be
    // committed then.
    if (node === undefined) fail('EIO');
    if (node.children !== undefined) for (const child of [...node.children.keys()]) this.#removeBelow(tx, childOf(name, child), top);
    this.generation++;
    this.work.units += NODE_UNITS;
    if (tx === undefined) {
      this.liveChanges++;
      this.#replace(name, node, undefined);
      this.journaled.journal?.remove(name);
    } else {
      tx.remove(name);
    }
    this.fire(tx, name, name !== top, undefined, node);
    this.#count(tx, node.permissions[0]!.domid, -1);
  }

  #count(tx: Tx, domid: number, delta: number): void {
    if (tx !== undefined) {
      tx.count(domid, delta);
      return;
    }
    this.domains.count(domid, delta);
    this.journaled.undo?.note(() => this.domains.count(domid, -delta));
  }

  /** What the nearest parent that exists allows. */
  #parentsPermit(client: Client, tx: Tx, name: string, access: Access): boolean {
    const parent = nearestParent((path) => this.read(tx, path), name, tx === undefined);
    return parent !== undefined && this.permits(client, parent, access);
  }
}
