// What every conformance kind offers: play a recorded case again and compare. Box of the chart: none; it checks all of them.

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Plays the lines of one kind in order; a player may keep state from line to line (libxl does). */
export interface ConformancePlayer {
  /**
   * The same line with this project's answers in the place of the recorded ones, which are not looked at.
   * @throws InputError when the line is not of the kind's format
   */
  play(line: JsonObject): JsonObject;
  /**
   * Plays the line and compares with its recorded answers: one sentence a difference, [] when all agree.
   * @throws InputError as play
   */
  check(line: JsonObject): string[];
}
