// Archives that are not read: the error names their format, or the archives within one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../test/support/temporary.js';
import { twoNodesInfo } from '../../../../test/support/two-nodes.js';
import { textsOf } from '../source.js';

const folder = temporaryFolder('xennuma-foreign-');
const options = { memory: true, stdin: async () => new Uint8Array() };
const file = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};
const INFO = twoNodesInfo({});
const REPORT = zipSync({ 'bug-report/xl-info_-n.out': Buffer.from(INFO) });

describe('a format that is not read', () => {
  it.each([
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
    ['lz4', [0x04, 0x22, 0x4d, 0x18]],
    ['7z', [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
    ['RAR', [...Buffer.from('Rar!\x1a\x07\x01\x00', 'latin1')]],
    ['lzma', [0x5d, 0x00, 0x00, 0x80, 0x00]],
    ['lzip', [...Buffer.from('LZIP\x01')]],
  ])('%s is named', async (name, head) => {
    const path = file(`report.${name}`, Buffer.concat([Buffer.from(head), Buffer.alloc(64, 7)]));
    await expect(textsOf(path, options)).rejects.toThrow(`got one of ${name}`);
    await expect(textsOf('-', { ...options, stdin: async () => Uint8Array.from([...head, 7, 7]) })).rejects.toThrow(`got one of ${name}`);
  });

  it('is no text that begins with letters of such a signature', async () => {
    expect(await textsOf(file('lz.txt', `LZIPPED host\n${INFO}`.replace('LZIPPED', 'LZI')), options)).toHaveLength(1);
    expect(await textsOf(file('rar.txt', `Rar! look at this:\n${INFO}`), options)).toHaveLength(1);
  });
});

describe('reports within an archive or a folder', () => {
  it('are named where there is nothing else', async () => {
    const one = file('one.zip', zipSync({ 'hosts/a.tgz': gzipSync(REPORT), 'readme.txt': Buffer.from('two hosts') }));
    await expect(textsOf(one, options)).rejects.toThrow(/found none, but another archive: hosts\/a\.tgz$/);
    const several = file('several.zip', zipSync(Object.fromEntries(['d', 'b', 'a', 'c'].map((host) => [`${host}.zip`, REPORT]))));
    await expect(textsOf(several, options)).rejects.toThrow(/found none, but 4 other archives: a\.zip, b\.zip, c\.zip and more/);
    const dir = join(folder, 'unpacked');
    mkdirSync(dir);
    writeFileSync(join(dir, 'b.zip'), REPORT);
    await expect(textsOf(dir, options)).rejects.toThrow(/in the folder, found none, but another archive: .*b\.zip/);
  });

  it('are left out beside listings of one host', async () => {
    const both = file('both.zip', zipSync({ 'xl-info_-n.out': Buffer.from(INFO), 'older.zip': REPORT }));
    expect((await textsOf(both, options)).map((text) => text.file)).toEqual(['xl-info_-n.out']);
  });
});
