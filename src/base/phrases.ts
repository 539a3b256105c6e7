// Nouns and verbs that agree with numbers.

/** "1 node", "2 nodes". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
