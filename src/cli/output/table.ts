// Columns of text for people.

/** Width of a text on the terminal: colours take no room. */
export function shownWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape is what starts a colour.
  return text.replace(/\u001b\[\d+m/g, '').length;
}

/**
 * Lines of a table, `gap` blanks between columns, nothing after the last.
 * @param rows the heading first
 * @param right positions of the columns that stand to the right
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = [], gap = 2): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => shownWidth(row[column] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const fill = ' '.repeat(widths[column]! - shownWidth(cell));
        return right.includes(column) ? fill + cell : cell + fill;
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  );
}

/** A text of at most `most` characters; the end gives way to "...". */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 3))}...`;
}

/** Breaks a sentence at blanks so that no line is longer than `width`; lines after the first start with `indent`. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lead = /^ */.exec(text)![0];
  const lines: string[] = [];
  let line = '';
  for (const word of text.slice(lead.length).split(' ')) {
    const next = line === '' ? `${lead}${word}` : `${line} ${word}`;
    if (line !== '' && next.length > width) {
      lines.push(line);
      line = indent + word;
    } else line = next;
  }
  return [...lines, line];
}
