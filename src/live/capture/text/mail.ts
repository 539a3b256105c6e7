// The text of mails as they are sent and archived: parts in quoted-printable and base64, by the
// header that names the encoding (RFC 2045, section 6), and of several forms of one text the last.

const HEADER = /^content-transfer-encoding:[ \t]*(quoted-printable|base64)[ \t]*$/im;
const HEADERS = /^content-transfer-encoding:[ \t]*(quoted-printable|base64)[ \t]*$/gim;
/** RFC 2045, 6.7: no encoded line is longer, and one that goes on ends in "=". */
const LONGEST = 76;
/** Encoders fill the line before they end it so. */
const FILLED = 70;

/** A text without encoded parts is returned as it is. */
export function ofMail(text: string): string {
  if (HEADER.test(text)) return partsOf(withoutAlternatives(text));
  return isQuotedPrintable(text) ? fromQuotedPrintable(text) : text;
}

/** The boundary may be on a line of its own. */
const ALTERNATIVES =
  /^content-type:[ \t]*multipart\/alternative\b[^\n]*?(?:\r?\n[ \t][^\n]*?)?boundary=(?:"([^"\n]{1,70})"|([^\s;"]{1,70}))/gim;
const CONTENT = /^content-type:[ \t]*(?:text\/(?:plain|html)|multipart\/\w+)/im;

/** Boundaries of a mail. Each costs a look at all lines. */
const MOST_BOUNDARIES = 64;

/**
 * Of one text in several forms the last is the richest (RFC 2046, section 5.1.4): mail programs
 * join lines in the plain one. The others become empty lines, so that numbers of lines stay.
 */
function withoutAlternatives(text: string): string {
  const boundaries = new Set([...text.matchAll(ALTERNATIVES)].map(([, quoted, bare]) => `--${quoted ?? bare!}`));
  if (boundaries.size > MOST_BOUNDARIES) return text;
  const lines = text.split('\n');
  for (const boundary of boundaries) {
    const marks = lines.flatMap((line, at) => (line.trimEnd().startsWith(boundary) ? [at] : []));
    const parts = marks.slice(0, -1).map((from, at) => ({ from: from + 1, to: marks[at + 1]! }));
    const headOf = ({ from, to }: { from: number; to: number }) =>
      lines
        .slice(from, to)
        .join('\n')
        .split(/\r?\n\r?\n/, 1)[0]!;
    const texts = parts.filter((part) => CONTENT.test(headOf(part)));
    for (const { from, to } of texts.slice(0, -1)) lines.fill('', from, to);
  }
  return lines.join('\n');
}

/** A part goes from its header to the next boundary, or to the end. */
function partsOf(text: string): string {
  let decoded = '';
  let from = 0;
  for (const { 0: header, 1: encoding, index } of text.matchAll(HEADERS)) {
    const blank = /\r?\n\r?\n/g;
    blank.lastIndex = index + header.length;
    const start = index < from ? null : blank.exec(text);
    if (start === null) continue;
    const end = endOfPart(text, blank.lastIndex);
    const body = text.slice(blank.lastIndex, end);
    decoded += text.slice(from, blank.lastIndex);
    decoded += encoding!.toLowerCase() === 'base64' ? fromBase64(body) : fromQuotedPrintable(body);
    from = end;
  }
  return decoded + text.slice(from);
}

/** "--boundary" of mails of several parts, or the next mail of a mailbox. */
function endOfPart(text: string, start: number): number {
  const end = /^(?:--[^\s-]\S{3,69}[ \t]*|From \S+ .*\d{4})\r?$/gm;
  end.lastIndex = start;
  return end.exec(text)?.index ?? text.length;
}

/** A part that is no text, such as a picture, is left as it is. */
function fromBase64(body: string): string {
  const bytes = Buffer.from(body.replace(/\s/g, ''), 'base64');
  return bytes.includes(0) ? body : `${bytes.toString()}\n`;
}

/** Without its header: by an encoded "=", or where each "=" is one of an encoder's. */
function isQuotedPrintable(text: string): boolean {
  if (!/[^=\n]=\r?\n/.test(text)) return false;
  if (/=3D/.test(text)) return true;
  const lines = text.split(/\r?\n/);
  return (
    !/=(?!\r?\n|[0-9A-F]{2})/.test(text) &&
    lines.every(({ length }) => length <= LONGEST) &&
    lines.some((line) => line.length >= FILLED && line.endsWith('='))
  );
}

function fromQuotedPrintable(text: string): string {
  return text
    .replace(/[ \t]*=[ \t]*\r?\n/g, (end) => end.slice(0, end.indexOf('=')))
    .replace(/(?:=[0-9A-F]{2})+/g, (run) => Buffer.from(run.replaceAll('=', ''), 'hex').toString());
}
