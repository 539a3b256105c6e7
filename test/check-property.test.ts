// A property that fails keeps its shrunk counterexample, and the next run begins with it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkProperty } from './support/check-property.js';

test('a counterexample is kept once, shrunk, and tried first', () => {
  const directory = mkdtempSync(join(tmpdir(), 'xennuma-property-'));
  const folder = pathToFileURL(`${directory}/`);
  const below100 = fc.property(fc.nat(1_000_000), (value) => value < 100);
  for (let run = 0; run < 2; run++)
    expect(() => checkProperty('below-100', below100, { seed: 1 }, folder)).toThrow(/Counterexample: \[100\]/);
  expect(JSON.parse(readFileSync(join(directory, 'below-100.json'), 'utf8'))).toEqual([[100]]);
  const tried: number[] = [];
  const records = fc.property(fc.nat(1_000_000), (value) => {
    tried.push(value);
  });
  checkProperty('below-100', records, { seed: 1 }, folder);
  expect(tried[0]).toBe(100);
  rmSync(directory, { recursive: true });
});
