// Delivery of watch events: the watches that a change concerns, and the watchers that may read it.
// Sources: tools/xenstore/xenstored_watch.c fire_watches, add_event; xenstored_domain.c
// fire_special_watches (Xen 4.17).

import type { Access } from '../../protocol/permissions.js';
import { PAYLOAD_MAX_BYTES } from '../../protocol/wire.js';
import type { ClientState, Watch } from '../client-state.js';
import type { Journaled } from '../journaled.js';
import type { WatchIndex } from '../watches.js';
import type { Domains } from './domains.js';
import { parentOf } from './names.js';
import type { Node } from './nodes.js';

/** Permissions of a node before the change that is announced. */
export type Before = Pick<Node, 'permissions' | 'since'>;

export class Announcer {
  /** Number of the request that is being answered. */
  request = 1;
  readonly #live: ReadonlyMap<string, Node>;
  readonly #index: WatchIndex;
  readonly #domains: Domains;
  readonly #journaled: Journaled;

  constructor(live: ReadonlyMap<string, Node>, index: WatchIndex, domains: Domains, journaled: Journaled) {
    this.#journaled = journaled;
    this.#live = live;
    this.#index = index;
    this.#domains = domains;
  }

  /** Announces a change of the live store; `exact`: to the watches at the node itself only. */
  fire(name: string, exact: boolean, before?: Before, removed?: Node): void {
    if (this.#index.size === 0) return;
    // A node that was created and removed in one transaction never existed for anyone else.
    if (before === undefined && removed === undefined && !this.#live.has(name)) return;
    const lists = exact ? [this.#index.at(name)] : this.#index.above(name);
    const watches = lists.length === 1 ? lists[0]! : lists.flat().sort((a, b) => a.order - b.order);
    for (const watch of watches) {
      if (watch.client.domid !== 0 && !this.#mayHear(watch.client, name, before, removed)) continue;
      this.send(watch, name);
    }
  }

  /**
   * Announces an introduction or a release to the watchers that the event's permissions let read.
   */
  fireSpecial(name: '@introduceDomain' | '@releaseDomain', { permissions, since }: Before): void {
    for (const watch of this.#index.at(name)) {
      if (this.#domains.permits(watch.client, permissions, since, 'read')) this.send(watch, name);
    }
  }

  /**
   * Sends one event. A second one that is equal, in the same request, is dropped: the daemon finds
   * the first in its queue.
   */
  send(watch: Watch, name: string): void {
    const path = watch.hidden === 0 ? name : name.slice(watch.hidden);
    if (path.length + watch.token.length + 2 > PAYLOAD_MAX_BYTES) return;
    if (!name.startsWith('@') && !watch.client.sentEvents.add(this.request, path, watch.token)) return;
    this.#journaled.event(watch, path);
  }

  /**
   * A watcher needs the right to read the node or its parent, after the change or before it
   * (XSA-115).
   */
  #mayHear(client: ClientState, name: string, before: Before | undefined, removed: Node | undefined): boolean {
    const permits = ({ permissions, since }: Before, access: Access): boolean => this.#domains.permits(client, permissions, since, access);
    if (before !== undefined && permits(before, 'read')) return true;
    const node = removed ?? this.#live.get(name);
    if (node === undefined) return false;
    if (permits(node, 'read')) return true;
    const parent = this.#live.get(parentOf(name));
    return parent !== undefined && permits(parent, 'read');
  }
}
