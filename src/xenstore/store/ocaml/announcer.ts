// The watchers of a change, and the path that each gets. Sources:
// tools/ocaml/xenstored/connections.ml fire_watches, fire_spec_watches; connection.ml fire_watch
// (Xen 4.17).

import type { Permissions } from '../../protocol/permissions.js';
import { PAYLOAD_MAX_BYTES } from '../../protocol/wire.js';
import type { ClientState, Watch } from '../client-state.js';
import type { Journaled } from '../journaled.js';
import type { WatchIndex } from '../watches.js';
import { type Parts, split, textOf } from './paths.js';
import { permits } from './permits.js';
import type { Change } from './transaction.js';
import { find, type Node } from './tree.js';

export class Announcer {
  readonly #index: WatchIndex;
  readonly #journaled: Journaled;

  constructor(index: WatchIndex, journaled: Journaled) {
    this.#index = index;
    this.#journaled = journaled;
  }

  /**
   * From the root down, on one path the newest watch first; a removal then all watches below, each
   * with its own path.
   */
  tell(changes: readonly Change[], before: Node, after: Node): void {
    if (this.#index.size === 0) return;
    for (const { kind, parts } of changes) {
      const path = textOf(parts);
      // The permissions of a removed node are those that it had.
      let roots = [after];
      if (kind === 'rm') roots = [before];
      else if (kind === 'setPermissions') roots = [before, after];
      const special = isSpecial(parts);
      for (const watches of special ? [this.#index.at('/')] : this.#index.above(path)) {
        for (let at = watches.length - 1; at >= 0; at--) {
          const watch = watches[at]!;
          if (mayHear(watch.client, parts, roots)) this.send(watch, path.slice(watch.hidden));
        }
      }
      if (kind !== 'rm' || special) continue;
      for (const watches of this.#index.below(path)) {
        const own = split(watches[0]!.path);
        for (let at = watches.length - 1; at >= 0; at--) {
          const watch = watches[at]!;
          if (mayHear(watch.client, own, roots)) this.send(watch, watch.path.slice(watch.hidden));
        }
      }
    }
  }

  tellSpecial(name: '@introduceDomain' | '@releaseDomain', root: Node, clients: Iterable<ClientState>): void {
    const watches = this.#index.at(name);
    if (watches.length === 0) return;
    for (const client of clients) {
      if (!mayHear(client, [name], [root])) continue;
      for (let at = watches.length - 1; at >= 0; at--) if (watches[at]!.client === client) this.send(watches[at]!, name);
    }
  }

  send(watch: Watch, path: string): void {
    if (watch.client.domid !== 0 && path.length + watch.token.length + 2 > PAYLOAD_MAX_BYTES) return;
    this.#journaled.event(watch, path);
  }
}

/**
 * The node or its parent must be readable in one of the trees; the root has no parent, and nobody
 * hears of it.
 */
function mayHear(client: ClientState, parts: Parts, roots: readonly Node[]): boolean {
  if (parts.length === 0) return false;
  // The daemon looks the node up by the event's text, where "@a/b" is a node below "@a".
  if (isSpecial(parts)) return mayHear(client, parts[0]!.split('/'), roots);
  return roots.some((root) => {
    const parent = find(root, parts, parts.length - 1);
    if (parent === undefined) return false;
    const readable = (permissions: Permissions | undefined): boolean => permissions !== undefined && permits(client, permissions, 'read');
    return readable(parent.permissions) || readable(parent.children?.get(parts.at(-1)!)?.permissions);
  });
}

/** One node of the root whose name has a slash, such as "@a/b". */
function isSpecial(parts: Parts): boolean {
  return parts.length === 1 && parts[0]!.includes('/');
}
