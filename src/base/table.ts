// Tables for terminals: columns as wide as their widest cell.
import { padColumns, padColumnsLeft, textColumns, wrapWords } from './columns.js';

export interface TableOptions {
  /** Positions of the columns that are aligned on the right: numbers. */
  readonly right?: Iterable<number>;
  /** Blanks between columns; 2 by default. */
  readonly gap?: number;
  /** Width of each column; as wide as the widest cell by default. */
  readonly widths?: readonly number[];
}

export interface FittingOptions extends TableOptions {
  /** Cells of a paragraph that need no heading, from the first: 2 by default. */
  readonly named?: 1 | 2;
}

/**
 * Width of each column: that of its widest cell. @param rows the heading first; it says how many
 * columns there are
 */
export function columnWidths(rows: readonly (readonly string[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => rows.reduce((widest, row) => Math.max(widest, textColumns(row[column] ?? '')), 0));
}

/** One line a row, without blanks at its end. @param rows the heading first */
export function tableLines(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const right = new Set(options.right ?? []);
  const between = ' '.repeat(options.gap ?? 2);
  const widths = options.widths ?? columnWidths(rows);
  return rows.map((row) =>
    row
      .map((cell, column) => (right.has(column) ? padColumnsLeft(cell, widths[column] ?? 0) : padColumns(cell, widths[column] ?? 0)))
      .join(between)
      .trimEnd(),
  );
}

/**
 * The table where it fits into `columns`, if need be with one blank between columns; otherwise a
 * paragraph a row: its first cells, then each other one with its heading.
 */
export function fittingTable(rows: readonly (readonly string[])[], { named = 2, ...options }: FittingOptions, columns: number): string[] {
  for (const gap of [2, 1]) {
    const lines = tableLines(rows, { ...options, gap });
    if (lines.every((line) => textColumns(line) <= columns)) return lines;
  }
  const [heading = [], ...body] = rows;
  return body.flatMap((row) => {
    const facts = row.slice(named).flatMap((cell, at) => (cell === '' ? [] : [`${heading[at + named] ?? ''} ${cell}`.trim()]));
    return wrapWords(`${row.slice(0, named).join(', ')}${facts.length === 0 ? '' : `: ${facts.join(', ')}`}`, columns, '  ');
  });
}
