// Limits on clients' use of the server's memory, descriptors and time.

export interface ServerLimits {
  /** Connections of domain 0 together. */
  readonly connections: number;
  /** Connections of one guest. */
  readonly guestConnections: number;
  /** Connections of all guests together; the rest of the process's descriptors is for domain 0. */
  readonly allGuestConnections: number;
  /**
   * Bytes of replies that wait for a connection of domain 0, or for all connections of a guest;
   * requests are delayed beyond that.
   */
  readonly waitingReplyBytes: number;
  /**
   * Bytes that wait for one client altogether. Events come whether it reads or not: beyond this it
   * is disconnected.
   */
  readonly waitingBytes: number;
  /**
   * Bytes that wait for all connections of one guest, and requests of theirs that are not answered;
   * beyond this the connection with the most is disconnected.
   */
  readonly guestWaitingBytes: number;
  /** The same for domain 0. */
  readonly dom0WaitingBytes: number;
  /** Read in one turn from one connection of domain 0, or from all connections of a guest. */
  readonly turnBytes: number;
  /**
   * Work for a guest in one turn, in units of about a node that is looked up; a request that is
   * begun is finished, and its excess is taken from the next turns.
   */
  readonly turnUnits: number;
  /** The same for all guests together. Domain 0 goes before them in each turn. */
  readonly guestTurnUnits: number;
  /** Connections accepted at one socket in one turn. */
  readonly turnAccepts: number;
}

export const SERVER_LIMITS: ServerLimits = {
  connections: 16_384,
  guestConnections: 64,
  allGuestConnections: 8192,
  waitingReplyBytes: 256 * 1024,
  waitingBytes: 4 * 1024 * 1024,
  guestWaitingBytes: 4 * 1024 * 1024,
  dom0WaitingBytes: 64 * 1024 * 1024,
  turnBytes: 64 * 1024,
  turnUnits: 2000,
  guestTurnUnits: 8000,
  turnAccepts: 64,
};
