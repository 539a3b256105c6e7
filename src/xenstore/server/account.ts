// A domain's use of the server's memory, over all its connections.

export interface Account {
  /** Bytes of replies and events that wait. */
  waitingBytes: number;
  /** Replies of connections that were behind when they were last sent to. */
  waitingReplies: number;
  /** Bytes of requests that are not answered. */
  unansweredBytes: number;
}
