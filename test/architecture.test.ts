// docs/architecture.md matches the code.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './xennuma.js';

const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const rules = [...page.matchAll(/^\| (.+?) \| `(src\/[^`]+)`, `(\w+)` \|$/gm)].map(([, rule, path, name]) => ({ rule, path: path!, name }));

it('lists the rules that a newcomer looks for', () => {
  const listed = rules.map(({ rule }) => rule).join('\n');
  for (const rule of [
    'the union rule',
    'the mask per vCPU',
    'the affinity key',
    'the 16 MiB bound',
    'the claim of a profile',
    'the order of VM.build',
    'the errno of an empty effective mask',
    'the watch of domains that ended, or went',
    'the ratchet',
    'conflict credit',
  ]) {
    expect(listed).toContain(rule);
  }
});

it.each(rules)('$rule: $path has $name', ({ path, name }) => {
  const text = readFileSync(join(root, path), 'utf8');
  expect(text).toMatch(new RegExp(`\\b(function|const|class|async|interface) ${name}\\b|[ #]${name}\\(`));
});

it('names only files that exist', () => {
  const paths = [...page.matchAll(/`((?:src|scripts|docs|test)\/[\w./-]+)`/g)].map(([, path]) => path!);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
