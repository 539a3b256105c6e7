// Words and lines of a POSIX shell.

/** Quotes only where they are needed, so that what is shown reads as people would type it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const CONTINUED = ' \\';

/**
 * A command in lines of at most `columns`, each but the last with a backslash at its end, so that
 * it can be copied as it is shown. It is broken at blanks outside of quotes; a longer word without
 * quotes is broken too, and its rest begins a line.
 */
export function commandLines(command: string, columns: number, indent = '  '): string[] {
  const most = columns - CONTINUED.length;
  const lines: string[] = [];
  let line = '';
  for (const word of wordsOf(command)) {
    if (line !== '' && line.length + 1 + word.length > most) {
      lines.push(`${line}${CONTINUED}`);
      line = '';
    }
    let rest = line === '' ? `${lines.length === 0 ? indent : indent.repeat(2)}${word}` : `${line} ${word}`;
    while (rest.length > most && !/['"\\]/.test(word)) {
      lines.push(`${rest.slice(0, most)}\\`);
      rest = rest.slice(most);
    }
    line = rest;
  }
  return [...lines, line];
}

/** Parts between blanks that no quotes enclose. */
function wordsOf(command: string): string[] {
  return command.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/g) ?? [];
}
