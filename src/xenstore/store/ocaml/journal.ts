// The changes of a committed transaction, for the journal.
import type { Journal } from '../engine.js';
import { plainText } from './paths.js';
import type { Transaction } from './transaction.js';
import { find, type Node } from './tree.js';

/**
 * Writes down the nodes as they are after the commit; missing parents were made without a change of
 * their own.
 */
export function journalChanges(journal: Journal, tx: Transaction, root: Node): void {
  let removedSome = false;
  for (const { kind, parts } of tx.changes) {
    if (kind === 'rm') {
      removedSome = true;
      journal.remove(plainText(parts));
      continue;
    }
    for (let depth = 0; depth <= parts.length; depth++) {
      if (depth < parts.length && !removedSome && find(tx.oldRoot, parts, depth) !== undefined) continue;
      const node = find(root, parts, depth);
      if (node !== undefined) journal.set(plainText(parts.slice(0, depth)), node.value, node.permissions);
    }
  }
}
