// Limits and quotas of the store, and the two real daemons it can answer as. Box of the chart: XenStore.
// Sources: xen/include/public/io/xs_wire.h (payload and path lengths), tools/xenstore/xenstored_core.c and
// tools/ocaml/xenstored/define.ml (quotas), both of Xen 4.17.
import type { Errno } from '../errors.js';

/** `xenstored` is the C daemon (default of plain Xen), `oxenstored` the OCaml one (XenServer, XCP-ng). */
export type Personality = 'xenstored' | 'oxenstored';

/** Errno as a daemon sends it. EQUOTA is oxenstored's own; clients do not know it and report EINVAL. */
export type StoreErrno = Errno | 'EQUOTA';

export const PAYLOAD_MAX_BYTES = 4096;
export const RELATIVE_PATH_MAX = 2048;

/** Longest absolute path. oxenstored refuses at 1024 what the protocol allows up to 3072. */
export const ABSOLUTE_PATH_MAX: Readonly<Record<Personality, number>> = { xenstored: 3072, oxenstored: 1024 };

/** What an unprivileged domain may use; dom0 is bound only where said. */
export interface StoreQuota {
  /** Nodes that a domain may own. */
  readonly nodes: number;
  readonly watches: number;
  /** Transactions open at once. */
  readonly transactions: number;
  /** C: value, children's names and permissions of one node together. oxenstored: the value alone, of dom0 as well. */
  readonly nodeSizeBytes: number;
  /** Entries in a node's permission list. */
  readonly permissions: number;
  /** Events that wait for one reader of this process's own connections; more than this closes the watch with an error. */
  readonly queuedEvents: number;
}

export const QUOTA: Readonly<Record<Personality, StoreQuota>> = {
  xenstored: { nodes: 1000, watches: 128, transactions: 10, nodeSizeBytes: 2048, permissions: 5, queuedEvents: 65_536 },
  oxenstored: { nodes: 1000, watches: 100, transactions: 10, nodeSizeBytes: 2048, permissions: 512, queuedEvents: 65_536 },
};
