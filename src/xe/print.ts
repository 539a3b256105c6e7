// xe's output: records with aligned names, lists, --minimal, and our own --json (cli_printer.ml of
// xen-api e2ee48d6). Raw control characters, such as a guest's escape sequence in a name, never
// reach the terminal; --json escapes them.
import { padColumns, padColumnsLeft, textColumns } from '../base/columns.js';
import { harmless } from '../base/safe-text.js';

/**
 * A field as it is shown: its name, its mark such as ( RW), its value, and the value with its
 * structure for --json.
 */
export interface ShownField {
  readonly name: string;
  /** " ( RO)", " (MRW)", with [DEPRECATED] where it applies. */
  readonly mark: string;
  readonly value: string;
  readonly json: unknown;
}

export interface Printer {
  table(records: readonly (readonly ShownField[])[]): void;
  list(lines: readonly string[]): void;
  flush(): void;
}

export type Write = (text: string) => void;

/**
 * A record: the first name to the left, the others to the right, four columns more than the
 * longest.
 */
export function recordText(record: readonly ShownField[]): string {
  const names = record.map(({ name, mark }) => name + mark);
  const width = 4 + Math.max(0, ...names.map(textColumns));
  return record
    .map(
      ({ value }, index) => `${index === 0 ? padColumns(names[0]!, width) : padColumnsLeft(names[index]!, width)}: ${printable(value)}\n`,
    )
    .join('');
}

/**
 * A value may have lines of its own, such as a description: the breaks and tabs between them stay.
 */
export function printable(text: string): string {
  return text
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : harmless(part)))
    .join('');
}

/** JSON leaves C1 and bidirectional characters as they are, and a terminal would act on them. */
function safeJson(value: unknown): string {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu, escaped);
}

/** --minimal separates by commas, so that those within are escaped. */
export function escapeCommas(text: string): string {
  return text.replace(/[\\,]/g, '\\$&');
}

export function makePrinter(form: 'full' | 'minimal' | 'json', write: Write): Printer {
  if (form === 'full') {
    return {
      // Two blank lines between records.
      table: (records) => {
        for (const record of records) write(`${record.length === 0 ? '\n' : recordText(record)}\n\n`);
      },
      list: (lines) => {
        for (const line of lines) write(`${printable(line)}\n`);
      },
      flush: () => {},
    };
  }
  if (form === 'minimal') {
    const parts: string[] = [];
    return {
      table: (records) => {
        if ((records[0]?.length ?? 0) > 0) parts.unshift(records.map((record) => escapeCommas(printable(record[0]!.value))).join(','));
      },
      list: (lines) => void parts.unshift(lines.map((line) => escapeCommas(printable(line))).join(',')),
      flush: () => write(`${parts.join(',')}\n`),
    };
  }
  const parts: unknown[] = [];
  return {
    table: (records) => void parts.push(...records.map((record) => Object.fromEntries(record.map(({ name, json }) => [name, json])))),
    list: (lines) => void parts.push(...lines),
    flush: () => write(`${safeJson(parts)}\n`),
  };
}
