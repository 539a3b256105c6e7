import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { codes } = JSON.parse(readFileSync(join(ROOT, 'test/support/xapi-error-codes.json'), 'utf8')) as { codes: string[] };

/** Codes that are not in that file: a driver of storage makes these of its numbers. */
const OF_DRIVERS = /^SR_BACKEND_FAILURE(_\d+)?$/;

const sources = ['src/xapi', 'src/xe'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name)),
);

/** Codes of errors in a source: as an argument, or the keys of xe's sentences. */
function codesIn(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const given = [...text.matchAll(/\b(?:XapiError|fails|noCertificate)\(\s*'([A-Z][A-Z0-9_]+)'/g)];
  const keys = /^src\/xe\/.*failures\.ts$/.test(file) ? [...text.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)] : [];
  return [...given, ...keys].map((match) => match[1]!);
}

test('every error code is one of xapi', () => {
  const used = sources.flatMap((file) => codesIn(file).map((code) => ({ file, code })));
  expect(used.length).toBeGreaterThan(200);
  expect(used.filter(({ code }) => !codes.includes(code) && !OF_DRIVERS.test(code))).toEqual([]);
});
