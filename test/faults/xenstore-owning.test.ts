// Who owns a socket, how it is handed over, and what signals and logs do: our server as a process.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { encodeMessage, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { temporaryFolder } from '../support/temporary.js';
import { root } from '../xennuma.js';
import { type Daemon, PROGRAM, startOurs } from '../xenstore/daemons.js';
import { RawConnection } from '../xenstore/recorder.js';

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

test.each([true, false])(
  "what is in the way of a domain's socket ends nothing, and the socket comes later (koffi: %s)",
  { timeout: 60_000 },
  async (koffi) => {
    const daemon = await start('xenstored', { domainSockets: true, state: true, koffi });
    const xs = await connectXenstore({ path: daemon.socket });
    const path = join(daemon.folder, 'domains/5');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'precious');
    await xs.introduce(5, 1n, 1);
    expect(daemon.said()).toContain('domain 5 has no socket yet: there is a file that is not a socket');
    expect(readFileSync(path, 'utf8')).toBe('precious');
    await xs.introduce(6, 1n, 1);
    await (await connectXenstore({ path: join(daemon.folder, 'domains/6') })).close();
    rmSync(path);
    await vi.waitUntil(() => daemon.said().includes('domain 5 has its socket'), { timeout: 30_000 });
    const guest = await connectXenstore({ path });
    expect(await guest.domainPath(5)).toBe('/local/domain/5');
    await guest.close();
    await xs.close();
  },
);

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

/** Whether the process has a handler of its own for SIGUSR2 (number 12), as the kernel says. */
function handlesSigusr2(pid: number): boolean {
  const caught = /^SigCgt:\s+([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]!;
  return (BigInt(`0x${caught}`) & (1n << 11n)) !== 0n;
}

const restartsOf = (daemon: { said: () => string }): number => daemon.said().split('restarted, still listening').length - 1;

test.each(['xenstored', 'oxenstored'] as const)(
  '%s: SIGUSR2 in the middle of a transaction, and again while the new program starts, loses nothing',
  { timeout: 360_000 },
  async (personality) => {
    const daemon = await start(personality, { state: true, domainSockets: true });
    const pid = daemon.process.pid!;
    let breaks = 0;
    const xs = await connectXenstore({ path: daemon.socket, onConnection: () => breaks++ });
    await xs.introduce(3, 1n, 1);
    await xs.mkdir('/local/domain/3');
    await xs.setPermissions('/local/domain/3', [{ domid: 3, access: 'n' }]);
    const guest = await connectXenstore({ path: join(daemon.folder, 'domains/3'), onConnection: () => breaks++ });
    const events = (await guest.watch('name', 'w'))[Symbol.asyncIterator]();
    await events.next();
    for (const [round, gapMs] of [0, 20, 80, 150, 300].entries()) {
      const tx = await xs.transactionStart();
      await xs.write(`/round/${round}`, 'in', tx);
      const before = restartsOf(daemon);
      daemon.process.kill('SIGUSR2');
      await delay(gapMs);
      daemon.process.kill('SIGUSR2');
      await xs.write('/local/domain/3/name', `${round}`);
      // The new program is there once the kernel shows its first argument, and takes a signal once
      // it has a handler.
      const executed = () => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--import');
      if (round === 0) await vi.waitUntil(executed, { timeout: 60_000, interval: 1 });
      else await vi.waitUntil(() => !handlesSigusr2(pid) || restartsOf(daemon) > before, { timeout: 60_000, interval: 1 });
      await vi.waitUntil(() => handlesSigusr2(pid), { timeout: 60_000, interval: 1 });
      daemon.process.kill('SIGUSR2');
      expect((await events.next()).value).toEqual({ path: 'name', token: 'w' });
      expect(await xs.read(`/round/${round}`, tx)).toBe('in');
      // The last request is not lost either: what is installed by then is what runs.
      await vi.waitUntil(() => restartsOf(daemon) >= before + 2, { timeout: 60_000 });
      await xs.transactionEnd(tx, true);
      expect(await guest.read('name')).toBe(`${round}`);
    }
    expect(await xs.directory('/round')).toHaveLength(5);
    expect({ breaks, exit: daemon.process.exitCode, signal: daemon.process.signalCode }).toEqual({ breaks: 0, exit: null, signal: null });
    await guest.close();
    await xs.close();
  },
);

test('SIGUSR2 while the daemon loads its modules and its state: it serves, and then restarts', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder('xennuma-early-');
  const socket = join(folder, 'socket');
  const child = spawn(process.execPath, [PROGRAM, 'xenstored', '--socket', socket, '--state', join(folder, 'state')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    await vi.waitUntil(() => handlesSigusr2(child.pid!), { timeout: 60_000, interval: 1 });
    expect(existsSync(socket)).toBe(false);
    child.kill('SIGUSR2');
    await vi.waitUntil(() => said.includes('restarted, still listening'), { timeout: 60_000 });
    expect(said).toMatch(/^xenstored: listening at /);
    const xs = await connectXenstore({ path: socket });
    await xs.write('/a', '1');
    expect(await xs.read('/a')).toBe('1');
    await xs.close();
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  } finally {
    child.kill('SIGKILL');
  }
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
  const folder = temporaryFolder('xennuma-log-');
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
  const folder = temporaryFolder('xennuma-fds-');
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
