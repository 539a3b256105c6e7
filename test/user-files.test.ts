// Files that a user names and that are no plain files: every command and option reads them by one
// reader, within bounds, and says what is wrong. None is a fault of xennuma.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DUMP, INFO, LIST } from './support/listings.js';
import { root, xennuma, xennumaProcess } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-user-files-'));
const capture = join(folder, 'capture.txt');
const socket = join(folder, 'socket');
const server = createServer();
beforeAll(async () => {
  writeFileSync(capture, `${INFO}${LIST}${DUMP}`);
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

let fifos = 0;
function fifo(): string {
  const file = join(folder, `fifo-${++fifos}`);
  expect(spawnSync('mkfifo', [file]).status).toBe(0);
  return file;
}

const HOST = ['--host', 'examples/hosts/two-nodes.yaml'];
/** Each option that names a file, by what it reads. */
const READERS: Readonly<Record<string, (file: string) => readonly string[]>> = {
  'show --from': (file) => ['show', '--from', file],
  'capture --from': (file) => ['capture', '--from', file, '-o', join(folder, 'never.tgz')],
  'plan --host': (file) => ['plan', '--host', file, '--vms', 'examples/vms/dozen.yaml'],
  'plan --vms': (file) => ['plan', ...HOST, '--vms', file],
  'show --cpupools': (file) => ['plan', ...HOST, '--vms', 'examples/vms/dozen.yaml', '--cpupools', file],
  run: (file) => ['run', file, ...HOST],
  replay: (file) => ['replay', file, '--hosts', '2', '--nodes', '2'],
  'verify --pool -pwf': (file) => ['verify', '--pool', 'http://127.0.0.1:9', '-pwf', file],
  'verify --pool --ca': (file) => ['verify', '--pool', 'https://127.0.0.1:9', '--ca', file],
  'serve --config': (file) => ['serve', '--config', file],
  'serve --tls-cert': (file) => ['serve', ...HOST, '--tls-cert', file, '--tls-key', file],
  'serve --users': (file) => ['serve', ...HOST, '--users', file],
  'serve restore': (file) => ['serve', 'restore', file, '--into', join(folder, 'restored')],
  'fleet --fleet-key': (file) => ['fleet', 'show', '--fleet', 'nats://127.0.0.1:9', '--fleet-key', file],
  'fleet --fleet-ca': (file) => ['fleet', 'show', '--fleet', 'tls://127.0.0.1:9', '--fleet-ca', file],
};
const FOLDERS = ['show --from', 'capture --from'];

describe.each(Object.entries(READERS))('%s', (name, words) => {
  it.each<readonly [string, string, RegExp]>([
    ['a device without end', '/dev/zero', /expected at most 1 MiB from a device, got more; name a file|not a regular file/],
    ['a socket', socket, /got a socket|cannot be read: ENXIO|not a regular file/],
    ...(FOLDERS.includes(name) ? [] : [['a folder', folder, /expected a file, got a directory|not a regular file/] as const]),
    ['a file below a file', join(capture, 'below'), /there is no such|ENOTDIR/],
  ])('refuses %s', (_, file, message) => {
    const { code, out, err } = xennuma(words(file));
    expect(err).toMatch(message);
    expect(err).toContain(file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});

it.each([
  ['--from', '512 MiB', 513],
  ['--from', '64 MiB of text', 65],
  ['--host', '64 MiB', 65],
  ['--fleet-key', '1 MiB', 2],
  ['replay', '500 MiB', 501],
])('says the bound of %s: %s', (option, bound, mib) => {
  const long = join(folder, 'long');
  writeFileSync(long, 'x\n'.repeat(10));
  truncateSync(long, mib * 2 ** 20);
  const reader = Object.entries(READERS).find(([name]) => name.endsWith(option))!;
  const { code, err } = xennuma(reader[1](long));
  expect(err).toMatch(new RegExp(`expected at most ${bound}.*, got ${mib} MiB`));
  expect(code).toBe(2);
  rmSync(long);
});

it('says the bound of --users, which the daemon reads itself', () => {
  const long = join(folder, 'users');
  writeFileSync(long, '', { mode: 0o600 });
  truncateSync(long, 17 * 2 ** 20);
  const { code, err } = xennuma(READERS['serve --users']!(long));
  expect(err).toContain(`the file has ${17 * 2 ** 20} bytes; expected at most ${16 * 2 ** 20}`);
  expect(code).toBe(2);
});

it('a trace of empty lines is refused before it fills the memory', () => {
  const trace = join(folder, 'lines.csv.gz');
  writeFileSync(trace, gzipSync(Buffer.concat([Buffer.from('time,vcpus,memory,duration\n'), Buffer.alloc(21_000_000, '\n')])));
  const { code, err } = xennuma(['replay', trace, '--hosts', '2', '--nodes', '2']);
  expect(err).toContain('expected at most 20001000 lines, got more; split the trace');
  expect(code).toBe(2);
});

it('xe says it in its own words', () => {
  for (const [file, message] of [
    ['/dev/zero', "Error: password file '/dev/zero' is longer than 1 MiB\n"],
    [folder, `Error opening password file '${folder}'\n`],
    [fifo(), /^Error opening password file /],
  ] as const) {
    const { code, err } = xennuma(['xe', '-s', '127.0.0.1', '-p', '9', '-pwf', file, 'vm-list']);
    expect(err).toMatch(message);
    expect(code).toBe(1);
  }
});

describe('a named pipe', () => {
  it.each(['show --from', 'plan --host', 'replay'])('that nobody writes ends %s', (name) => {
    const { code, err } = xennuma(READERS[name]!(fifo()));
    expect(err).toContain('nobody has written to this pipe for 5 seconds; start the command that writes it first');
    expect(code).toBe(2);
  });

  it('is read to its end, from a writer that starts late and is slow', async () => {
    const pipe = fifo();
    const child = spawn(process.execPath, ['dist/xennuma.js', 'show', '--from', pipe], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await delay(500);
    const script = 'exec > "$1"; sleep 1; head -c 100 "$2"; sleep 1; tail -c +101 "$2"';
    spawn('sh', ['-c', script, 'sh', pipe, capture], { stdio: 'ignore' });
    expect(await ended).toBe(0);
    expect(out).toBe(xennuma(['show', '--from', capture]).out);
  });
});

describe.skipIf(!existsSync('/bin/bash'))('process substitution', () => {
  const bash = (script: string) =>
    spawnSync('/bin/bash', ['-c', script, 'bash', process.execPath, 'dist/xennuma.js', capture], { cwd: root, encoding: 'utf8' });

  it.each([
    ['--from', '"$1" "$2" show --from <(sleep 1; cat "$3")'],
    ['--from of an archive', '"$1" "$2" show --from <(gzip -c "$3")'],
    ['a writer of single bytes', '"$1" "$2" show --from <(dd bs=1 if="$3" status=none)'],
    ['--host', '"$1" "$2" show --host <(cat "$3")'],
  ])('%s', (_, script) => {
    const { status, stdout, stderr } = bash(script);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('node 1');
  });

  it('of a command that prints nothing is an empty text', () => {
    const { status, stderr } = bash('"$1" "$2" show --host <(true)');
    expect(stderr).toContain('got an empty file');
    expect(status).toBe(2);
  });
});

describe('a folder', () => {
  it('of the kernel is no report', () => {
    const { code, err } = xennumaProcess(['show', '--from', '/proc']);
    expect(err).toMatch(/^xennuma: \/proc\S*: [^\n]+\n$/);
    expect(code).toBe(2);
  });

  it('is read past pipes, sockets, links in a circle and endless files', () => {
    const odd = join(folder, 'odd');
    mkdirSync(odd);
    spawnSync('sh', ['-c', 'mkfifo "$1/pipe"; ln -s . "$1/circle"; ln -s /dev/zero "$1/zero"; : > "$1/empty"', 'sh', odd]);
    writeFileSync(join(odd, 'huge.log'), 'nothing of ours\n');
    truncateSync(join(odd, 'huge.log'), 2 ** 42);
    writeFileSync(join(odd, 'capture.txt'), readFileSync(capture));
    const { code, out, err } = xennuma(['show', '--from', odd]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe(xennuma(['show', '--from', capture]).out);
  });
});

it('standard input has the bounds of a file', () => {
  for (const words of [
    ['show', '--from', '-'],
    ['plan', '--host', '-', '--vms', 'examples/vms/dozen.yaml'],
  ]) {
    const { status, stderr } = spawnSync('sh', ['-c', '"$@" < /dev/zero', 'sh', process.execPath, 'dist/xennuma.js', ...words], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stderr).toContain('expected at most 1 MiB from a device');
    expect(status).toBe(2);
  }
});
