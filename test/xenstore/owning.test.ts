// Who owns a socket, how it is handed over, and what signals and logs do: our server as a process.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { encodeMessage, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { root } from '../xennuma.js';
import { type Daemon, PROGRAM, startOurs } from './daemons.js';
import { RawConnection } from './recorder.js';

const started: Daemon[] = [];
async function start(...args: Parameters<typeof startOurs>): Promise<Daemon> {
  const daemon = await startOurs(...args);
  started.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of started.splice(0)) await daemon.kill();
});

/** Runs the command until it ends. */
async function ends(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ code: number | null; err: string }> {
  const child = spawn(process.execPath, [PROGRAM, 'xenstored', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 20_000,
  });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, err };
}

test('a live server keeps its socket, a dead one leaves it, a file that is no socket stays', { timeout: 60_000 }, async () => {
  const daemon = await start('xenstored');
  const second = await ends(['--socket', daemon.socket]);
  expect(second.code).toBe(2);
  expect(second.err).toMatch(/holds this socket|answers at this socket/);
  const xs = await connectXenstore({ path: daemon.socket });
  await xs.write('/a', '1');
  await xs.close();
  await daemon.kill();
  expect(existsSync(daemon.socket)).toBe(true);
  const next = await start('xenstored', { folder: daemon.folder });
  expect(statSync(next.socket).mode & 0o777).toBe(0o600);
  await next.stop();
  expect(existsSync(next.socket)).toBe(false);
  writeFileSync(daemon.socket, 'precious');
  const refused = await ends(['--socket', daemon.socket]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('not a socket');
  expect(statSync(daemon.socket).size).toBe(8);
});

test('a socket that is another one by now is not removed at the end', { timeout: 60_000 }, async () => {
  const daemon = await start('xenstored');
  rmSync(daemon.socket);
  writeFileSync(daemon.socket, 'of somebody else');
  await daemon.stop();
  expect(existsSync(daemon.socket)).toBe(true);
});

test('the default path is refused where a XenStore answers, unless forced', { timeout: 60_000 }, async () => {
  const host = await start('xenstored');
  const refused = await ends([], { XENSTORED_PATH: host.socket });
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/a XenStore answers at .*--force/s);
});

test('sockets of domains are private', { timeout: 60_000 }, async () => {
  const daemon = await start('xenstored', { domainSockets: true });
  const xs = await connectXenstore({ path: daemon.socket });
  await xs.introduce(3, 1n, 1);
  expect(statSync(join(daemon.folder, 'domains/3')).mode & 0o777).toBe(0o600);
  await xs.close();
});

test('SIGUSR2 twice within a second, and SIGHUP: nobody notices', { timeout: 360_000 }, async () => {
  const daemon = await start('xenstored');
  let breaks = 0;
  let restarts = 0;
  const xs = await connectXenstore({ path: daemon.socket, onConnection: () => breaks++ });
  await xs.write('/kept', 'yes');
  for (const gapMs of [0, 50, 150, 300, 600]) {
    daemon.process.kill('SIGUSR2');
    await delay(gapMs);
    daemon.process.kill('SIGUSR2');
    daemon.process.kill('SIGHUP');
    expect(await xs.read('/kept')).toBe('yes');
    // It waits for a second without a request before it restarts.
    restarts++;
    await vi.waitUntil(() => daemon.said().split('restarted, still listening').length > restarts, { timeout: 60_000 });
    expect(await xs.read('/kept')).toBe('yes');
  }
  expect(daemon.process.exitCode).toBeNull();
  expect(breaks).toBe(0);
  await xs.close();
});

test('a program that does not start any more is not executed: the old one goes on', { timeout: 120_000 }, async () => {
  // Beside node_modules, where the command finds koffi.
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const copy = mkdtempSync(join(cache, 'xennuma-copy-'));
  cpSync(dirname(PROGRAM), copy, { recursive: true });
  const file = join(copy, basename(PROGRAM));
  const daemon = await start('xenstored', { program: file });
  const xs = await connectXenstore({ path: daemon.socket });
  await xs.write('/kept', 'yes');
  writeFileSync(file, 'import "./half-installed.js";\n');
  daemon.process.kill('SIGUSR2');
  await vi.waitUntil(() => daemon.said().includes('the installed program does not start'), { timeout: 60_000 });
  rmSync(copy, { recursive: true });
  expect(await xs.read('/kept')).toBe('yes');
  await xs.write('/kept', 'still');
  expect(await xs.read('/kept')).toBe('still');
  expect(daemon.process.exitCode).toBeNull();
  await xs.close();
});

test('a log that nobody reads does not stop the daemon', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-log-'));
  const socket = join(folder, 'socket');
  // Its pipe is never read.
  const child = spawn(process.execPath, [PROGRAM, 'xenstored', '--socket', socket], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    while (!existsSync(socket)) await delay(50);
    child.stderr.pause();
    const xs = await RawConnection.open(socket);
    for (let at = 0; at < 2000; at++) {
      expect((await xs.request(MESSAGE.control, `print\0${'x'.repeat(500)}\0`)).payload).toBe('OK\0');
    }
    xs.close();
  } finally {
    child.kill('SIGKILL');
  }
});

test('greedy guests: connections, unread answers and attempts leave domain 0 and others alone', { timeout: 120_000 }, async () => {
  const daemon = await start('xenstored', { domainSockets: true });
  const dom0 = await connectXenstore({ path: daemon.socket });
  for (const domid of [3, 4]) {
    await dom0.introduce(domid, 1n, 1);
    await dom0.mkdir(`/local/domain/${domid}`);
    await dom0.setPermissions(`/local/domain/${domid}`, [{ domid, access: 'n' }]);
  }
  await dom0.write('/local/domain/3/fat', 'x'.repeat(1900));
  await dom0.setPermissions('/local/domain/3/fat', [{ domid: 3, access: 'n' }]);
  const path = join(daemon.folder, 'domains/3');
  const question = Buffer.concat(Array.from({ length: 2000 }, () => encodeMessage(MESSAGE.read, 1, 0, 'fat\0')));
  const greedy = Array.from({ length: 300 }, () => {
    const socket = connect(path);
    socket.on('error', () => {});
    socket.pause();
    socket.write(question);
    return socket;
  });
  await delay(500);
  const other = await connectXenstore({ path: join(daemon.folder, 'domains/4') });
  await other.write('mine', 'yes');
  expect(await other.read('mine')).toBe('yes');
  const again = await connectXenstore({ path: daemon.socket });
  await again.write('/of-dom0', 'yes');
  expect(await dom0.read('/of-dom0')).toBe('yes');
  const residentKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8'))![1]);
  expect(residentKib).toBeLessThan(250 * 1024);
  for (const socket of greedy) socket.destroy();
  await other.close();
  await again.close();
  await dom0.close();
});

test('without a file descriptor left it does not spin, and goes on when one is free', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-fds-'));
  const socket = join(folder, 'socket');
  const child = spawn('sh', ['-c', 'ulimit -n 40; exec "$@"', 'sh', process.execPath, PROGRAM, 'xenstored', '--socket', socket], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    while (!existsSync(socket)) await delay(50);
    const first = await RawConnection.open(socket);
    const many = Array.from({ length: 60 }, () => connect(socket).on('error', () => {}));
    await delay(300);
    const ticks = (): number => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
      return Number(fields[11]) + Number(fields[12]);
    };
    const before = ticks();
    await delay(1500);
    // 100 ticks a second: a loop that spins would have used most of 150.
    expect(ticks() - before).toBeLessThan(40);
    expect((await first.request(MESSAGE.getDomainPath, '1\0')).payload).toBe('/local/domain/1\0');
    for (const each of many) each.destroy();
    const late = await RawConnection.open(socket);
    expect((await late.request(MESSAGE.getDomainPath, '2\0')).payload).toBe('/local/domain/2\0');
    late.close();
    first.close();
  } finally {
    child.kill('SIGKILL');
  }
});
