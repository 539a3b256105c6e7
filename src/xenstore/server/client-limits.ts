// How much one client may keep of the server's memory and time.

export interface ServerLimits {
  /** Connections of one door; more are closed as they come. */
  readonly connections: number;
  /** Bytes of replies that wait for a client before it is not listened to until it reads; of a guest, its quota counts as well. */
  readonly waitingReplyBytes: number;
  /** Bytes that wait for a client altogether. Events come whether it reads or not: past this it is cut off, for it would miss some. */
  readonly waitingBytes: number;
  /** Read from one client in one turn. */
  readonly turnBytes: number;
}

export const SERVER_LIMITS: ServerLimits = {
  connections: 16_384,
  waitingReplyBytes: 256 * 1024,
  waitingBytes: 4 * 1024 * 1024,
  turnBytes: 64 * 1024,
};
