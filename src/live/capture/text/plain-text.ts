// The plain text of a terminal session from a stored form: bytes in some encoding, a web page, a
// mail, strings of JSON.
import { ofMail } from './mail.js';

/** The code points above which typographic programs put what was typed as ASCII. */
const TYPOGRAPHY: readonly (readonly [RegExp, string])[] = [
  // Two hyphens, as in the states of xl's tables.
  [/\u2014/g, '--'],
  [/[\u2010-\u2013\u2212]/g, '-'],
  [/[\u201c-\u201f]/g, '"'],
  [/[\u2018-\u201b]/g, "'"],
  [/\uff1a/g, ':'],
];

const HTML = /<(?:html|body|pre|br|p|div|span|code|td|li|details)\b[^<>]*>/i;
/** Databases and descriptions of hosts, which other readers take as they are. */
const XML = /^\s*(?:<\?xml|<database>|<topology|<domain|<capabilities)/;
const LINE_ENDS = /<br\s*\/?>[ \t]*\n?|<\/(?:p|div|li|tr|summary|h\d)>[ \t]*\n?/gi;
const CELL_ENDS = /<\/t[dh]>/gi;
/** Only these tags, because names of users can stand in angle brackets too. */
const TAGS =
  /<\/?(?:!doctype|html|head|body|meta|title|link|details|summary|pre|code|p|div|span|font|a|b|i|u|em|strong|small|tt|table|thead|tbody|tr|td|th|ul|ol|li|blockquote|h\d|hr)\b[^<>]*>/gi;
const NAMED: Readonly<Record<string, string>> = { nbsp: ' ', gt: '>', lt: '<', amp: '&', quot: '"', apos: "'", ndash: '-', mdash: '--' };
const ENTITY = /&(?:#(\d{1,6})|#x([0-9a-f]{1,5})|(nbsp|gt|lt|amp|quot|apos|ndash|mdash));/gi;

/** A file of text: UTF-8, or UTF-16 as PowerShell and some editors write it, also unmarked. */
export function textOfBytes(bytes: Uint8Array): string {
  const encoding = utf16(bytes);
  return encoding === null ? Buffer.from(bytes).toString() : new TextDecoder(encoding).decode(bytes);
}

const SAMPLE_BYTES = 4096;

/** Nearly all that Xen's tools print is ASCII: of UTF-16 without a mark every other byte is 0. */
function utf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const zeros = [0, 0];
  const pairs = Math.floor(Math.min(bytes.length, SAMPLE_BYTES) / 2);
  for (let at = 0; at < 2 * pairs; at++) if (bytes[at] === 0) zeros[at % 2]!++;
  const mostly = (count: number) => pairs > 8 && count > 0.8 * pairs;
  if (mostly(zeros[1]!) && zeros[0] === 0) return 'utf-16le';
  return mostly(zeros[0]!) && zeros[1] === 0 ? 'utf-16be' : null;
}

/** Lines as on the terminal; the line numbers stay where lines are kept as lines. */
export function plainText(text: string): string {
  let plain = text.includes('\n') ? text : text.replaceAll('\r', '\n');
  plain = ofJson(plain) ?? plain;
  plain = ofMail(plain);
  plain = withLineEnds(plain);
  if (!XML.test(plain) && HTML.test(plain)) plain = plain.replace(LINE_ENDS, '\n').replace(CELL_ENDS, '\t').replace(TAGS, '');
  for (const [pattern, ascii] of TYPOGRAPHY) plain = plain.replace(pattern, ascii);
  return XML.test(plain) ? plain : withoutEntities(withoutEntities(plain));
}

/** Twice, for pages that escaped what was escaped already. */
function withoutEntities(text: string): string {
  return text.replace(ENTITY, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
    return code === 0xa0 ? ' ' : String.fromCodePoint(code);
  });
}

/** Line ends that a log or a shell printed as backslash and n. */
function withLineEnds(text: string): string {
  const written = text.match(/\\n/g)?.length ?? 0;
  const real = text.match(/\n/g)?.length ?? 0;
  if (written < 8 || written < real / 2) return text;
  return text.replace(/(?:\\r)?\\n\n?/g, '\n').replace(/\\t/g, '\t');
}

/**
 * The output of commands within JSON, as automation tools keep it: texts of several lines and lists
 * of lines. null for anything else, such as the list of `xl list -l`.
 */
function ofJson(text: string): string | null {
  // "alpha | CHANGED => {": Ansible names the host and the result first.
  const start = /^\s*(?:[\w.-]+ \| \w+!? => )?(?=\{)/.exec(text);
  if (start === null || !/\}\s*$/.test(text)) return null;
  try {
    const found: string[] = [];
    collect(JSON.parse(text.slice(start[0].length)), found);
    return found.length === 0 ? null : found.join('\n');
  } catch {
    return null;
  }
}

function collect(value: unknown, found: string[]): void {
  if (typeof value === 'string') {
    if (value.includes('\n')) found.push(value);
  } else if (Array.isArray(value) && value.length > 1 && value.every((one) => typeof one === 'string')) {
    // Next to the same output as one text.
    if (found.at(-1)?.trimEnd() !== value.join('\n')) found.push(value.join('\n'));
  } else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) collect(one, found);
}
