// Mistyped paths: the nearest one that exists.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { textsOf } from '../../live/capture/source.js';
import { InputError } from '../errors.js';
import { nearPath } from './near-path.js';
import { readUserFile } from './user-file.js';

let folder = '';
const at = (...names: string[]) => join(folder, ...names);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'near-'));
  mkdirSync(at('hosts'));
  for (const name of ['dozen.yaml', 'report.tar.bz2', 'hosts/epyc.xml', 'hosts/odd\u001b[31m.xml']) writeFileSync(at(name), 'x');
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['another extension', 'dozen.yml', 'dozen.yaml'],
  ['none', 'dozen', 'dozen.yaml'],
  ['a far extension', 'dozen.json', 'dozen.yaml'],
  ['upper case', 'Dozen.YAML', 'dozen.yaml'],
  ['swapped letters', 'dozne.yaml', 'dozen.yaml'],
  ['a mistyped folder', 'host/epyc.xml', 'hosts/epyc.xml'],
  ['both mistyped', 'hots/epic.xml', 'hosts/epyc.xml'],
])('%s leads to the file', (_, wanted, near) => {
  expect(nearPath(at(wanted))).toBe(at(near));
});

it.each(['warehouse.yaml', 'none/of/these.txt', 'hosts/a.b'])('%s is near to nothing', (wanted) => {
  expect(nearPath(at(wanted))).toBeUndefined();
});

it('errors name it, for files and for the source of a host', async () => {
  expect(refusal(() => readUserFile(at('dozen.yml'), { mostBytes: 9 })).mend).toBe(`did you mean '${at('dozen.yaml')}'? check the path`);
  expect(refusal(() => readUserFile(at('warehouse.yaml'), { mostBytes: 9 })).mend).toBe('check the path');
  const source = textsOf(at('report.tar.bz'), { memory: false, stdin: async () => new Uint8Array() });
  await expect(source).rejects.toMatchObject({ mend: expect.stringContaining(`did you mean '${at('report.tar.bz2')}'? give ssh://host`) });
  expect(refusal(() => readUserFile(at('hosts', 'odd.xml'), { mostBytes: 9 })).mend).not.toContain('\u001b');
});

function refusal(read: () => unknown): InputError {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error;
  }
  throw new Error('was read');
}
