// The lines of a text without what terminals, forums, mail programs and loggers put around them:
// colours, quoting marks, fences, indentation of code, time stamps, hard wraps.

interface CleanLine {
  readonly text: string;
  /** 1-based, in the file. */
  readonly number: number;
}

/** ANSI colours, carriage returns, blanks without width. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals do send them.
const DECORATION = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\r\u200b\ufeff]/g;
const ODD_BLANKS = /[\u00a0\u2007\u202f]|&nbsp;/g;
/** As pages show them that were saved, or pasted as HTML. */
const ENTITIES: readonly (readonly [RegExp, string])[] = [
  [/&gt;/g, '>'],
  [/&#x2f;|&#47;/gi, '/'],
  [/&quot;|&#34;/g, '"'],
];
const QUOTE = /^[ \t]*(?:[>|][ \t]?)+/;
const FENCE = /^[ \t]*(?:```|~~~)\w*[ \t]*$/;
/** What syslog and xenconsoled write before a message of Xen: date, host, program. */
const LOGGED = /^(?:[^()\s]+[ \t]+){1,8}(?=\(XEN\) )/;
/** A terminal is at least this wide; shorter lines of one length are no wraps. */
const LEAST_WRAP = 40;
/** Lines of the greatest length that tell a wrap from the end of one long line. */
const LEAST_WRAPPED = 2;

/** @param standsAlone whether a line begins or continues a listing by itself */
export function cleanLines(text: string, standsAlone: (line: string) => boolean): CleanLine[] {
  const lines = text.split('\n').flatMap((raw, index) => {
    let plain = raw.replace(DECORATION, '').replace(ODD_BLANKS, ' ');
    for (const [entity, character] of ENTITIES) plain = plain.replace(entity, character);
    plain = plain.replace(QUOTE, '').replace(LOGGED, '');
    return FENCE.test(plain) ? [] : [{ text: plain, number: index + 1 }];
  });
  return unwrapped(unindented(lines), standsAlone).map((line) => ({ ...line, text: line.text.trimEnd() }));
}

/** Blocks between empty lines lose the indentation that all of their lines have. */
function unindented(lines: readonly CleanLine[]): CleanLine[] {
  const found: CleanLine[] = [];
  for (let from = 0; from < lines.length; ) {
    let to = from;
    while (to < lines.length && lines[to]!.text.trim() !== '') to++;
    const block = lines.slice(from, to);
    const indent = block.reduce((least, { text }) => Math.min(least, text.search(/\S/)), Number.POSITIVE_INFINITY);
    for (const line of block) found.push({ ...line, text: line.text.slice(indent) });
    if (to < lines.length) found.push(lines[to]!);
    from = to + 1;
  }
  return found;
}

/**
 * Lines that were cut at one column, wherever that was, are whole again: those of the greatest
 * length, if there are several, and the line after them is nothing by itself.
 */
function unwrapped(lines: readonly CleanLine[], standsAlone: (line: string) => boolean): CleanLine[] {
  const width = lines.reduce((most, { text }) => Math.max(most, text.length), 0);
  const isFull = ({ text }: CleanLine) => text.length === width;
  if (width < LEAST_WRAP || lines.filter(isFull).length < LEAST_WRAPPED) return [...lines];
  const found: CleanLine[] = [];
  let isOpen = false;
  for (const line of lines) {
    const last = found.at(-1);
    const isRest = isOpen && last !== undefined && line.text.trim() !== '' && !standsAlone(line.text);
    if (isRest) found[found.length - 1] = { text: last.text + line.text, number: last.number };
    else found.push(line);
    isOpen = isFull(line);
  }
  return found;
}
