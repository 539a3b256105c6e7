// Counts, and lists of numbers in the form of listings.

/** "3", "007": digits only, at most `max`; undefined otherwise. */
export function parseCount(text: string, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

/**
 * "0-3,8" as ascending numbers below `limit`; undefined when the text is no such list. "" is the
 * empty list.
 */
export function parseRanges(text: string, limit: number): number[] | undefined {
  const found = new Set<number>();
  const trimmed = text.trim();
  if (trimmed === '') return [];
  // Overlapping ranges are cheap to write and dear to expand.
  let budget = 4 * limit;
  for (const item of trimmed.split(/\s*,\s*|\s+/)) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item);
    if (match === null) return undefined;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    budget -= to - from + 1;
    if (from > to || to >= limit || budget < 0) return undefined;
    for (let member = from; member <= to; member++) found.add(member);
  }
  return [...found].sort((a, b) => a - b);
}
