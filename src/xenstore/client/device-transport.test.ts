import { closeSync, constants, openSync, read, write } from 'node:fs';
import koffi from 'koffi';
import { expect, test } from 'vitest';
import { XenError } from '../../base/errors.js';
import { createEngine } from '../in-process.js';
import { type Bytes, encodeMessage, HEADER_BYTES } from '../protocol/wire.js';
import { XenstoreClient } from './client.js';
import { connectXenstore } from './connect.js';
import { type Device, DeviceTransport } from './device-transport.js';

/** Bytes of requests in, bytes of replies and events out: the store behind the kernel's device. */
function createBackend(send: (bytes: Buffer) => void): (chunk: Buffer) => void {
  const engine = createEngine({ personality: 'xenstored' });
  const client = engine.connect(0, {
    reply: (type, requestId, txId, payload) => send(encodeMessage(type, requestId, txId, Buffer.from(payload, 'latin1'))),
    event: (path, token) => send(encodeMessage(15, 0, 0, Buffer.from(`${path}\0${token}\0`, 'latin1'))),
  });
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < HEADER_BYTES) return;
      const end = HEADER_BYTES + rest.readUInt32LE(12);
      if (rest.length < end) return;
      const [type, requestId, txId] = [rest.readUInt32LE(0), rest.readUInt32LE(4), rest.readUInt32LE(8)];
      engine.process(client, { type, requestId, txId, bytes: rest as Bytes, start: HEADER_BYTES, end });
      rest = rest.subarray(end);
    }
  };
}

/**
 * As the kernel's device: a read waits until there is something, and a read or a write may take
 * less than was asked.
 */
class ShortDevice implements Device {
  closed = false;
  #waiting = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #most: number;
  readonly #backend = createBackend((bytes) => {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#wake?.();
  });

  constructor(most: number) {
    this.#most = most;
  }

  async read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const bytesRead = Math.min(length, this.#most, this.#waiting.length);
    this.#waiting.copy(buffer, offset, 0, bytesRead);
    this.#waiting = this.#waiting.subarray(bytesRead);
    return { bytesRead };
  }

  async write(buffer: Buffer, offset: number, length: number): Promise<{ bytesWritten: number }> {
    if (this.#ended) throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    const bytesWritten = Math.min(length, this.#most);
    this.#backend(Buffer.from(buffer.subarray(offset, offset + bytesWritten)));
    return { bytesWritten };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}

async function exercise(xs: XenstoreClient): Promise<void> {
  const watch = await xs.watch('/dev-test', 'token');
  await xs.write('/dev-test/a', 'x'.repeat(4000));
  expect(await xs.read('/dev-test/a')).toBe('x'.repeat(4000));
  expect(await Promise.all(Array.from({ length: 40 }, (_, key) => xs.write(`/dev-test/k${key}`, String(key))))).toHaveLength(40);
  expect(await xs.directory('/dev-test')).toHaveLength(41);
  await xs.transaction(async (tx) => {
    await xs.write('/dev-test/tx', 'in', tx);
    await expect(xs.read('/dev-test/tx')).rejects.toMatchObject({ errno: 'ENOENT' });
  });
  expect(await xs.read('/dev-test/tx')).toBe('in');
  const seen: string[] = [];
  for await (const { path } of watch) {
    seen.push(path);
    if (path === '/dev-test/tx') break;
  }
  expect(seen.slice(0, 2)).toEqual(['/dev-test', '/dev-test/a']);
}

for (const most of [1, 7, 4096]) {
  test(`reads and writes of ${most} bytes at most`, async () => {
    const device = new ShortDevice(most);
    const xs = new XenstoreClient(new DeviceTransport(device), {});
    await exercise(xs);
    await xs.close();
    await expect.poll(() => device.closed).toBe(true);
  });
}

test('a message past the buffer of the kernel, header and all, is E2BIG, and the next one goes', async () => {
  const xs = new XenstoreClient(new DeviceTransport(new ShortDevice(4096)), {});
  // 4,096 bytes: 16 of header, "/a" with its NUL, and the value.
  await xs.write('/a', 'x'.repeat(4077));
  await expect(xs.write('/a', 'y'.repeat(4078))).rejects.toMatchObject({ errno: 'E2BIG' });
  expect(await xs.read('/a')).toBe('x'.repeat(4077));
  await xs.close();
});

test('a device that ends fails what is under way with EIO, and is closed', async () => {
  const device = new ShortDevice(4096);
  const xs = new XenstoreClient(new DeviceTransport(device), {});
  await xs.write('/a', '1');
  device.end();
  const error = await xs.read('/a').catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(XenError);
  await expect.poll(() => device.closed).toBe(true);
  await expect(xs.read('/a')).rejects.toMatchObject({ errno: 'EINVAL' });
});

test.skipIf(process.platform !== 'linux')('a character device of the kernel, a terminal without its line discipline', async () => {
  const { master, path, keep } = openTerminal();
  let closing = false;
  const out: Buffer[] = [];
  let writing = false;
  const pump = (): void => {
    const next = out[0];
    if (writing || next === undefined) return;
    writing = true;
    write(master, next, 0, next.length, null, (error, count) => {
      writing = false;
      if (error !== null) return;
      if (count === next.length) out.shift();
      else out[0] = next.subarray(count);
      pump();
    });
  };
  const backend = createBackend((bytes) => {
    out.push(bytes);
    pump();
  });
  const buffer = Buffer.alloc(512);
  const listen = (): void =>
    read(master, buffer, 0, buffer.length, null, (error, count) => {
      if (closing || error !== null || count === 0) return;
      backend(Buffer.from(buffer.subarray(0, count)));
      listen();
    });
  listen();
  const xs = await connectXenstore({ path, reconnect: false });
  await exercise(xs);
  closing = true;
  await xs.close();
  closeSync(keep);
});

/** A pseudo-terminal that passes bytes on as they are; `keep` holds its other side open. */
function openTerminal(): { master: number; path: string; keep: number } {
  const libc = koffi.load('libc.so.6');
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  const must = (result: number): void => {
    if (result !== 0) throw new Error(`errno ${koffi.errno()}`);
  };
  must(libc.func('int grantpt(int)')(master) as number);
  must(libc.func('int unlockpt(int)')(master) as number);
  const path = libc.func('const char *ptsname(int)')(master) as string;
  const keep = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const termios = Buffer.alloc(256);
  must(libc.func('int tcgetattr(int, void *)')(keep, termios) as number);
  libc.func('void cfmakeraw(void *)')(termios);
  must(libc.func('int tcsetattr(int, int, void *)')(keep, 0, termios) as number);
  return { master, path, keep };
}

test('a transport that is closed before it is used closes the device', () => {
  const device = new ShortDevice(1);
  new DeviceTransport(device).close();
  expect(device.closed).toBe(true);
});
