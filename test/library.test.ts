// The package as another program imports it: the examples of docs/library.md print what the page
// says.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './xennuma.js';

const page = readFileSync(join(root, 'docs/library.md'), 'utf8');
const examples = [...page.matchAll(/^```js\n([\s\S]*?)^```\n\nprints\n\n```text\n([\s\S]*?)^```$/gm)].map(([, code, printed]) => [
  code,
  printed,
]);

it('has examples', () => expect(examples).toHaveLength(2));

it.each(examples)('example %#', (code, printed) => {
  // A module given by -e stands in the working directory, whose package it may import by name.
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code!], { cwd: root, encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: printed, stderr: '' });
});

it('loads nothing native until a real Xen is asked for', () => {
  const code = `import 'xennuma'; import { createRequire } from 'node:module';
    console.log(Object.keys(createRequire(import.meta.url).cache).filter((path) => /koffi|sqlite/.test(path)), process.moduleLoadList.filter((one) => /koffi|sqlite/.test(one)));`;
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' }).stdout).toBe('[] []\n');
});
