// The XenStore connection: the second of the two lowest doors. The in-process store and the client
// of a daemon share this interface, so that xenopsd and xenguest cannot tell them apart.

/** 0 = outside any transaction. */
export type TransactionId = number;

export interface WatchEvent {
  readonly path: string;
  readonly token: string;
}

export interface XenstoreWatch extends AsyncIterable<WatchEvent> {
  close(): Promise<void>;
}

/** Permission of one domain on a node: owner entry first (docs/misc/xenstore.txt, GET_PERMS). */
export interface XenstorePermission {
  readonly domid: number;
  readonly access: 'n' | 'r' | 'w' | 'b';
  /**
   * The number as oxenstored keeps it, where `domid` cannot hold it exactly (beyond 2^53): an id
   * that no domain has.
   */
  readonly exactDomid?: bigint;
}

/**
 * All calls reject with XenError (errno ENOENT, EACCES, EINVAL, EAGAIN, ENOSPC, ...). Values are
 * raw bytes; strings are UTF-8 of them.
 */
export interface XenstoreConnection {
  read(path: string, tx?: TransactionId): Promise<string>;
  readBytes(path: string, tx?: TransactionId): Promise<Uint8Array>;
  write(path: string, value: string | Uint8Array, tx?: TransactionId): Promise<void>;
  mkdir(path: string, tx?: TransactionId): Promise<void>;
  rm(path: string, tx?: TransactionId): Promise<void>;
  directory(path: string, tx?: TransactionId): Promise<string[]>;
  getPermissions(path: string, tx?: TransactionId): Promise<XenstorePermission[]>;
  setPermissions(path: string, permissions: readonly XenstorePermission[], tx?: TransactionId): Promise<void>;
  transactionStart(): Promise<TransactionId>;
  /** Rejects with EAGAIN when `commit` met a conflict. */
  transactionEnd(tx: TransactionId, commit: boolean): Promise<void>;
  /**
   * Runs `body` in a transaction and commits it, again on EAGAIN (at most 100 times); aborts it
   * when `body` throws.
   */
  transaction<T>(body: (tx: TransactionId) => Promise<T>): Promise<T>;
  watch(path: string, token: string): Promise<XenstoreWatch>;
  introduce(domid: number, gfn: bigint, eventChannel: number): Promise<void>;
  release(domid: number): Promise<void>;
  /** RESUME: the domain goes on after a suspend that was called off. */
  resume(domid: number): Promise<void>;
  isIntroduced(domid: number): Promise<boolean>;
  domainPath(domid: number): Promise<string>;
  close(): Promise<void>;
}
