// The XenStore of this process as one would start a daemon: connections of any domain, and a listing for people and tests.
// Box of the chart: XenStore.
import type { XenstoreConnection, XenstorePermission } from './connection.js';
import { LocalConnection } from './local-connection.js';
import { parsePath, textOf } from './path.js';
import { Store, type StoreOptions } from './store.js';
import type { TreeNode } from './tree.js';

/** One line of a listing. */
export interface ListedNode {
  readonly path: string;
  /** UTF-8 of the value's bytes. */
  readonly value: string;
  readonly permissions: readonly XenstorePermission[];
}

export class XenstoreDaemon {
  readonly store: Store;

  constructor(options: StoreOptions) {
    this.store = new Store(options);
  }

  /** A connection as the domain has it; relative paths start at /local/domain/N. Domain 0 is privileged. */
  connect(domid: number): XenstoreConnection {
    return new LocalConnection(this.store, domid);
  }

  /**
   * The node and all below it, parents before children, as `xenstore-ls -f` shows them; [] when it is absent.
   * @throws StoreFailure EINVAL for an invalid path
   */
  list(path = '/'): ListedNode[] {
    const { parts } = parsePath(path, '/local/domain/0', this.store.personality);
    const listed: ListedNode[] = [];
    const sorted = this.store.personality === 'oxenstored';
    const visit = (node: TreeNode, at: readonly string[]): void => {
      listed.push({ path: textOf(at), value: Buffer.from(node.value).toString('utf8'), permissions: node.permissions });
      const names = [...node.children.keys()];
      for (const name of sorted ? names.sort() : names) visit(node.children.get(name)!, [...at, name]);
    };
    const top = this.store.live.find(parts);
    if (top !== undefined) visit(top, parts);
    return listed;
  }

  /** How many nodes each domain owns. */
  nodesByOwner(): Map<number, number> {
    return this.store.live.owners();
  }
}

export function createXenstore(options: StoreOptions): XenstoreDaemon {
  return new XenstoreDaemon(options);
}
