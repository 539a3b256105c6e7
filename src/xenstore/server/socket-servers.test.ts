// Both event loops of the server, in this process: the contract of every connection, and clients
// that do what they like.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { contract } from '../../../test/support/xenstore-contract.js';
import { type Loop, type RunningSockets, startSockets } from '../../../test/support/xenstore-sockets.js';
import { connectXenstore } from '../client/connect.js';
import { createEngine } from '../in-process.js';
import { encodeMessage, MESSAGE } from '../protocol/wire.js';
import { JournalFailure } from '../store/journaled.js';
import type { Personality } from '../store/limits.js';
import type { ServerLimits } from './client-limits.js';

const PERSONALITIES = ['xenstored', 'oxenstored'] as const;
const LOOPS = ['epoll', 'node'] as const;

const running: RunningSockets[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const each of running.splice(0)) each.stop();
});

for (const loop of LOOPS)
  for (const personality of PERSONALITIES)
    describe(`${personality} on ${loop}`, () => {
      contract(personality, async () => {
        const started = startSockets(loop, { engine: createEngine({ personality }) });
        return { connect: () => connectXenstore({ path: started.socket }), end: async () => started.stop() };
      });
    });

function start(
  loop: Loop,
  options: { personality?: Personality; limits?: Partial<ServerLimits>; commit?: () => void; written?: () => number } = {},
) {
  const { personality = 'xenstored', ...rest } = options;
  const engine = createEngine({ personality });
  const complaints: string[] = [];
  let turns = 0;
  const started = startSockets(loop, { engine, log: (line) => complaints.push(line), afterTurn: () => turns++, ...rest });
  running.push(started);
  return { ...started, engine, complaints, turns: () => turns };
}

/** A client in bytes: what came so far, and whether the server has closed it. */
async function raw(path: string) {
  const socket = connect({ path, allowHalfOpen: true });
  sockets.push(socket);
  let bytes = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  socket.on('error', () => {});
  socket.on('end', () => {
    closed = true;
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return {
    socket,
    get bytes() {
      return bytes;
    },
    get closed() {
      return closed;
    },
    /** Payloads of whole messages. */
    get answers(): string[] {
      const found: string[] = [];
      for (let at = 0; bytes.length - at >= 16; ) {
        const size = bytes.readUInt32LE(at + 12);
        if (bytes.length - at < 16 + size) break;
        found.push(bytes.subarray(at + 16, at + 16 + size).toString('latin1'));
        at += 16 + size;
      }
      return found;
    },
    async has(count: number): Promise<string[]> {
      await vi.waitUntil(() => this.answers.length >= count || closed, { timeout: 10_000, interval: 2 });
      return this.answers;
    },
    async ends(): Promise<void> {
      await vi.waitUntil(() => closed, { timeout: 10_000, interval: 2 });
    },
  };
}

const domainPath = (domid: number, requestId = 1) => encodeMessage(MESSAGE.getDomainPath, requestId, 0, `${domid}\0`);

describe.each(LOOPS)('clients on %s', (loop) => {
  test('a message in pieces, several in one piece, and one that stops in the middle', async () => {
    const { socket, server } = start(loop);
    const client = await raw(socket);
    const message = domainPath(5, 9);
    for (const byte of message) {
      client.socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.has(1)).toEqual(['/local/domain/5\0']);
    expect(client.bytes.readUInt32LE(4)).toBe(9);
    client.socket.write(Buffer.concat([domainPath(6), domainPath(7), domainPath(8).subarray(0, 17)]));
    expect(await client.has(3)).toEqual([5, 6, 7].map((domid) => `/local/domain/${domid}\0`));
    client.socket.write(domainPath(8).subarray(17));
    expect((await client.has(4))[3]).toBe('/local/domain/8\0');
    client.socket.end(domainPath(9).subarray(0, 10));
    await client.ends();
    expect(client.answers).toHaveLength(4);
    await vi.waitUntil(() => server.connectionCount === 0, { timeout: 10_000, interval: 2 });
  });

  test('one that says no more still gets its answers', async () => {
    const { socket } = start(loop);
    const client = await raw(socket);
    client.socket.end(Buffer.concat([domainPath(1), domainPath(2)]));
    await client.ends();
    expect(client.answers).toEqual(['/local/domain/1\0', '/local/domain/2\0']);
  });

  // The C daemon closes at once; oxenstored answers first (process.ml, Packet.Error).
  test.each(PERSONALITIES)('%s: a message that is too long ends that client alone', async (personality) => {
    const { socket, server } = start(loop, { personality });
    const [rude, calm] = [await raw(socket), await raw(socket)];
    rude.socket.write(Buffer.concat([domainPath(1), encodeMessage(MESSAGE.write, 7, 3, 'x'.repeat(4097)), domainPath(2)]));
    await rude.ends();
    if (personality === 'oxenstored') {
      expect(rude.answers).toEqual(['/local/domain/1\0', 'EINVAL\0']);
      const second = 16 + rude.answers[0]!.length;
      expect([0, 4, 8].map((at) => rude.bytes.readUInt32LE(second + at))).toEqual([MESSAGE.error, 7, 3]);
    } else {
      expect(rude.answers.length).toBeLessThanOrEqual(1);
    }
    calm.socket.write(encodeMessage(MESSAGE.write, 1, 0, `/longest\0${'x'.repeat(4096 - 9)}`));
    calm.socket.write(domainPath(3));
    expect((await calm.has(2))[1]).toBe('/local/domain/3\0');
    expect(server.connectionCount).toBe(1);
  });

  test('more connections of domain 0 than may be are refused, and one may come when one has gone', async () => {
    const { socket, server, complaints } = start(loop, { limits: { connections: 2 } });
    const [first, second] = [await raw(socket), await raw(socket)];
    first.socket.write(domainPath(1));
    second.socket.write(domainPath(1));
    await first.has(1);
    await second.has(1);
    const third = await raw(socket);
    await third.ends();
    expect(complaints).toEqual(['domain 0 has too many connections: one was refused']);
    expect(server.connectionCount).toBe(2);
    first.socket.end();
    await vi.waitUntil(() => server.connectionCount === 1, { timeout: 10_000, interval: 2 });
    const fourth = await raw(socket);
    fourth.socket.write(domainPath(4));
    expect(await fourth.has(1)).toEqual(['/local/domain/4\0']);
  });

  test('connections of guests have a limit for each domain', async () => {
    const { folder, server, complaints, engine } = start(loop, { limits: { guestConnections: 1 } });
    expect(engine.personality).toBe('xenstored');
    server.open(`${folder}/3`, 3);
    server.open(`${folder}/4`, 4);
    const first = await raw(`${folder}/3`);
    first.socket.write(domainPath(3));
    expect(await first.has(1)).toEqual(['/local/domain/3\0']);
    const second = await raw(`${folder}/3`);
    await second.ends();
    expect(complaints).toEqual(['domain 3 has too many connections: one was refused']);
    const other = await raw(`${folder}/4`);
    other.socket.write(domainPath(4));
    expect(await other.has(1)).toEqual(['/local/domain/4\0']);
    // A domain that goes takes its socket and connections along, and nobody else's.
    server.shut(3);
    await first.ends();
    expect(server.connectionCount).toBe(1);
    await expect(connectXenstore({ path: `${folder}/3`, reconnect: false })).rejects.toThrow('no XenStore here');
    other.socket.write(domainPath(5));
    expect(await other.has(2)).toHaveLength(2);
  });

  test('one that does not read is disconnected when more than may be waits for it', async () => {
    const { socket, complaints, server } = start(loop, { limits: { waitingBytes: 300_000 } });
    const deaf = await raw(socket);
    deaf.socket.write(encodeMessage(MESSAGE.watch, 1, 0, '/flood\0t\0'));
    await deaf.has(2);
    deaf.socket.pause();
    const writer = await connectXenstore({ path: socket });
    const name = 'n'.repeat(1000);
    for (let round = 0; complaints.length === 0 && round < 40; round++)
      await Promise.all(Array.from({ length: 100 }, (_, at) => writer.mkdir(`/flood/${round}-${at}-${name}`)));
    expect(server.connectionCount).toBe(1);
    expect(complaints).toEqual(['domain 0 does not read: a connection with too many waiting bytes was closed']);
    await writer.close();
  });

  test('of all connections of a domain that holds too much, the one with the most is disconnected', async () => {
    const { socket, complaints } = start(loop, { limits: { dom0WaitingBytes: 400_000 } });
    const writer = await connectXenstore({ path: socket });
    const [little, much] = [await raw(socket), await raw(socket)];
    for (const [client, watches] of [
      [little, 1],
      [much, 3],
    ] as const) {
      for (let at = 0; at < watches; at++) client.socket.write(encodeMessage(MESSAGE.watch, 1, 0, `/flood\0${at}\0`));
      await client.has(2 * watches);
      client.socket.pause();
    }
    const name = 'n'.repeat(1000);
    for (let round = 0; complaints.length === 0 && round < 40; round++)
      await Promise.all(Array.from({ length: 100 }, (_, at) => writer.mkdir(`/flood/${round}-${at}-${name}`)));
    expect(complaints).toEqual(['domain 0 does not read: the connection with the most waiting bytes was closed']);
    little.socket.resume();
    const before = little.answers.length;
    await little.has(before + 1);
    expect(little.closed).toBe(false);
    much.socket.resume();
    await much.ends();
    await writer.close();
  });

  test('one that asks without reading goes on when it reads, and gets each answer once', async () => {
    const { socket, complaints } = start(loop, { limits: { waitingReplyBytes: 50_000 } });
    const client = await raw(socket);
    client.socket.write(encodeMessage(MESSAGE.write, 1, 0, `/fat\0${'x'.repeat(2000)}`));
    await client.has(1);
    client.socket.pause();
    for (let at = 0; at < 2000; at++) client.socket.write(encodeMessage(MESSAGE.read, at, 0, '/fat\0'));
    const other = await connectXenstore({ path: socket });
    for (let at = 0; at < 20; at++) expect(await other.read('/fat')).toHaveLength(2000);
    client.socket.resume();
    expect(await client.has(2001)).toHaveLength(2001);
    const ids: number[] = [];
    for (let at = 16 + client.answers[0]!.length; at < client.bytes.length; at += 16 + 2000) ids.push(client.bytes.readUInt32LE(at + 4));
    expect(ids).toEqual(Array.from({ length: 2000 }, (_, at) => at));
    expect(complaints).toEqual([]);
    await other.close();
  });

  test('whose changes may be lost gets no answer; others do', async () => {
    let fails = false;
    let written = 0;
    const { socket, engine, turns } = start(loop, {
      written: () => written,
      commit: () => {
        if (fails) throw new JournalFailure('ENOSPC', undefined);
      },
    });
    const process = engine.process.bind(engine);
    engine.process = (client, request) => {
      if (request.type === MESSAGE.write) written++;
      process(client, request);
    };
    const [writer, reader] = [await raw(socket), await raw(socket)];
    writer.socket.write(encodeMessage(MESSAGE.write, 1, 0, '/a\0b'));
    expect(await writer.has(1)).toEqual(['OK\0']);
    fails = true;
    reader.socket.write(domainPath(1));
    writer.socket.write(encodeMessage(MESSAGE.write, 1, 0, '/a\0c'));
    await writer.ends();
    expect(writer.answers).toEqual(['OK\0']);
    reader.socket.write(domainPath(2));
    expect(await reader.has(2)).toHaveLength(2);
    expect(turns()).toBeGreaterThan(2);
  });
});
