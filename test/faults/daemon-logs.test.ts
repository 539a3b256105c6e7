// Daemons whose log has no room, no reader, or a reader that stopped: they go on.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../xennuma.js';

/** Where NATS is looked for: how often says that the daemon goes on. */
let connections = 0;
const port: Server = createServer((socket) => {
  connections++;
  socket.destroy();
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((done) => port.listen(0, '127.0.0.1', done));
  url = `nats://127.0.0.1:${(port.address() as { port: number }).port}`;
});
afterAll(() => void port.close());

async function connectedAgain(times: number): Promise<void> {
  for (const least = connections + times; connections < least; ) await new Promise((done) => setTimeout(done, 50));
}

/** It logs that its servers do not answer. */
const WORDS = ['fleet', 'work', '--fleet'];

describe('fleet work', () => {
  it('goes on with a log on a full disk, and ends with 0', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['dist/xennuma.js', ...WORDS, url], { cwd: root, stdio: ['ignore', full, full] });
    closeSync(full);
    const ended = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? code)));
    await Promise.race([connectedAgain(6), ended]);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('goes on when nobody reads its log any more', async () => {
    const child = spawn(process.execPath, ['dist/xennuma.js', ...WORDS, url], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? code)));
    child.stdout.destroy();
    child.stderr.destroy();
    await Promise.race([connectedAgain(6), ended]);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
