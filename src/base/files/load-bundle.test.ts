import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { BYTECODE, loadBundle } from './load-bundle.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-bundle-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PROGRAM = `(function(exports,require,module,__importMetaUrl){
exports.sum = (a, b) => a + b;
exports.here = __importMetaUrl;
exports.separator = require('node:path').sep;
})
`;

let count = 0;
function bundle(text = PROGRAM): URL {
  const file = join(folder, `${count++}.cjs`);
  writeFileSync(file, text);
  return pathToFileURL(file);
}

const withBytecode = (bytes: Uint8Array): URL => {
  const url = bundle();
  writeFileSync(`${url.pathname}${BYTECODE}`, bytes);
  return url;
};

interface Program {
  sum(a: number, b: number): number;
  here: string;
  separator: string;
}

describe('a bundle', () => {
  it('has the names of a CommonJS module, and its own URL', () => {
    const url = bundle();
    const { exports, compiled } = loadBundle(url);
    const { sum, here, separator } = exports as Program;
    expect([sum(1, 2), here, separator, compiled]).toEqual([3, url.href, '/', false]);
  });

  it('is loaded once', () => {
    const url = bundle();
    expect(loadBundle(url)).toBe(loadBundle(url));
  });

  it('uses bytecode that was kept for it', () => {
    const made = loadBundle(bundle());
    (made.exports as Program).sum(1, 1);
    const { exports, compiled } = loadBundle(withBytecode(made.bytecode()));
    expect([compiled, (exports as Program).sum(2, 3)]).toEqual([true, 5]);
  });

  it.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['is empty', () => new Uint8Array()],
    ['is of another V8', (bytes) => bytes.map((byte, at) => (at >= 4 && at < 8 ? byte ^ 0xff : byte))],
    ['is of other flags', (bytes) => bytes.map((byte, at) => (at >= 12 && at < 16 ? byte ^ 0xff : byte))],
    ['is of a longer program', () => loadBundle(bundle(PROGRAM.replace('a + b', 'a + b + 0'))).bytecode()],
    ['was cut', (bytes) => bytes.subarray(0, bytes.length >> 1)],
    ['is something else', () => new TextEncoder().encode('no bytecode at all, but a text of some length')],
  ])('is compiled when its bytecode %s', (_, change) => {
    const { exports, compiled } = loadBundle(withBytecode(change(loadBundle(bundle()).bytecode())));
    expect([compiled, (exports as Program).sum(2, 3)]).toEqual([false, 5]);
  });

  it('that is not there is named', () => {
    expect(() => loadBundle(pathToFileURL(join(folder, 'none.cjs')))).toThrow(/ENOENT.*none\.cjs/);
  });
});
