// A word of a POSIX shell's command line.

/** Quotes only where they are needed, so that what is shown reads as people would type it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
