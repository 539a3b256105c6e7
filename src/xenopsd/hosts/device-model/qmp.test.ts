// QEMU's monitor, with a stand-in for QEMU that writes what a compromised QEMU could write.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QmpClient } from './qmp.js';

const GREETING = '{"QMP": {"version": {}}}\n';
let folder: string;
let path: string;
let server: Server;
let open: Set<Socket>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-qmp-'));
  path = join(folder, 'qmp');
  open = new Set();
});
afterEach(() => {
  server.close();
  for (const socket of open) socket.destroy();
  rmSync(folder, { recursive: true });
});

/** @param answers to one command after the other */
function qemu(greeting: string, ...answers: readonly string[]): Promise<void> {
  const left = [...answers];
  server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => {});
    socket.write(greeting);
    socket.on('data', () => socket.write(left.shift() ?? '{"return": {}}\n'));
  });
  return new Promise((resolve) => server.listen(path, resolve));
}

async function untilClosed(): Promise<void> {
  while (open.size > 0) await new Promise((done) => setTimeout(done, 5));
}

describe('the monitor', () => {
  it('gives answers in order, and passes over events', async () => {
    await qemu(GREETING, '{"return": {}}\n', '{"event": "RESUME"}\n{"return": [1]}\n', '{"error": {"desc": "no such command"}}\n');
    const client = await QmpClient.connect(path);
    expect(await client.execute('query-chardev')).toEqual([1]);
    await expect(client.execute('other')).rejects.toThrow('QMP: no such command');
    client.close();
    await untilClosed();
  });

  it.each(['null', '7', '"text"', 'no JSON'])('that writes %s fails the command, and is closed', async (line) => {
    await qemu(GREETING, '{"return": {}}\n', `${line}\n`);
    const client = await QmpClient.connect(path);
    await expect(client.execute('cont')).rejects.toThrow(`QMP: expected an object in JSON, got ${line}`);
    await untilClosed();
  });

  it.each([
    ['{"desc": {"toString": 1, "valueOf": 1}}', 'QMP: refused'],
    ['{"desc": ["no"]}', 'QMP: refused'],
    ['7', 'QMP: refused'],
    ['"text"', 'QMP: refused'],
    [`{"desc": "${'x'.repeat(1000)}"}`, `QMP: ${'x'.repeat(200)}`],
  ])('that refuses with %s fails the command only', async (error, reason) => {
    await qemu(GREETING, '{"return": {}}\n', `{"error": ${error}}\n`, '{"return": [2]}\n');
    const client = await QmpClient.connect(path);
    await expect(client.execute('cont')).rejects.toMatchObject({ message: reason });
    expect(await client.execute('query-chardev')).toEqual([2]);
    client.close();
    await untilClosed();
  });

  it('that greets with an error, or a line without an end, is closed', async () => {
    await qemu('{"error": null}\n');
    await expect(QmpClient.connect(path)).rejects.toThrow('QMP: refused');
    await untilClosed();
    server.close();
    path = join(folder, 'endless');
    await qemu('x'.repeat(2 ** 20 + 1));
    await expect(QmpClient.connect(path)).rejects.toThrow('QMP: the answer has no end');
    await untilClosed();
  });
});
