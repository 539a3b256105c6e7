// The interface of every conformance kind: replay a recorded case and compare.

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Plays the lines of one kind in order; a player may keep state from line to line (libxl does). */
export interface ConformancePlayer {
  /**
   * Reads a line before any is played, if lines affect each other. A kind with this method is read
   * whole before its first line is played; the lines of other kinds are played as they come.
   */
  survey?(line: JsonObject): void;
  /**
   * The same line with this project's answers in place of the recorded ones, which are ignored.
   * @throws InputError when the line is not of the kind's format
   */
  play(line: JsonObject): JsonObject | Promise<JsonObject>;
  /**
   * Plays the line and compares with its recorded answers: one sentence for each difference, [] if
   * all agree.
   * @throws InputError as play
   */
  check(line: JsonObject): string[] | Promise<string[]>;
  /** Releases the player's resources; called once, after the last line. */
  close?(): void | Promise<void>;
}
