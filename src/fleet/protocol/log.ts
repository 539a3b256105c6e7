// The store of the fleet as the protocol needs it: one log for all hosts that every reader sees in
// the same order. It keeps the last entry of each subject. Implementations: NATS JetStream
// (../store), and a log in memory with faults (../simulated).

export interface LogEntry {
  /** Place in the log; ascending, never used again. */
  readonly place: number;
  readonly subject: string;
  /** Empty = something on this subject that no member of the fleet has written there. */
  readonly text: string;
}

/** Entries for a reader of the whole log, in the order of the log. */
export interface WatchedEntry extends LogEntry {
  /** Entries that were still to come when this one was read. */
  readonly pending: number;
}

export interface LogReader {
  entry(entry: WatchedEntry): void;
  /** At the beginning of a log, when it has no entries. */
  caughtUp(): void;
  /** The log is another one, or has lost entries that were read: it is read from its beginning. */
  restarted(): void;
  /** The log is gone. It is read when it is there again. */
  missing?(): void;
}

export interface FleetLog {
  /** Without an answer: what became of it shows in the log only. */
  send(subject: string, text: string): void;
  /** @returns its place. Rejects when the outcome is unknown: it may be stored later. */
  store(subject: string, text: string): Promise<number>;
  /** All entries that are kept, then all new ones. */
  watch(reader: LogReader): Promise<{ stop(): Promise<void> }>;
  /**
   * Forgets the claims on a host, and their deletions, up to that place. Safe for what the host's
   * map says is settled: a reader that missed a deletion learns it from the map.
   */
  purgeClaims(host: string, upTo: number): Promise<void>;
  /** The first entry after that place whose subject matches; null = none yet. */
  next(pattern: string, after: number): Promise<LogEntry | null>;
  /** Place of the entry on that subject; null = none. */
  placeOf(subject: string): Promise<number | null>;
}
