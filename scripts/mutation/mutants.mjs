// The mutants of source files, as Stryker makes them, and their names.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';

/**
 * Mutators that change texts only: a message may be worded in many ways, and no test should pin all
 * of it.
 */
export const EXCLUDED_MUTATORS = ['StringLiteral'];

/**
 * @param mutant of the instrumenter, of a checker or of a report: a location that counts lines and
 *   columns from 0
 * @returns `file:line:column-line:column mutator replacement`, counted from 1
 */
export function mutantKey({ fileName, location: { start, end }, mutatorName, replacement }) {
  const file = fileName
    .split(sep)
    .join('/')
    .replace(/^.*?(?=src\/)/, '');
  return `${file}:${start.line + 1}:${start.column + 1}-${end.line + 1}:${end.column + 1} ${mutatorName} ${replacement}`;
}

/** @returns keys of all mutants of the files; paths are from the root */
export async function mutantKeys(root, files) {
  const quiet = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [level, () => {}]));
  const logger = { ...quiet, isDebugEnabled: () => false, isTraceEnabled: () => false, isInfoEnabled: () => false };
  const instrumenter = new Instrumenter(logger);
  const sources = files.map((file) => ({ name: join(root, file), mutate: true, content: readFileSync(join(root, file), 'utf8') }));
  const { mutants } = await instrumenter.instrument(sources, {
    plugins: null,
    excludedMutations: EXCLUDED_MUTATORS,
    ignorers: [],
    noHeader: true,
    mutator: { plugins: null, excludedMutations: EXCLUDED_MUTATORS },
  });
  return mutants
    .map((mutant) => ({ ...mutant, fileName: relative(root, mutant.fileName ?? mutant.originalFileName) }))
    .filter(({ ignoreReason, statusReason }) => !ignoreReason && !statusReason)
    .map((mutant) => mutantKey(mutant));
}

/**
 * The first `count` of the keys in the order of their hashes with the seed: the same on every
 * machine.
 */
export function sample(keys, count, seed) {
  const hash = (key) => createHash('sha256').update(`${seed} ${key}`).digest('hex');
  return keys
    .map((key) => [hash(key), key])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, count)
    .map(([, key]) => key);
}
