// What every conformance kind offers: play a recorded case again and compare.

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Plays the lines of one kind in order; a player may keep state from line to line (libxl does). */
export interface ConformancePlayer {
  /**
   * Looks at a line before any is played, for what one line does to another. A kind that has it is
   * read whole before its first line is played; the others are played as they come.
   */
  survey?(line: JsonObject): void;
  /**
   * The same line with this project's answers in the place of the recorded ones, which are not
   * looked at.
   * @throws InputError when the line is not of the kind's format
   */
  play(line: JsonObject): JsonObject | Promise<JsonObject>;
  /**
   * Plays the line and compares with its recorded answers: one sentence a difference, [] when all
   * agree.
   * @throws InputError as play
   */
  check(line: JsonObject): string[] | Promise<string[]>;
  /** Gives back what the player holds; called once, after the last line. */
  close?(): void | Promise<void>;
}
