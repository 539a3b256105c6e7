// Property tests whose shrunk counterexamples are kept as cases: fixtures/regressions/properties/.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';

const FOLDER = new URL('../../fixtures/regressions/properties/', import.meta.url);

/**
 * Checks a property, kept counterexamples first; keeps the shrunk counterexample of a failure.
 * Values must survive JSON.
 * @param name of the file, unique to the property
 * @throws what fc.assert() throws
 */
export function checkProperty<T extends [unknown, ...unknown[]]>(
  name: string,
  property: fc.IProperty<T>,
  options: fc.Parameters<T> = {},
  folder: URL = FOLDER,
): void {
  const file = new URL(`${name}.json`, folder);
  const storedCases = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T[]) : [];
  const details = fc.check(property, { ...options, examples: [...storedCases, ...(options.examples ?? [])] });
  if (!details.failed) return;
  const { counterexample } = details;
  const text = JSON.stringify(counterexample);
  const isNew = counterexample !== null && !storedCases.some((one) => JSON.stringify(one) === text);
  if (isNew) writeFileSync(file, `${JSON.stringify([...storedCases, counterexample], null, 2)}\n`);
  throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
}
