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

/** "a", "a and b", "a, b and 7 more" */
export function listNames(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names.join('');
  if (names.length <= most) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
}
