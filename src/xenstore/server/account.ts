// A domain's use of the server's memory, over all its connections.

export interface Account {
  /** Bytes of replies and events that wait. */
  waitingBytes: number;
  /** Replies of connections that were behind when they were last sent to. */
  waitingReplies: number;
  /** Bytes of requests that are not answered. */
  unansweredBytes: number;
  /** Work for its requests that its turns have not paid for yet; domain 0 has no limit. */
  units: number;
  /** Its last turn. */
  turn: number;
}

export function newAccount(): Account {
  return { waitingBytes: 0, waitingReplies: 0, unansweredBytes: 0, units: 0, turn: 0 };
}
