// The known word that is most similar to a mistyped one, and what is said of an unknown one.
import { InputError } from './errors.js';
import { listNames } from './phrases.js';

/** Names that an error lists. */
const MOST_NAMES = 12;

/** Letters that may differ: one in a short word, a third of a long one. */
function mostEdits(word: string): number {
  return Math.max(1, Math.floor(word.length / 3));
}

/**
 * The nearest of the known words, by letters inserted, deleted, changed or swapped; undefined when
 * none is near.
 */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = mostEdits(word) + 1;
  for (const candidate of known) {
    if (candidate === word || Math.abs(candidate.length - word.length) >= fewest) continue;
    const count = edits(word.toLowerCase(), candidate.toLowerCase());
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** The beginning of a hint: "did you mean 'web'? ", or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearestWord(word, known);
  return near === undefined ? '' : `did you mean '${near}'? `;
}

/** A command line without the name of a VM that it needs. No VM has this name. */
export const NO_NAME = '';

/** @param none what to do where there is nothing to choose from */
export function unknownName(kind: 'VM' | 'domain', name: string, known: readonly string[], none: string): InputError {
  const choice = `the ${kind}s are ${listNames(known, MOST_NAMES)}`;
  if (name === NO_NAME) return new InputError(`expected the name of a ${kind}, got none`, {}, known.length === 0 ? none : choice);
  return new InputError(`there is no ${kind} '${name}'`, {}, known.length === 0 ? none : `${didYouMean(name, known)}${choice}`);
}

/** Distance of Damerau and Levenshtein (optimal string alignment). */
function edits(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
