// Turns by work: guests that ask for much with few bytes, on many connections, and domain 0 beside
// them. Turns and requests are counted, not time.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createEngine } from '../in-process.js';
import { encodeMessage, MESSAGE } from '../protocol/wire.js';
import type { Personality } from '../store/limits.js';
import { NodeServer } from './node-server.js';
import { PollServer } from './poll-server.js';

const PERSONALITIES = ['xenstored', 'oxenstored'] as const;
const CONNECTIONS = 8;
/** How often each connection sends its requests, at once. */
const DEPTH = 100;
/** The cheapest ones that fit into a turn of guests, and one that is begun for each of them. */
const MOST_A_TURN = 8000 / 20 + 12;

const ends: (() => void)[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const end of ends.splice(0)) end();
});

const home = (domid: number): string => `/local/domain/${domid}`;
const KINDS: Readonly<Record<string, (domid: number) => Buffer[]>> = {
  'a folder of many': (domid) => [encodeMessage(MESSAGE.directory, 1, 0, `${home(domid)}\0`)],
  'a deep chain, made and removed': (domid) => [
    encodeMessage(MESSAGE.mkdir, 1, 0, `${home(domid)}/z${'/a'.repeat(40)}\0`),
    encodeMessage(MESSAGE.rm, 1, 0, `${home(domid)}/z\0`),
  ],
  'a deep path that is missing': (domid) => [encodeMessage(MESSAGE.rm, 1, 0, `${home(domid)}${'/a'.repeat(500)}\0`)],
};

async function open(path: string): Promise<Socket> {
  const socket = connect({ path });
  sockets.push(socket);
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return socket;
}

/** A server with guests that have 300 nodes each; `served` = the domain of each request. */
function host(Server: typeof PollServer | typeof NodeServer, personality: Personality, guests: number) {
  const engine = createEngine({ personality });
  const server = new Server({ engine });
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-fair-'));
  ends.push(() => {
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const own = engine.connect(0, { reply: () => {}, event: () => {} });
  const ask = (type: number, payload: string): void => {
    const bytes = Buffer.from(payload, 'latin1');
    engine.process(own, { type, requestId: 1, txId: 0, bytes: bytes as never, start: 0, end: bytes.length });
  };
  for (let domid = 0; domid <= guests; domid++) {
    server.open(join(folder, String(domid)), domid);
    for (let at = 0; domid > 0 && at < 300; at++) ask(MESSAGE.write, `${home(domid)}/${'k'.repeat(12)}${at}\0v`);
    if (domid > 0) ask(MESSAGE.setPermissions, `${home(domid)}\0n${domid}\0`);
  }
  const served: number[] = [];
  const process = engine.process.bind(engine);
  engine.process = (client, request) => {
    served.push(client.domid);
    process(client, request);
  };
  const connections = async (domid: number, count: number): Promise<Socket[]> => {
    const opened: Socket[] = [];
    for (let at = 0; at < count; at++) opened.push((await open(join(folder, String(domid)))).resume());
    return opened;
  };
  const servedOf = (domid: number): number => served.filter((one) => one === domid).length;
  return { server, served, servedOf, connections };
}

const times = (count: number, messages: readonly Buffer[]): Buffer => Buffer.concat(Array.from({ length: count }, () => messages).flat());
const READ = encodeMessage(MESSAGE.read, 1, 0, '/\0');

/** How many requests of guests were served at most between two of domain 0's. */
function longestWait(served: readonly number[]): number {
  let [longest, wait] = [0, 0];
  for (const domid of served) {
    wait = domid === 0 ? 0 : wait + 1;
    longest = Math.max(longest, wait);
  }
  return longest;
}

describe.each(PERSONALITIES)('%s: beside guests that ask for', (personality) => {
  const kinds = Object.keys(KINDS);
  test.each(kinds)('%s domain 0 is first in each turn, and a turn ends, whatever their number', async (kind) => {
    for (const guests of [3, 12]) {
      const { server, served, connections } = host(PollServer, personality, guests);
      const poll = server as PollServer;
      void poll.run(0);
      const [dom0] = await connections(0, 1);
      const all: [Socket, Buffer][] = [];
      for (let domid = 1; domid <= guests; domid++)
        for (const socket of await connections(domid, CONNECTIONS)) all.push([socket, times(DEPTH, KINDS[kind]!(domid))]);
      for (const [socket, bytes] of all) socket.write(bytes);
      for (let turn = 0; turn < 6; turn++) {
        dom0!.write(READ);
        const before = served.length;
        poll.turn(0);
        expect(served[before]).toBe(0);
        const of = served.slice(before + 1);
        expect(of.length).toBeGreaterThan(0);
        expect(of.length).toBeLessThanOrEqual(MOST_A_TURN);
      }
      for (const [socket] of all) socket.destroy();
    }
  });

  test.each(kinds)('%s domain 0 is served between them without epoll, whatever their number', async (kind) => {
    for (const guests of [3, 12]) {
      const { server, served, connections } = host(NodeServer, personality, guests);
      void server.run();
      const [dom0] = await connections(0, 1);
      // A client that waits for each answer.
      dom0!.on('data', () => dom0!.write(READ));
      const all: [Socket, Buffer][] = [];
      for (let domid = 1; domid <= guests; domid++)
        for (const socket of await connections(domid, CONNECTIONS)) all.push([socket, times(DEPTH, KINDS[kind]!(domid))]);
      dom0!.write(READ);
      for (const [socket, bytes] of all) socket.write(bytes);
      await vi.waitUntil(() => served.filter((domid) => domid !== 0).length > 1500, { timeout: 10_000, interval: 2 });
      // A request and its answer take some passes of the loop that both ends share.
      expect(longestWait(served)).toBeLessThanOrEqual(3 * MOST_A_TURN);
      for (const [socket] of all) socket.destroy();
    }
  });
});

describe.each([PollServer, NodeServer])('$name', (Server) => {
  test('guests share by domain, not by connection, and everyone gets all answers', async () => {
    const { server, served, servedOf, connections } = host(Server, 'oxenstored', 2);
    void (server instanceof PollServer ? server.run(0) : server.run());
    const many = await connections(1, 16);
    const [one] = await connections(2, 1);
    let bytes = 0;
    one!.on('data', (chunk: Buffer) => (bytes += chunk.length));
    const read = (domid: number) => encodeMessage(MESSAGE.read, 1, 0, `${home(domid)}\0`);
    for (const socket of many) socket.write(times(200, [read(1)]));
    one!.end(times(500, [read(2)]));
    await vi.waitUntil(() => servedOf(2) === 500, { timeout: 10_000, interval: 1 });
    const last = served.lastIndexOf(2);
    // Two shares of a turn ahead at most: a share is less than 100 of these.
    expect(served.slice(0, last).filter((domid) => domid === 1).length).toBeLessThan(500 + 2 * 100);
    await vi.waitUntil(() => servedOf(1) === 16 * 200 && bytes === 500 * 16, { timeout: 10_000, interval: 1 });
  });
});
