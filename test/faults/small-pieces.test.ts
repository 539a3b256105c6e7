// Callers that send their bytes in the smallest pieces, or break off: what they cost is charged to
// them, and is no fault of the daemon.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it, vi } from 'vitest';
import { type TestDaemon, testDaemon, testFront } from '../support/daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CHUNKED = 'POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n';
const PIECE = '1\r\n \r\n';

async function served(): Promise<{ daemon: TestDaemon; faults: unknown[]; open: () => Promise<Socket> }> {
  const daemon = await testDaemon();
  const faults: unknown[] = [];
  const front = await testFront(daemon, { failed: (error) => faults.push(error) });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  const open = async (): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: front.port });
    ends.push(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  return { daemon, faults, open };
}

/** What the process keeps, once nothing is left to collect. */
async function kept(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((done) => setImmediate(done));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const sent = (socket: Socket, text: string) => new Promise((done) => socket.write(text, done));

it('memory of bodies in pieces of one byte is no more than a few times what is charged', { timeout: 60_000 }, async () => {
  const { daemon, open } = await served();
  const [callers, pieces] = [40, 12_000];
  const sockets = await Promise.all(Array.from({ length: callers }, open));
  const before = await kept();
  for (const socket of sockets) await sent(socket, CHUNKED + PIECE.repeat(pieces));
  await vi.waitFor(() => expect(daemon.ledger.held('bytes')).toBeGreaterThanOrEqual(callers * pieces), 30_000);
  const charged = daemon.ledger.held('bytes');
  // The parser and the socket of each connection have buffers of their own.
  expect((await kept()) - before).toBeLessThan(4 * charged + callers * 200_000);
});

it('a body in too many pieces is refused before its end', async () => {
  const { daemon, open } = await served();
  const socket = await open();
  const answer = once(socket, 'data') as Promise<[Buffer]>;
  await sent(socket, CHUNKED + PIECE.repeat(20_000));
  expect(String((await answer)[0])).toMatch(/^HTTP\/1\.1 413 [\s\S]*in at most 16384 pieces\n$/);
  expect(daemon.ledger.held('bytes')).toBe(0);
});

it('a whole body in pieces of one byte is answered', async () => {
  const { open } = await served();
  const socket = await open();
  const answer = once(socket, 'data') as Promise<[Buffer]>;
  const body = '{"jsonrpc":"2.0","id":1,"method":"system.listMethods","params":[]}';
  await sent(socket, [CHUNKED, ...[...body].map((char) => `1\r\n${char}\r\n`), '0\r\n\r\n'].join(''));
  expect(String((await answer)[0])).toMatch(/^HTTP\/1\.1 200 /);
});

it.each([
  ['chunked', `${CHUNKED}5\r\nab`],
  ['of a known length', 'POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nab'],
  ['of /, XML-RPC', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nab'],
  ['with a chunk that is none', `${CHUNKED}2\r\nab\r\nzz\r\n`],
])('a body %s that its caller breaks off is no fault, and nothing stays charged', async (_, text) => {
  const { daemon, faults, open } = await served();
  const socket = await open();
  await sent(socket, text);
  await vi.waitFor(() => expect(daemon.ledger.held('connections')).toBe(1), 10_000);
  await new Promise((done) => setTimeout(done, 50));
  socket.destroy();
  await vi.waitFor(() => expect(daemon.ledger.held('connections')).toBe(0), 10_000);
  expect(daemon.ledger.held('bytes')).toBe(0);
  expect(faults).toEqual([]);
});
