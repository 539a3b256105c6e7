// The result of a command as a view of the page: sentences, tables whose cells may be marked,
// commands, counts with their bound, and figures over time. Text and numbers only, so the page does
// not need the schema of each answer.

export interface ReportCell {
  readonly text: string;
  /** It differs, or needs a look. */
  readonly marked?: true;
}

export interface ReportTable {
  readonly caption: string;
  readonly columns: readonly string[];
  /** The first cell of a row is its name. */
  readonly rows: readonly (readonly ReportCell[])[];
}

export interface ReportPlot {
  readonly title: string;
  /** Unit of the values: a share from 0 to 1, or a plain number. */
  readonly unit: 'share' | 'number';
  /** The axis begins here when all values are above. */
  readonly from: number;
  /** [seconds, value], in order of time. */
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** A count for each of several ways, and a bound that none can be above. */
export interface ReportBars {
  readonly title: string;
  readonly most: number;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly bound: number | null }[];
}

export interface PageReport {
  /** Label of the view's button. */
  readonly name: string;
  readonly title: string;
  readonly sentences: readonly string[];
  readonly tables: readonly ReportTable[];
  readonly bars: readonly ReportBars[];
  readonly plots: readonly ReportPlot[];
  /** In this order; [] = there is nothing to do. */
  readonly commands: readonly { readonly text: string; readonly why: string }[];
}

export const cell = (text: string, marked = false): ReportCell => (marked ? { text, marked: true } : { text });

/** Marks cells from column `from` on that differ from those of the first row. */
export function markDifferences(rows: readonly (readonly string[])[], from: number): ReportCell[][] {
  const [first] = rows;
  return rows.map((row) => row.map((text, column) => cell(text, column >= from && text !== first?.[column])));
}
