// The description of a host for --host, as people paste it: prompts, quote marks, wraps and what a
// program put before each line are removed from listings, and nothing from files of other formats.
import { InputError } from '../../../base/errors.js';
import { detectFormat, type HostFormat } from '../../../machine/readers/detect.js';
import { guardSize, type InputText } from '../../../machine/readers/input-text.js';
import { LISTING_FORMS } from '../listings.js';
import { cleanLines } from './clean-lines.js';
import type { LineForms } from './unwrapped.js';

/** Formats whose lines mean something each; the others are read as a whole. */
const OF_LINES: ReadonlySet<HostFormat> = new Set<HostFormat>(['xl-info', 'xenpm', 'xl-table', 'numactl', 'lscpu']);
/** Of pages and issues. hwloc's XML has none of these tags. */
const MARKUP = /<(?:html|body|pre|details|div|p|br|code|span|blockquote|table)\b/i;
/** `numactl --hardware`, and the lines of lscpu with a name. */
const HEADS = [/^available: \d+ nodes?\b/, /^node \d+ (?:cpus|size|free):/, /^node distances:/, /^NUMA node\d+ CPU\(s\):/];
const WORDS_OF_HEADS = /available:|node ?\d+ (?:cpus|size|free|CPU)|node distances:/;
const ROWS = [
  /^node(?: +\d+)+\s*$/,
  /^ *\d+:(?: +\d+)+\s*$/,
  /^[A-Z][\w() /.-]{1,40}:\s/,
  /^#/,
  /^CPU +NODE +SOCKET/,
  /^ *\d+(?:,[\d-]*){2,}$/,
];
const isHead = (text: string) => HEADS.some((head) => head.test(text));
const FORMS: LineForms = {
  ...LISTING_FORMS,
  standsAlone: (line) => isHead(line) || ROWS.some((row) => row.test(line)) || LISTING_FORMS.standsAlone(line),
  begins: (line) => isHead(line) || LISTING_FORMS.begins(line),
  heads: {
    mayHave: (line) => WORDS_OF_HEADS.test(line) || LISTING_FORMS.heads.mayHave(line),
    is: (text) => isHead(text) || LISTING_FORMS.heads.is(text),
  },
};

/** Whether a description is output of Xen's own tools, which may show the host's toolstack too. */
export function isOfXen(input: InputText): boolean {
  const format = formatOf(input);
  return format === 'xl-info' || format === 'xenpm' || format === 'xl-table';
}

/**
 * The text for detectAndRead, with its line numbers; a text of another format is unchanged.
 * @throws InputError as guardSize
 */
export function plainHost(input: InputText): InputText {
  guardSize(input);
  const format = formatOf(input);
  const isPage = format === 'hwloc' && MARKUP.test(input.text);
  if (format !== null && !OF_LINES.has(format) && !isPage) return input;
  const lines: string[] = [];
  for (const { text, number } of cleanLines(input.text, FORMS)) lines[number - 1] = text;
  const plain = { file: input.file, text: Array.from(lines, (line) => line ?? '').join('\n') };
  const found = plain.text.trim() === '' ? null : formatOf(plain);
  return found !== null && OF_LINES.has(found) ? plain : input;
}

function formatOf(input: InputText): HostFormat | null {
  try {
    return detectFormat(input);
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}
