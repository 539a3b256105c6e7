// DIRECTORY_PART of the C daemon: a directory too long for one message, piece by piece.
// Source: tools/xenstore/xenstored_core.c send_directory_part (Xen 4.17).

import { PAYLOAD_MAX_BYTES, type Request } from '../../protocol/wire.js';
import { fail } from '../failure.js';
import { listingOf } from './nodes.js';
import { intOf } from './numbers.js';
import { text } from './requests.js';
import type { Client, Store } from './store.js';
import type { Transaction } from './transaction.js';

/**
 * generation, then names from a byte offset as far as they fit, then an empty name when the last
 * one is among them.
 */
export function directoryPart(store: Store, client: Client, tx: Transaction | undefined, request: Request): string {
  const strings = text(request).split('\0');
  if (strings.length !== 3) fail('EINVAL');
  const node = store.find(client, tx, store.absolute(client, strings[0]!), 'read') ?? fail('ENOENT');
  const generation = `${node.generation}\0`;
  const names = listingOf(node);
  const offset = intOf(strings[1]!) >>> 0;
  if (offset >= names.length) return `${generation}\0`;
  const room = PAYLOAD_MAX_BYTES - generation.length - 1;
  let length = 0;
  while (offset + length < names.length) {
    const next = names.indexOf('\0', offset + length) + 1 - offset;
    if (next > room) break;
    length = next;
  }
  return `${generation}${names.slice(offset, offset + length)}${offset + length === names.length ? '\0' : ''}`;
}
