// The common interface of the two personalities for the server: requests in, replies and events to
// the clients' outboxes. No waiting and no sockets here.

import type { Permissions } from '../protocol/permissions.js';
import type { Outbox, Request } from '../protocol/wire.js';
import type { ClientState } from './client-state.js';
import type { Personality, StoreQuota } from './limits.js';
import type { Work } from './work.js';

export interface StoredNode {
  readonly path: string;
  /** latin1: one character a byte. */
  readonly value: string;
  readonly permissions: Permissions;
}

export interface EngineOptions {
  readonly quota?: Partial<StoreQuota>;
  /**
   * Whether the hypervisor knows a domain: the C daemon asks before it makes one an owner. All by
   * default.
   */
  readonly domainExists?: (domid: number) => boolean;
  /** Told of each change of the store that a restart must bring back, in order. */
  readonly journal?: Journal;
  readonly control?: ControlHooks;
  /** The time that limits on rates go by; this process's by default. */
  readonly nowMs?: () => number;
}

/** What CONTROL may ask of the process around the store. */
export interface ControlHooks {
  log?(on: boolean): void;
  print?(text: string): void;
  /** Live restart, once the reply is on its way. */
  restart?(): void;
}

/** Changes of the store, in the order in which they took effect. */
export interface Journal {
  /** The node now has this value and these permissions; its parents exist. */
  set(path: string, value: string, permissions: Permissions): void;
  /** The node is gone, with everything below it. */
  remove(path: string): void;
  introduce(domid: number, gfn: string, port: number): void;
  /** The domain is released, with all that a release removes. */
  release(domid: number): void;
  /**
   * Writes what was noted since the last call. @throws JournalFailure when the medium refuses;
   * nothing of it is kept then
   */
  write(): void;
  /** Forgets what was noted since the last `write`. */
  discard(): void;
}

export interface Engine {
  readonly personality: Personality;
  readonly quota: StoreQuota;
  /** What its requests cost so far. */
  readonly work: Work;
  connect(domid: number, out: Outbox): ClientState;
  /** Its watches and transactions go with it. */
  disconnect(client: ClientState): void;
  /** Answers one request; never throws because of what a client sent. */
  process(client: ClientState, request: Request): void;
  /**
   * Whether a client with so many bytes that wait for it is read from; one over its memory quota is
   * not, until it is below again.
   */
  listens(client: ClientState, waitingBytes: number): boolean;
  /** A domain has shut down, and is not released yet: told as a release is. */
  domainShutdown(): void;
  /** All nodes, parents before children, children in the daemon's own order. */
  nodes(from?: string): Generator<StoredNode>;
  /** How many nodes each domain owns. */
  nodesByOwner(): Map<number, number>;
  /** Permissions of @introduceDomain and @releaseDomain where they are no nodes. */
  specialPermissions(): ReadonlyMap<string, Permissions>;
  /** Domains introduced, without domain 0. */
  introducedDomains(): { readonly domid: number; readonly gfn: string; readonly port: number }[];
  /** The store as changes that lead a fresh engine to it. */
  snapshot(): Generator<JournalChange>;
  /** Puts a node in place as a journal tells it, without watches and checks. */
  restore(change: JournalChange): void;
  /** The store for a live restart, as structured data; `load` of a new engine takes it. */
  dump(): unknown;
  load(dumped: unknown): void;
  /** Watches and transactions of a client, to be dumped together with the store. */
  dumpClient(client: ClientState): unknown;
  loadClient(client: ClientState, dumped: unknown): void;
  /** @throws Error naming what does not hold: tree, counts, watch index */
  checkInvariants(): void;
  /** Called after each introduction or release, for servers that open a door for each domain. */
  onDomain: ((domid: number, introduced: boolean) => void) | undefined;
  /** Called when a guest is introduced again: its event channel may be another one. */
  onPort: ((domid: number) => void) | undefined;
}

export type JournalChange =
  | { readonly kind: 'set'; readonly path: string; readonly value: string; readonly permissions: Permissions }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'introduce'; readonly domid: number; readonly gfn: string; readonly port: number }
  | { readonly kind: 'release'; readonly domid: number };
