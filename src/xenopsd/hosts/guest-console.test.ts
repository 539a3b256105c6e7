// The console on a real terminal pair: the test holds the side that xenconsoled has.
import { closeSync, readSync, writeSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { createXenstore } from '../../xenstore/in-process.js';
import { attachConsole, findTerminal } from './guest-console.js';

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;

/** A terminal in raw mode, as xenconsoled makes it. */
function pseudoTerminal(): { guest: number; path: string } {
  const libc = koffi.load('libc.so.6');
  const guest: number = libc.func('int posix_openpt(int flags)')(O_RDWR | O_NOCTTY | O_NONBLOCK);
  libc.func('int grantpt(int fd)')(guest);
  libc.func('int unlockpt(int fd)')(guest);
  const path: string = libc.func('str ptsname(int fd)')(guest);
  // struct termios is 60 bytes; cfmakeraw clears echo and line editing.
  const termios = Buffer.alloc(60);
  libc.func('int tcgetattr(int fd, void *termios)')(guest, termios);
  libc.func('void cfmakeraw(void *termios)')(termios);
  libc.func('int tcsetattr(int fd, int actions, void *termios)')(guest, 0, termios);
  return { guest, path };
}

async function until<T>(value: () => T | null): Promise<T> {
  for (let tries = 0; tries < 1000; tries++) {
    const found = value();
    if (found !== null) return found;
    await sleep(10);
  }
  throw new Error('it did not come');
}

/** What came to the guest's side, once there is something. */
function heard(guest: number): Promise<string> {
  const buffer = Buffer.alloc(100_000);
  return until(() => {
    try {
      return buffer.toString('utf8', 0, readSync(guest, buffer));
    } catch {
      return null;
    }
  });
}

function session() {
  const { guest, path } = pseudoTerminal();
  const input = new PassThrough();
  const output = new PassThrough();
  return { guest, input, output, end: attachConsole({ domid: 3, path }, { input, output }) };
}

describe('a console', () => {
  it("shows the guest's output, sends the user's input, and ends with Ctrl-]", async () => {
    const { guest, input, output, end } = session();
    await sleep(50);
    writeSync(guest, 'login: ');
    expect(await until<Buffer>(() => output.read())).toEqual(Buffer.from('login: '));
    input.write('ro');
    input.write('ot\u0003\n\u001dnot for the guest');
    expect(await end).toBe('detached');
    let all = '';
    while (all.length < 6) all += await heard(guest);
    expect(all).toBe('root\u0003\n');
    closeSync(guest);
  });

  it('is left at the end of the input, when all of it was sent', async () => {
    const { guest, input, end } = session();
    const text = 'x'.repeat(20_000);
    input.end(text);
    let all = '';
    while (all.length < text.length) all += await heard(guest);
    expect(all).toBe(text);
    expect(await end).toBe('detached');
    closeSync(guest);
  });

  it('ends when the guest goes', async () => {
    const { guest, end } = session();
    await sleep(50);
    closeSync(guest);
    expect(await end).toBe('ended');
  });

  it('leaves no descriptor that is closed a second time when memory is collected', async () => {
    const warnings: string[] = [];
    const warned = (warning: Error) => warnings.push(warning.message);
    process.on('warning', warned);
    for (let console = 0; console < 3; console++) {
      const { guest, input, end } = session();
      input.end();
      expect(await end).toBe('detached');
      closeSync(guest);
    }
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    await sleep(20);
    process.off('warning', warned);
    expect(warnings.filter((text) => /file descriptor|FileHandle/.test(text))).toEqual([]);
  });

  it('says when the terminal cannot be opened', async () => {
    const user = { input: new PassThrough(), output: new PassThrough() };
    await expect(attachConsole({ domid: 3, path: '/nonexistent/tty' }, user)).rejects.toThrow('cannot be opened');
  });
});

describe('the terminal of a guest', () => {
  it('is found by name, else by domain id', async () => {
    const xs = createXenstore({ personality: 'xenstored' }).connect(0);
    for (const [domid, name] of [
      [3, 'web'],
      [7, '3'],
      [8, 'quiet'],
    ] as const) {
      await xs.write(`/local/domain/${domid}/name`, name);
      if (name !== 'quiet') await xs.write(`/local/domain/${domid}/console/tty`, `/dev/pts/${domid}`);
    }
    expect(await findTerminal(xs, 'web')).toEqual({ domid: 3, path: '/dev/pts/3' });
    expect(await findTerminal(xs, '3'), 'a name goes before an id').toEqual({ domid: 7, path: '/dev/pts/7' });
    expect((await findTerminal(xs, '7')).domid).toBe(7);
    // Only numbers are domains there.
    for (const name of ['x5', '5x']) {
      await xs.write(`/local/domain/${name}/name`, name);
      await xs.write(`/local/domain/${name}/console/tty`, '/dev/pts/5');
      await expect(findTerminal(xs, name)).rejects.toThrow(`no guest '${name}' runs here`);
    }
    await expect(findTerminal(xs, 'nobody')).rejects.toThrow("no guest 'nobody' runs here");
    await expect(findTerminal(xs, 'quiet')).rejects.toThrow('has no console');
  });
});
