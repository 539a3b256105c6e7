// The invariant of the watch index: it has exactly the clients' watches.
import type { ClientState } from './client-state.js';
import type { WatchIndex } from './watches.js';

/** @throws Error naming what does not hold */
export function sameWatches(index: WatchIndex, clients: Iterable<ClientState>): void {
  let held = 0;
  for (const client of clients) {
    for (const watch of client.watches.values()) {
      held++;
      if (!index.at(watch.path).includes(watch)) throw new Error(`the index lacks a watch on ${watch.path}`);
    }
  }
  let listed = 0;
  for (const [path, watches] of index.entries()) {
    if (watches.length === 0) throw new Error(`the index keeps ${path} without a watch`);
    listed += watches.length;
  }
  if (held !== listed || held !== index.size) throw new Error(`${held} watches are held, ${listed} indexed, ${index.size} counted`);
}
