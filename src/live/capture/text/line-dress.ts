// Additions of programs around every line of a text: time stamps, the name of a host or of a
// writer, bullets, line numbers, quotes. They are removed only if line after line has them, so that
// no line of a listing loses its own text.

interface Dress {
  /** The line without it is the first group. */
  readonly form: RegExp;
  /** Lines that have it must agree in this. */
  readonly agrees?: (before: RegExpExecArray, here: RegExpExecArray) => boolean;
}

const CLOCK = String.raw`\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,9})?(?: ?[AP]M)?`;
const DATE = String.raw`(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|[A-Z][a-z]{2} [ \d]\d)`;
const ZONE = String.raw`(?:Z|[+-]\d{2}:?\d{2}| UTC)?`;
const WHEN = `(?:${DATE}[T ])?${CLOCK}${ZONE}`;

/** In the order in which they are put on, the outermost first. */
const DRESSES: readonly Dress[] = [
  // "May  1 12:00:01 alpha bash[123]: ", as journald and syslog have it
  { form: new RegExp(String.raw`^(?:<\d+>)?${WHEN} \S+ [\w./@-]+(?:\[\d+\])?: ?(.*)$`) },
  // "12:01 <joe> " of a chat
  { form: new RegExp(String.raw`^(?:\[?${WHEN}\]? )?<[^<>\s]{1,40}> ?(.*)$`) },
  // "[2024-05-01 12:00:01] ", "[12:00] ", and what the kernel and systemd count from the start
  { form: new RegExp(String.raw`^\[ *(?:${WHEN}|\d+\.\d{3,9}) *\] ?(.*)$`) },
  { form: new RegExp(String.raw`^${WHEN} (?=\S*[^\d\s]|\s)(.*)$`) },
  // "alpha: " of pdsh and others that run a command on many hosts
  { form: /^([A-Za-z][\w.-]{0,63}): (.*)$/, agrees: (before, here) => before[1] === here[1] },
  { form: /^[ \t]*[*+\u2022-] ?(.*)$/ },
  { form: /^ *(\d{1,6})[:.)|\t]? ?(.*)$/, agrees: (before, here) => Number(here[1]) === Number(before[1]) + 1 },
  { form: /^(?:`(.*)`|"(.*)",?|'(.*)',?)$/ },
];

/** Fewer lines in a row are a list or a sentence of their own. */
const LEAST_LINES = 6;

/**
 * The lines without what each line of a row of them has.
 * @param begins whether a line begins a listing: without one below it, the dress is the text
 * itself, such as the numbers of CPUs in a table
 */
export function undressed(lines: readonly string[], begins: (line: string) => boolean): string[] {
  return DRESSES.reduce<readonly string[]>((plain, dress) => without(plain, dress, begins), lines) as string[];
}

function without(lines: readonly string[], { form, agrees }: Dress, begins: (line: string) => boolean): string[] {
  const plain = [...lines];
  let row: { readonly at: number; readonly match: RegExpExecArray }[] = [];
  const finish = () => {
    const bare = row.map(({ match }) => match.slice(1).findLast((group) => group !== undefined) ?? '');
    if (row.length >= LEAST_LINES && bare.some((line) => begins(line.trimStart()))) {
      for (const [index, { at }] of row.entries()) plain[at] = bare[index]!;
    }
    row = [];
  };
  lines.forEach((line, at) => {
    // The editor that trimmed the lines left nothing of a dress without a line.
    if (line.trim() === '') return;
    const match = form.exec(line);
    const last = row.at(-1);
    if (match === null || (last !== undefined && agrees?.(last.match, match) === false)) finish();
    if (match !== null) row.push({ at, match });
  });
  finish();
  return plain;
}
