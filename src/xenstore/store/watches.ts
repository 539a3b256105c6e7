// Watches by path, to find those that a change concerns. Sources: tools/xenstore/xenstored_watch.c
// fire_watches, tools/ocaml/xenstored/connections.ml fire_watches (Xen 4.17).
import { type ClientState, type Watch, watchKey } from './client-state.js';
import type { Work } from './work.js';

export class WatchIndex {
  readonly #byPath = new Map<string, Watch[]>();
  /**
   * How many watched paths there are of each length: only prefixes of such a length are looked up.
   */
  readonly #lengths = new Map<number, number>();
  readonly #work: Work;
  #count = 0;

  constructor(work: Work) {
    this.#work = work;
  }

  get size(): number {
    return this.#count;
  }

  add(watch: Watch): void {
    const list = this.#byPath.get(watch.path);
    if (list === undefined) {
      this.#byPath.set(watch.path, [watch]);
      this.#lengths.set(watch.path.length, (this.#lengths.get(watch.path.length) ?? 0) + 1);
    } else {
      list.push(watch);
    }
    this.#count++;
  }

  /** Gives a client back the watches that it had, in the order of registration among all. */
  restore(client: ClientState, watches: readonly Omit<Watch, 'client'>[]): void {
    for (const dumped of watches) {
      const watch: Watch = { ...dumped, client };
      client.watches.set(watchKey(watch.path, watch.token), watch);
      this.add(watch);
      (this.#byPath.get(watch.path) as Watch[]).sort((a, b) => a.order - b.order);
    }
  }

  delete(watch: Watch): void {
    const list = this.#byPath.get(watch.path);
    const at = list?.indexOf(watch) ?? -1;
    if (list === undefined || at < 0) return;
    this.#count--;
    if (list.length > 1) {
      list.splice(at, 1);
      return;
    }
    this.#byPath.delete(watch.path);
    const left = this.#lengths.get(watch.path.length)! - 1;
    if (left === 0) this.#lengths.delete(watch.path.length);
    else this.#lengths.set(watch.path.length, left);
  }

  /** The watches at exactly this path, oldest first. */
  at(path: string): readonly Watch[] {
    return this.#byPath.get(path) ?? [];
  }

  /** The lists of watches at a path and above it, from the root down, each oldest first. */
  above(path: string): readonly (readonly Watch[])[] {
    if (this.#count === 0) return [];
    const found = this.#above(path);
    this.#work.units += 1 + (path.length >>> 6);
    for (const watches of found) this.#work.units += 2 * watches.length;
    return found;
  }

  #above(path: string): Watch[][] {
    const found: Watch[][] = [];
    const root = this.#byPath.get('/');
    if (root !== undefined) found.push(root);
    if (this.#lengths.size < 16) {
      // Few lengths: look only at those, then put them in order.
      for (const length of this.#lengths.keys()) {
        if (length < 2 || length > path.length) continue;
        if (length < path.length && path.charCodeAt(length) !== SLASH) continue;
        const list = this.#byPath.get(length === path.length ? path : path.slice(0, length));
        if (list !== undefined) found.push(list);
      }
      if (found.length > 1) found.sort((a, b) => a[0]!.path.length - b[0]!.path.length);
      return found;
    }
    for (let at = path.indexOf('/', 1); ; at = path.indexOf('/', at + 1)) {
      const length = at < 0 ? path.length : at;
      if (length > 1 && this.#lengths.has(length)) {
        const list = this.#byPath.get(at < 0 ? path : path.slice(0, at));
        if (list !== undefined) found.push(list);
      }
      if (at < 0) return found;
    }
  }

  /** The lists of watches below a path, parents before children, names in order. */
  below(path: string): readonly (readonly Watch[])[] {
    if (this.#count === 0) return [];
    const prefix = path === '/' ? '/' : `${path}/`;
    const paths: string[][] = [];
    this.#work.units += this.#byPath.size >>> 3;
    for (const watched of this.#byPath.keys()) {
      if (watched.length > prefix.length && watched.startsWith(prefix)) paths.push(watched.split('/'));
    }
    const found = paths.sort(byNames).map((names) => this.#byPath.get(names.join('/'))!);
    for (const watches of found) this.#work.units += 2 * watches.length;
    return found;
  }

  /** All watched paths with their watches, for checks of the whole index. */
  entries(): IterableIterator<[string, readonly Watch[]]> {
    return this.#byPath.entries();
  }
}

const SLASH = 0x2f;

/** Name by name, so that a parent and all below it come before its next sibling. */
function byNames(a: readonly string[], b: readonly string[]): number {
  for (let level = 0; level < a.length && level < b.length; level++) {
    if (a[level]! < b[level]!) return -1;
    if (a[level]! > b[level]!) return 1;
  }
  return a.length - b.length;
}
