// The end of a row of xl's tables, as a wrap leaves it on a line of its own. Worked through once
// from the left: one pattern for it would try all ways to divide a long run of blanks or digits.

const FIGURE = /[\s\d.,/-]/;
const STATE_LETTER = /[rbpscd]/;
const STATE = /[-rbpscd]/;
const STATE_LENGTH = { least: 2, most: 6 } as const;
/** `all` or `none` of the first mask, cut anywhere, and the second mask. */
const FIRST_WORD = /^(?:a?ll?|n?o?ne)(?:\s*\/[\s\d,-]*(?:all?|no?n?e?)?)?$/;
const SECOND_WORD = /^(?:all?|no?n?e?)$/;

/** Figures, a state, masks: no sentence looks like this. */
export function isRowEnd(text: string): boolean {
  const line = text.trimEnd();
  let at = afterFigures(line, 0);
  if (at < line.length && STATE_LETTER.test(line[at]!)) {
    const end = afterState(text, at);
    if (end === null) return false;
    at = afterFigures(line, end);
  }
  const rest = line.slice(at);
  return rest === '' || FIRST_WORD.test(rest) || (SECOND_WORD.test(rest) && isSecondMask(line, at));
}

function afterFigures(line: string, from: number): number {
  let at = from;
  while (at < line.length && FIGURE.test(line[at]!)) at++;
  return at;
}

/** @param at its first letter; dashes before it look like figures. @returns null = no state */
function afterState(line: string, at: number): number | null {
  let [from, to] = [at, at];
  while (from > 0 && line[from - 1] === '-') from--;
  while (to < line.length && STATE.test(line[to]!)) to++;
  const length = to - from;
  const isBetween = from > 0 && /\s/.test(line[from - 1]!) && to < line.length && /\s/.test(line[to]!);
  return isBetween && length >= STATE_LENGTH.least && length <= STATE_LENGTH.most ? to : null;
}

/** Whether only CPUs are between a `/` and that place. */
function isSecondMask(line: string, at: number): boolean {
  let from = at;
  while (from > 0 && /[\s\d,-]/.test(line[from - 1]!)) from--;
  return from > 0 && line[from - 1] === '/';
}
