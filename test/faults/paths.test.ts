// Paths given to options that write or listen, of every kind that cannot be used: each ends the
// command at once with one clear line and exit code 2 or 3, and nothing there is changed or added.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StateFolder } from '../../src/xapi/model/disk/sqlite.js';
import { xennuma } from '../xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-paths-'));
const at = (name: string) => join(folder, 'there', name);
const own = join(folder, 'own');
const silent: Server = createServer();
const isRoot = process.getuid!() === 0;

const PATHS = {
  'a dangling link': at('dangling'),
  'a link to a file': at('link'),
  'a link to a folder': at('linkfolder'),
  'a loop of links': at('loop'),
  'a folder': at('folder'),
  'a folder that others may write': at('openfolder'),
  'a FIFO': at('fifo'),
  'a socket that is in use': at('socket'),
  '/dev/null': '/dev/null',
  '/dev/zero': '/dev/zero',
  '/dev/full': '/dev/full',
  "another user's file": at('foreign'),
  "another user's folder": at('foreignfolder'),
  'a file that others may write': at('open'),
  'a file of something else': at('file'),
  'an empty file': at('empty'),
  'a sparse file of 1 TiB': at('sparse'),
  'a name of 256 characters': at('b'.repeat(256)),
  'a path of 5,000 characters': at('a'.repeat(5000)),
  'a name that would act on the terminal': at('\u001b[31m/x'),
  'a path below a file': at('file/x'),
  'a file with a slash': at('file/'),
  'no name': '',
} as const;
type Kind = keyof typeof PATHS;

const kinds = Object.keys(PATHS) as Kind[];
const without = (...left: readonly Kind[]) => kinds.filter((kind) => !left.includes(kind));
const NOT_A_FOLDER = without('a folder', 'a name that would act on the terminal');
/** It ends only after the five seconds that a XenStore has to answer. */
const SLOW: readonly Kind[] = ['a socket that is in use', '/dev/zero'];

const SERVE = ['serve', '--host', 'examples/hosts/two-nodes.yaml', '--listen', '127.0.0.1:0'];
const HOST = ['--host', 'examples/hosts/two-nodes.yaml'];
const OPTIONS: Readonly<Record<string, readonly [words: (path: string) => readonly string[], refused: readonly Kind[]]>> = {
  'xenstored --socket': [(path) => ['xenstored', '--socket', path], without('a name that would act on the terminal')],
  'xenstored --state': [(path) => ['xenstored', '--socket', join(own, 'socket'), '--state', path], without('an empty file')],
  'xenstored --domain-sockets': [(path) => ['xenstored', '--socket', join(own, 'socket'), '--domain-sockets', path], NOT_A_FOLDER],
  'serve --state': [(path) => [...SERVE, '--state', path], NOT_A_FOLDER],
  'serve --unix': [(path) => [...SERVE, '--unix', path], kinds],
  'serve passwd --file': [(path) => ['serve', 'passwd', 'joe', '--file', path], without('an empty file')],
  'serve backup FILE': [(path) => ['serve', 'backup', path, '--from', join(folder, 'state')], kinds],
  'serve restore --into': [(path) => ['serve', 'restore', join(folder, 'backup'), '--into', path], NOT_A_FOLDER],
  'fleet init': [
    (path) => ['fleet', 'init', path, '--servers', '127.0.0.1'],
    without('a folder', 'a link to a folder', 'a name that would act on the terminal'),
  ],
  'fleet join --folder': [(path) => ['fleet', 'join', 'xen-1', '--folder', path], kinds],
  'fleet capture --output': [
    (path) => ['fleet', 'capture', '--from', 'ssh://a', '--fleet', 'nats://127.0.0.1:9', '--output', path],
    // For the others the servers are looked for first, which are not there.
    kinds,
  ],
  'agent --install --shim': [
    (path) => ['agent', '--install', '--shim', path, '--builder', '/bin/sh', '--socket', '/run/a'],
    without('a name that would act on the terminal'),
  ],
  'agent --uninstall --shim': [
    (path) => ['agent', '--uninstall', '--shim', path],
    without('a name that would act on the terminal', 'a name of 256 characters'),
  ],
  'agent --install --builder': [(path) => ['agent', '--install', '--shim', join(own, 'shim'), '--builder', path], kinds],
  'console --xenstore': [(path) => ['console', 'web', '--xenstore', path], kinds],
  'run --xenstore': [(path) => ['run', 'examples/scenarios/chart.yaml', '--xenstore', path], without(...SLOW)],
  'show --html': [
    (path) => ['show', ...HOST, '--html', path === '' ? '' : `${path}.html`],
    [
      'a folder',
      'a loop of links',
      'a socket that is in use',
      'a name of 256 characters',
      'a path of 5,000 characters',
      'a path below a file',
      'no name',
    ],
  ],
};

/** Everything about the files that a command could change. */
function snapshot(): string[] {
  return readdirSync(join(folder, 'there'), { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { mode, uid, ino, size } = lstatSync(at(name));
      const isSmallFile = lstatSync(at(name)).isFile() && size < 1000;
      return `${name} ${mode.toString(8)} ${uid} ${ino} ${size} ${isSmallFile ? readFileSync(at(name), 'utf8') : ''}`;
    });
}

beforeAll(async () => {
  for (const name of ['there', 'own', 'state', 'there/folder', 'there/openfolder', 'there/foreignfolder', 'there/folder.html']) {
    mkdirSync(join(folder, name), { mode: 0o700 });
  }
  for (const name of ['file', 'foreign', 'open', 'folder/inside']) writeFileSync(at(name), 'precious\n', { mode: 0o644 });
  for (const name of ['empty', 'sparse']) writeFileSync(at(name), '', { mode: 0o600 });
  chmodSync(at('open'), 0o666);
  chmodSync(at('openfolder'), 0o777);
  truncateSync(at('sparse'), 2 ** 40);
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('file', at('link'));
  symlinkSync('folder', at('linkfolder'));
  for (const name of ['loop', 'loop.html']) symlinkSync(name, at(name));
  expect(spawnSync('mkfifo', [at('fifo')]).status).toBe(0);
  if (isRoot) for (const name of ['foreign', 'foreignfolder']) chownSync(at(name), 1234, 1234);
  // Listens, and never answers.
  await new Promise<void>((done) => silent.listen(at('socket'), done));
  symlinkSync('socket', at('socket.html'));
  const state = new StateFolder(join(folder, 'state'));
  state.commit([]);
  state.close();
  expect(xennuma(['serve', 'backup', join(folder, 'backup'), '--from', join(folder, 'state')])).toMatchObject({ code: 0 });
});
afterAll(() => {
  silent.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(Object.entries(OPTIONS))('%s', (_, [words, refused]) => {
  const here = refused.filter((kind) => isRoot || !kind.startsWith('another user'));
  it.each(here)('%s', (kind) => {
    const before = snapshot();
    const { code, out, err } = xennuma(words(PATHS[kind]), { input: 'password\n' });
    // The log of `serve` may have begun.
    expect(err).toMatch(/^(\{"level":30,[^\n]+\}\n)*xennuma: [^\n]+\n$/);
    expect(err).not.toMatch(/fault of xennuma|\bat .*\.js:\d+|node:internal|[^\P{Cc}\n]/u);
    expect(err.length).toBeLessThan(1500);
    expect([2, 3]).toContain(code);
    expect(out).toBe('');
    expect(snapshot()).toEqual(before);
    expect(readdirSync(own)).toEqual([]);
  });
});
