// The start script of a release, with programs that the loader of this machine really refuses.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error: a script without types
import { launcher } from '../scripts/launcher.mjs';

/** A small program that the loader starts like Node. */
const PROGRAM = ['/usr/bin/true', '/bin/true'].find((path) => existsSync(path));
const text = PROGRAM === undefined ? '' : readFileSync(realpathSync(PROGRAM), 'latin1');
const [newest] = [...text.matchAll(/GLIBC_2\.\d\d(?=\0)/g)]
  .map(([name]) => name)
  .sort()
  .reverse();

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-launcher-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @param getconf what it prints; null = there is none */
function start(node: string, getconf: string | null, words: readonly string[] = []) {
  const release = mkdtempSync(join(folder, 'release-'));
  mkdirSync(join(release, 'bin'));
  const tools = join(release, 'tools');
  mkdirSync(tools);
  for (const name of ['readlink', 'sed']) symlinkSync(`/usr/bin/${name}`, join(tools, name));
  const files: [string, string][] = [
    [join(release, 'bin/node'), node],
    [join(release, 'bin/xennuma'), launcher({ glibc: '2.28', machine: 'x86_64', version: '0.1.0', node: '20.19.0' }) as string],
    ...(getconf === null ? [] : [[join(tools, 'getconf'), `#!/bin/sh\necho '${getconf}'\n`] as [string, string]]),
  ];
  for (const [file, content] of files) {
    writeFileSync(file, content, 'latin1');
    chmodSync(file, 0o755);
  }
  const { status, stdout, stderr } = spawnSync(join(release, 'bin/xennuma'), [...words], { env: { PATH: tools }, encoding: 'utf8' });
  return { status, out: stdout, err: stderr.trimEnd().split('\n') };
}

const WAY_OUT = '; install it on another machine, and reach this host with --from ssh://root@host';
const NEEDS = 'xennuma: this needs Linux for x86_64 with glibc 2.28 or newer and libstdc++, and its Node does not start here (';

describe.skipIf(newest === undefined)('the start script', () => {
  it('names the glibc that is too old', () => {
    const { status, err } = start(text, 'glibc 2.17');
    expect(err).toEqual([`xennuma: this needs glibc 2.28, and here is 2.17 (EL7, XCP-ng and XenServer have 2.17)${WAY_OUT}`]);
    expect(status).toBe(3);
    expect(start(text, 'glibc 2.27').status).toBe(3);
    expect(start(text, 'glibc 2.28').status).toBe(0);
  });

  it('starts where getconf is missing, or says nothing of glibc', () => {
    expect(start(text, null)).toEqual({ status: 0, out: '', err: [''] });
    expect(start(text, 'undefined').status).toBe(0);
  });

  it.each<[string, string | null]>([
    ['without getconf', null],
    ['where getconf tells of a newer one', 'glibc 2.99'],
  ])('says one sentence for a version that the loader does not find, %s', (_, getconf) => {
    // As node of a newer glibc is to EL7's loader.
    const { status, err } = start(text.replaceAll(newest!, 'GLIBC_2.99'), getconf);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(/GLIBC_2\.99' not found/);
    expect(err[0]!.startsWith(NEEDS) && err[0]!.endsWith(WAY_OUT)).toBe(true);
    expect(status).toBe(3);
  });

  it('names a library that is missing', () => {
    const { status, err } = start(text.replaceAll('libc.so.6\0', 'libX.so.6\0'), null);
    expect({ status, err }).toEqual({ status: 3, err: [`${NEEDS}libX.so.6 is missing)${WAY_OUT}`] });
  });

  it('says so of a program for another processor', () => {
    const other = `${text.slice(0, 18)}\x08\0${text.slice(20)}`;
    const { status, err } = start(other, 'glibc 2.36');
    expect(status).toBe(3);
    expect(err).toHaveLength(1);
    expect(err[0]!.startsWith(NEEDS)).toBe(true);
  });
});
