// The path that is most similar to one that does not exist.
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { nearestWord } from '../nearest-word.js';
import { harmless } from '../safe-text.js';

/** A folder with more names is not searched. */
const MOST_NAMES = 10_000;

/**
 * A file beside it of the same name with another extension, or with a name of few other letters;
 * also where one of its folders is mistyped so. undefined when none is near.
 */
export function nearPath(path: string): string | undefined {
  const folder = dirname(path);
  if (folder === path) return undefined;
  const there = existsSync(folder) ? folder : nearPath(folder);
  if (there === undefined) return undefined;
  const name = nearName(there, basename(path));
  return name === undefined ? undefined : join(there, name);
}

function nearName(folder: string, wanted: string): string | undefined {
  const names = namesIn(folder);
  if (names.includes(wanted)) return wanted;
  const stem = parse(wanted).name.toLowerCase();
  return nearestWord(wanted, names) ?? names.find((name) => stem !== '' && parse(name).name.toLowerCase() === stem);
}

function namesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).sort();
    return names.length > MOST_NAMES ? [] : names;
  } catch {
    return [];
  }
}

/** The beginning of a hint: "did you mean 'dozen.yaml'? ", or nothing. */
export function didYouMeanFile(path: string): string {
  const near = nearPath(path);
  return near === undefined ? '' : `did you mean '${harmless(near)}'? `;
}
