// The script that takes a capture, run by a shell whose tools a folder of the test plays.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { captureScript } from './script.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-script-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @param xl text of the program; null = there is none */
function run(xl: string | null) {
  const tools = mkdtempSync(join(folder, 'bin-'));
  if (xl !== null) {
    writeFileSync(join(tools, 'xl'), `#!/bin/sh\n${xl}\n`);
    chmodSync(join(tools, 'xl'), 0o755);
  }
  // Without the folders that the script adds, in which this machine may have one.
  const script = captureScript({ nonce: 'n', archive: true, memory: false }).replace(/^PATH=.*$/m, '');
  const ended = spawnSync('sh', ['-s'], { input: script, env: { PATH: `${tools}:/usr/bin:/bin`, TMPDIR: folder } });
  return { status: ended.status, archive: ended.stdout, said: ended.stderr.toString() };
}

it('ends with 3 and writes no archive where there is no xl', () => {
  const { status, archive, said } = run(null);
  expect([status, archive.length]).toEqual([3, 0]);
  expect(said).toBe('nothing was captured: there is no xl here; run this as root in dom0 of a Xen host\n');
});

it('ends with 3 where xl gets no answer from Xen, and says its last line', () => {
  const { status, archive, said } = run('echo "xencall: no handle" >&2; exit 1');
  expect([status, archive.length]).toEqual([3, 0]);
  expect(said).toContain('xl info failed');
  expect(said.trimEnd()).toMatch(/: xencall: no handle$/);
});

it('ends with 0 and an archive where xl answers, though a part fails', () => {
  const { status, archive, said } = run('case $1 in info) echo "host : h" ;; *) exit 1 ;; esac');
  expect([status, said]).toEqual([0, '']);
  const text = gunzipSync(archive).toString();
  expect(text).toContain('host : h');
  expect(text).toContain('@@xennuma:n xl list failed with status 1');
});
