// The messages that arrive at a notification socket, compared with those of systemd's own program.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { libcIfThere } from '../xenstore/server/libc.js';
import { serviceManager } from './service-manager.js';

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    for line in s.recv(4096).decode().splitlines():
        print(line, flush=True)
`;

function missing(): string | null {
  for (const program of ['systemd-notify', 'python3']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    } catch {
      return program;
    }
  }
  return null;
}

const lacking = missing();
if (lacking !== null) console.log(`the tests of the service manager are skipped: there is no ${lacking}`);

let receiver: ChildProcess | undefined;
let folder: string | undefined;
afterEach(() => {
  receiver?.kill('SIGKILL');
  if (folder !== undefined) rmSync(folder, { recursive: true });
  receiver = folder = undefined;
});

/** A notification socket, and the lines that arrive at it. */
async function socket(): Promise<{ path: string; next: () => Promise<string> }> {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-notify-'));
  const path = join(folder, 'notify');
  receiver = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: receiver.stdout! })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  expect(await next()).toBe('bound');
  return { path, next };
}

const refuse = (message: string): void => {
  throw new Error(message);
};

describe.skipIf(lacking !== null)('a service that systemd started', () => {
  it('says that it is ready, and that it ends', async () => {
    const { path, next } = await socket();
    const manager = serviceManager(refuse, { ...process.env, NOTIFY_SOCKET: path });
    manager.ready();
    await manager.ending();
    const seen: string[] = [];
    while (seen.at(-1) !== 'STOPPING=1') seen.push(await next());
    // systemd-notify says for whom it speaks, and waits until systemd has read it.
    expect(new Set(seen)).toEqual(new Set([`MAINPID=${process.pid}`, 'READY=1', 'STOPPING=1', 'BARRIER=1']));
    expect(seen.indexOf('READY=1')).toBeLessThan(seen.indexOf('STOPPING=1'));
  });

  it('gives signs of life again and again while a watchdog waits for them', async () => {
    const { path, next } = await socket();
    const manager = serviceManager(refuse, {
      ...process.env,
      NOTIFY_SOCKET: path,
      WATCHDOG_USEC: '100000',
      WATCHDOG_PID: `${process.pid}`,
    });
    manager.ready();
    let signs = 0;
    while (signs < 3) if ((await next()) === 'WATCHDOG=1') signs++;
    expect(signs).toBe(3);
    await manager.ending();
  });

  it('gives none when the watchdog waits for another process', async () => {
    const { path, next } = await socket();
    const manager = serviceManager(refuse, { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' });
    manager.ready();
    const seen: string[] = [await next()];
    await new Promise((done) => setTimeout(done, 50));
    await manager.ending();
    while (seen.at(-1) !== 'STOPPING=1') seen.push(await next());
    expect(seen).not.toContain('WATCHDOG=1');
  });
});

it.skipIf(lacking !== null || libcIfThere() === undefined)('by the C library where it can, without any program', async () => {
  const { path, next } = await socket();
  const manager = serviceManager(refuse, { PATH: '/nonexistent', NOTIFY_SOCKET: path }, libcIfThere()!.datagram);
  manager.ready();
  await manager.ending();
  expect([await next(), await next()]).toEqual(['READY=1', 'STOPPING=1']);
  const complaints: string[] = [];
  const gone = serviceManager((message) => complaints.push(message), { NOTIFY_SOCKET: `${path}-gone` }, libcIfThere()!.datagram);
  gone.ready();
  await gone.ending();
  expect(complaints).toEqual([expect.stringMatching(/^systemd was not told READY=1: /), expect.stringMatching(/STOPPING=1/)]);
});

it('complains once for each word that does not arrive, and goes on', async () => {
  const complaints: string[] = [];
  await new Promise<void>((done) => {
    const manager = serviceManager(
      (message) => {
        complaints.push(message);
        done();
      },
      { PATH: '/nonexistent', NOTIFY_SOCKET: '/nonexistent/notify' },
    );
    manager.ready();
  });
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toMatch(/^systemd was not told READY=1: /);
});

it('runs nothing where no service manager asks', async () => {
  const manager = serviceManager(refuse, { PATH: '/nonexistent' });
  manager.ready();
  await expect(manager.ending()).resolves.toBeUndefined();
});
