// The C daemon's memory accounting of a domain: its nodes, its watches, and nodes that its
// transactions have touched. Sources: tools/xenstore/xenstored_core.c do_tdb_write,
// xenstored_domain.c domain_memory_add (Xen 4.17); the sums equal those of the daemon itself
// (CONTROL quota DOMID).
import type { Watch } from '../client-state.js';
import type { Node } from './nodes.js';

/** Bytes of a node's record beside its value, names and permissions (struct xs_tdb_record_hdr). */
const RECORD_BYTES = 24;
const PERMISSION_BYTES = 8;

/** The record alone, as the quota on a node's size counts it. */
export function recordBytes(permissions: number, valueBytes: number, childBytes: number): number {
  return RECORD_BYTES + permissions * PERMISSION_BYTES + valueBytes + childBytes;
}

/** Record and key. */
export function nodeBytes(name: string, { permissions, value, childBytes }: Node): number {
  return recordBytes(permissions.length, value.length, childBytes) + name.length;
}

export function watchBytes({ path, token }: Pick<Watch, 'path' | 'token'>): number {
  return path.length + token.length;
}
