// Watches by path: which of them does a change concern, and in which order do the daemons tell. Box of the chart: XenStore.
// Sources: tools/xenstore/xenstored_watch.c fire_watches, tools/ocaml/xenstored/connections.ml fire_watches (Xen 4.17).
import type { StoreConnection } from './store.js';

export interface Watch {
  readonly connection: StoreConnection;
  readonly path: string;
  readonly parts: readonly string[];
  readonly token: string;
  /** Length of the prefix that the watcher did not write and does not want to see: the domain path and '/', or 0. */
  readonly hidden: number;
  /** Rises with each registration. */
  readonly order: number;
}

interface Branch {
  readonly watches: Watch[];
  readonly children: Map<string, Branch>;
}

export class WatchIndex {
  private readonly root: Branch = { watches: [], children: new Map() };

  add(watch: Watch): void {
    let branch = this.root;
    for (const name of watch.parts) {
      let child = branch.children.get(name);
      if (child === undefined) {
        child = { watches: [], children: new Map() };
        branch.children.set(name, child);
      }
      branch = child;
    }
    branch.watches.push(watch);
  }

  delete(watch: Watch): void {
    this.prune(this.root, watch, 0);
  }

  /** The watches at a path and above it, from the root down. */
  above(parts: readonly string[]): Watch[][] {
    const found: Watch[][] = [];
    let branch: Branch | undefined = this.root;
    for (let level = 0; branch !== undefined; level++) {
      if (branch.watches.length > 0) found.push(branch.watches);
      if (level === parts.length) break;
      branch = branch.children.get(parts[level]!);
    }
    return found;
  }

  /** The watches below a path, parents before children, names in order. */
  below(parts: readonly string[]): Watch[][] {
    let branch: Branch | undefined = this.root;
    for (const name of parts) branch = branch?.children.get(name);
    const found: Watch[][] = [];
    const visit = (from: Branch): void => {
      for (const name of [...from.children.keys()].sort()) {
        const child = from.children.get(name)!;
        if (child.watches.length > 0) found.push(child.watches);
        visit(child);
      }
    };
    if (branch !== undefined) visit(branch);
    return found;
  }

  private prune(branch: Branch, watch: Watch, level: number): void {
    if (level === watch.parts.length) {
      const at = branch.watches.indexOf(watch);
      if (at >= 0) branch.watches.splice(at, 1);
      return;
    }
    const name = watch.parts[level]!;
    const child = branch.children.get(name);
    if (child === undefined) return;
    this.prune(child, watch, level + 1);
    if (child.watches.length === 0 && child.children.size === 0) branch.children.delete(name);
  }
}
