// A transaction as the C daemon keeps it: private versions of the nodes that it touched, and of each the generation that was
// seen, compared at the commit. Box of the chart: XenStore.
// Source: tools/xenstore/xenstored_transaction.c access_node, finalize_transaction (Xen 4.17).
import { textOf } from './path.js';
import type { Permissions } from './permissions.js';
import { nextGeneration, type StoreNode, type StoreView, type Tree } from './tree.js';

interface Touched {
  readonly parts: readonly string[];
  /** Generation when first seen; undefined when the node was absent. */
  readonly seen: number | undefined;
  node: StoreNode | undefined;
  modified: boolean;
}

const NOTHING: ReadonlyMap<string, unknown> = new Map();

export class OptimisticTransaction implements StoreView {
  private readonly live: Tree;
  private readonly touched = new Map<string, Touched>();
  private readonly counts = new Map<number, number>();

  constructor(live: Tree) {
    this.live = live;
  }

  find(parts: readonly string[], depth = parts.length): StoreNode | undefined {
    return this.touch(parts, depth).node;
  }

  setValue(parts: readonly string[], value: Uint8Array): void {
    this.change(parts, parts.length, { value });
  }

  setPermissions(parts: readonly string[], permissions: Permissions): void {
    this.count(this.find(parts)!.permissions[0]!.domid, -1);
    this.count(permissions[0]!.domid, 1);
    this.change(parts, parts.length, { permissions });
  }

  create(parts: readonly string[], permissions: Permissions, value: Uint8Array): void {
    const parent = this.find(parts, parts.length - 1)!;
    const children = new Map(parent.children).set(parts.at(-1)!, undefined);
    this.change(parts, parts.length - 1, { children });
    const touched = this.touch(parts, parts.length);
    touched.node = { value, permissions, children: NOTHING, generation: nextGeneration() };
    touched.modified = true;
    this.count(permissions[0]!.domid, 1);
  }

  remove(parts: readonly string[]): void {
    this.removeBelow(parts);
    const children = new Map(this.find(parts, parts.length - 1)!.children);
    children.delete(parts.at(-1)!);
    this.change(parts, parts.length - 1, { children });
  }

  owned(domid: number): number {
    return this.live.owned(domid) + (this.counts.get(domid) ?? 0);
  }

  /** False, and nothing changed, when a node that this transaction saw has changed since (EAGAIN). */
  commit(): boolean {
    for (const { parts, seen } of this.touched.values()) {
      if (this.live.find(parts)?.generation !== seen) return false;
    }
    for (const { parts, node, modified } of this.touched.values()) {
      if (!modified) continue;
      const existing = this.live.find(parts);
      // A child goes with its parent, so that it may be gone already when its own turn comes.
      if (node === undefined) {
        if (existing !== undefined) this.live.remove(parts);
      } else if (existing === undefined) {
        this.createWithParents(parts);
      } else {
        this.apply(parts, existing, node);
      }
    }
    return true;
  }

  /** A node made again after its parent was removed and made again may come before that parent. */
  private createWithParents(parts: readonly string[]): void {
    for (let depth = 1; depth <= parts.length; depth++) {
      if (this.live.find(parts, depth) !== undefined) continue;
      const node = this.touched.get(textOf(parts, depth))!.node!;
      this.live.create(parts.slice(0, depth), node.permissions, node.value);
    }
  }

  private apply(parts: readonly string[], existing: StoreNode, node: StoreNode): void {
    for (const name of [...existing.children.keys()]) {
      if (!node.children.has(name)) this.live.remove([...parts, name]);
    }
    if (node.permissions !== existing.permissions) this.live.setPermissions(parts, node.permissions);
    this.live.setValue(parts, node.value);
  }

  private removeBelow(parts: readonly string[]): void {
    const touched = this.touch(parts, parts.length);
    for (const name of touched.node!.children.keys()) this.removeBelow([...parts, name]);
    this.count(touched.node!.permissions[0]!.domid, -1);
    touched.node = undefined;
    touched.modified = true;
  }

  private change(parts: readonly string[], depth: number, changes: Partial<StoreNode>): void {
    const touched = this.touch(parts, depth);
    touched.node = { ...touched.node!, ...changes, generation: nextGeneration() };
    touched.modified = true;
  }

  private touch(parts: readonly string[], depth: number): Touched {
    const key = textOf(parts, depth);
    let touched = this.touched.get(key);
    if (touched === undefined) {
      const node = this.live.find(parts, depth);
      if (node !== undefined) this.live.freeze(node);
      touched = { parts: parts.slice(0, depth), seen: node?.generation, node, modified: false };
      this.touched.set(key, touched);
    }
    return touched;
  }

  private count(domid: number, delta: number): void {
    this.counts.set(domid, (this.counts.get(domid) ?? 0) + delta);
  }
}
