// What a program put before the rows of a table whose heading is elsewhere, as with `grep`: xl pads
// the name of a domain, so the column of its number tells how much is not xl's.

/** xl's padding of names, and the width of the number behind a blank. */
export const NAME_WIDTH = { 'xl list': 40, 'xl vcpu-list': 32 } as const;
const ID_WIDTH = 6;
/** A level or a time, in brackets or not, where the padding is lost. */
const STAMP =
  /^(?:(?:\[[^\]]{1,60}\]|<[^<>]{1,40}>|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR)[:|-]?|\d{4}-\d{2}-\d{2}(?:[T ]\S{1,32})?|\d{1,2}:\d{2}(?::\d{2})?\S{0,12})[ \t]+)+(?=\S)/;
const ROW = /^(.+?)[ \t]+(\d{1,5})[ \t]+\d{1,12}[ \t]+(?:\d{1,5}|-)[ \t]+[-rbpscd]{2,7}[ \t]/;

/**
 * The rows of one table without a prefix that all of them have.
 * @param heading undefined where the table has none
 */
export function withoutRowPrefix(rows: readonly string[], heading: string | undefined, kind: keyof typeof NAME_WIDTH): string[] {
  const width = NAME_WIDTH[kind];
  const end = /^Name {3,}ID/.exec(heading ?? '')?.[0].length ?? width + ID_WIDTH;
  const excess = commonExcess(rows, end, width);
  if (excess > 0) return rows.map((row) => row.slice(excess));
  if (heading !== undefined || rows.length === 0 || !rows.every((row) => STAMP.test(row))) return [...rows];
  return rows.map((row) => row.replace(STAMP, ''));
}

/** Characters before the name, if all rows have as many and they end where a name may begin. */
function commonExcess(rows: readonly string[], end: number, width: number): number {
  const found = new Set<number>();
  for (const row of rows) {
    const match = ROW.exec(row);
    if (match === null || row.slice(0, end).includes('\t')) return 0;
    const idEnd = row.indexOf(match[2]!, match[1]!.length) + match[2]!.length;
    const excess = idEnd - end;
    // A long name moves the number, whatever stands before it.
    if (excess > 0 && match[1]!.length - excess > width) continue;
    found.add(excess);
  }
  const [excess = 0] = found;
  if (found.size !== 1 || excess <= 0) return 0;
  return rows.every((row) => /\W/.test(row[excess - 1]!) && /\S/.test(row[excess]!)) ? excess : 0;
}
