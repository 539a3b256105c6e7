// Limits and quotas of the store, and the two real daemons it can answer as. Sources:
// xen/include/public/io/xs_wire.h (payload and path lengths),
// tools/xenstore/xenstored_core.c:105-114 and tools/ocaml/xenstored/{define,quota}.ml (quotas), all
// of Xen 4.17.
import type { Errno } from '../../base/errors.js';

/**
 * `xenstored` is the C daemon (default of plain Xen), `oxenstored` the OCaml one (XenServer,
 * XCP-ng).
 */
export type Personality = 'xenstored' | 'oxenstored';

/**
 * Errno as a daemon sends it. EQUOTA is oxenstored's own; clients do not know it and report EINVAL.
 */
export type StoreErrno = Errno | 'EQUOTA';

/** What an unprivileged domain may use; dom0 is bound only where said. */
export interface StoreQuota {
  /** Nodes that a domain may own. */
  readonly nodes: number;
  readonly watches: number;
  /** Transactions open at once; both daemons refuse only when MORE than this many are open. */
  readonly transactions: number;
  /**
   * C: value, children's names and permissions of one node together. oxenstored: the value alone,
   * of dom0 as well.
   */
  readonly nodeSizeBytes: number;
  /** Entries in a node's permission list (C only). */
  readonly permissions: number;
  /** C: nodes that one transaction may touch. oxenstored: requests in one transaction. */
  readonly transactionNodes: number;
  /** Longest path, without the "/local/domain/N/" that it may start with. */
  readonly pathBytes: number;
  /** Replies that a domain has not read yet. At this number its requests are delayed. */
  readonly outstanding: number;
  /**
   * C: nodes, watches, transactions and waiting bytes of a domain together; its requests are
   * delayed from here on. oxenstored: none.
   */
  readonly memoryBytes: number;
}

export const QUOTA: Readonly<Record<Personality, StoreQuota>> = {
  xenstored: {
    nodes: 1000,
    watches: 128,
    transactions: 10,
    nodeSizeBytes: 2048,
    permissions: 5,
    transactionNodes: 1024,
    pathBytes: 2048,
    outstanding: 20,
    memoryBytes: 2_621_440,
  },
  oxenstored: {
    nodes: 1000,
    watches: 100,
    transactions: 10,
    nodeSizeBytes: 2048,
    permissions: Number.POSITIVE_INFINITY,
    transactionNodes: 1024,
    pathBytes: 1024,
    outstanding: 1024,
    memoryBytes: Number.POSITIVE_INFINITY,
  },
};

/** As the C daemon's options and its CONTROL command name them. */
export const QUOTA_NAMES: ReadonlyMap<string, keyof StoreQuota> = new Map([
  ['nodes', 'nodes'],
  ['watches', 'watches'],
  ['transactions', 'transactions'],
  ['outstanding', 'outstanding'],
  ['transaction-nodes', 'transactionNodes'],
  ['memory', 'memoryBytes'],
  ['node-size', 'nodeSizeBytes'],
  ['path-max', 'pathBytes'],
  ['permissions', 'permissions'],
]);
