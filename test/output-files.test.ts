// Files that commands write: whole, or as they were before.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root, xennuma } from './xennuma.js';

const HOST = join(root, 'examples/hosts/four-nodes.yaml');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-output-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('an earlier file stays as it was where the new one has no room, and no part of one is left', () => {
  const earlier = join(folder, 'earlier.html');
  writeFileSync(earlier, 'earlier');
  for (const file of [earlier, join(folder, 'new.html')]) {
    // Files of at most 4 KiB, as on a disk that is nearly full.
    const words = [
      '-c',
      'ulimit -f 8; exec "$@"',
      'sh',
      process.execPath,
      join(root, 'dist/xennuma.js'),
      'show',
      '--host',
      HOST,
      '--html',
      file,
    ];
    const { status, stderr } = spawnSync('sh', words, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringMatching(/\.html: cannot be written: EFBIG.*; make room there/)]);
  }
  expect([readdirSync(folder), readFileSync(earlier, 'utf8')]).toEqual([['earlier.html'], 'earlier']);
});

it('a file keeps its mode, a link leads to it, and a device is written to', () => {
  const [page, link] = [join(folder, 'page.html'), join(folder, 'link.html')];
  writeFileSync(page, 'earlier');
  chmodSync(page, 0o640);
  symlinkSync('page.html', link);
  expect(xennuma(['show', '--host', HOST, '--html', link]).code).toBe(0);
  expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>/);
  expect([statSync(page).mode & 0o777, readdirSync(folder).sort()]).toEqual([0o640, ['link.html', 'page.html']]);
  symlinkSync('/dev/null', join(folder, 'null.html'));
  expect(xennuma(['show', '--host', HOST, '--html', join(folder, 'null.html')]).code).toBe(0);
  symlinkSync('/dev/full', join(folder, 'full.html'));
  expect(xennuma(['show', '--host', HOST, '--html', join(folder, 'full.html')])).toMatchObject({
    code: 2,
    err: expect.stringContaining('make room'),
  });
});

it('a pipe is written when somebody reads it, and does not hold the command when nobody does', async () => {
  const pipe = join(folder, 'pipe.html');
  spawnSync('mkfifo', [pipe]);
  expect(xennuma(['show', '--host', HOST, '--html', pipe])).toMatchObject({
    code: 2,
    err: expect.stringContaining('pipe.html: nobody has read from this pipe for 5 seconds; start the command that reads it first'),
  });
  const copy = join(folder, 'copy.html');
  const reader = spawn('sh', ['-c', 'cat "$0" > "$1"', pipe, copy], { stdio: 'ignore' });
  const ended = new Promise((done) => reader.once('exit', done));
  expect(xennuma(['show', '--host', HOST, '--html', pipe]).code).toBe(0);
  await ended;
  const page = readFileSync(copy, 'utf8');
  expect(page).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
}, 60_000);
