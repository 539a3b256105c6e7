// Nouns and verbs that agree with numbers.

/** "1 node", "2 nodes". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** "93%", "0.4%", "<0.1%", and ">99.9%" for nearly all; "-" if there is nothing to divide. */
export function percentOf(part: number, whole: number): string {
  if (whole === 0) return '-';
  const share = (part / whole) * 100;
  if (share > 0 && share < 0.1) return '<0.1%';
  if (share > 99.9 && share < 100) return '>99.9%';
  return `${Number(share.toFixed(share > 0.95 && share < 99 ? 0 : 1))}%`;
}
