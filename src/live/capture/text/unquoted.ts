// Takes the quote marks of mail programs and forums from lines, also where a terminal cut lines
// that were quoted already.
const MARKS = /^[ \t]*(?:[>|][ \t]?)+/;
const EACH_MARK = /[>|]/g;
/** Share of the quoted lines with a blank behind the marks that makes the blank one of them. */
const MOSTLY = 3 / 4;
/** Quoted lines of the greatest length that tell a cut from the end of one long line. */
const LEAST_CUT = 2;

/** As many lines, without their marks; '' for one that belongs to the line before it. */
export function unquoted(lines: readonly string[]): string[] {
  const isQuoted = (line: string) => MARKS.test(line);
  const quoted = lines.filter(isQuoted);
  if (quoted.length === 0) return [...lines];
  const filled = quoted.map((line) => line.replace(/^[ \t]*(?:[>|] ?)*[>|]/, '')).filter((rest) => rest.trim() !== '');
  const isSpaced = filled.filter((rest) => /^[ \t]/.test(rest)).length > MOSTLY * filled.length;
  const whole = isSpaced ? rejoined(lines) : lines;
  const depths = whole.map((line) => (MARKS.exec(line)?.[0].match(EACH_MARK) ?? []).length);
  return whole.map((line, at) =>
    depths[at] === 0 ? line : withoutMarks(line, Math.min(depths[at]!, deepest(whole, depths, at)), isSpaced),
  );
}

/**
 * A cut may put a '>' of the text itself at the start of a line: no line has more marks than both
 * of its neighbours.
 */
function deepest(lines: readonly string[], depths: readonly number[], at: number): number {
  const neighbour = (step: number) => {
    let there = at + step;
    while (lines[there]?.trim() === '') there += step;
    return depths[there] ?? 0;
  };
  return Math.max(neighbour(-1), neighbour(1));
}

function withoutMarks(line: string, depth: number, isSpaced: boolean): string {
  if (depth === 0) return line;
  const marks = new RegExp(`^[ \\t]*(?:[>|][ \\t]?){${depth - 1}}[>|]${isSpaced ? '[ \\t]?' : ''}`);
  return line.replace(marks, '');
}

/** Lines without a mark behind a quoted one of the greatest length are its rest. */
function rejoined(lines: readonly string[]): string[] {
  const width = lines.reduce((most, line) => Math.max(most, line.length), 0);
  const isFull = (line: string) => line.length === width;
  const isQuoted = (line: string) => /^[ \t]*(?:[>|] ?)*[>|](?:[ \t]|$)/.test(line);
  if (lines.filter((line) => isFull(line) && isQuoted(line)).length < LEAST_CUT) return [...lines];
  const found: string[] = [];
  let owner = -1;
  lines.forEach((line, at) => {
    const isRest = owner >= 0 && line.trim() !== '' && isFull(lines[at - 1]!) && !isQuoted(line);
    if (!isRest) owner = isQuoted(line) ? at : -1;
    else found[owner] += line;
    found.push(isRest ? '' : line);
  });
  return found;
}
