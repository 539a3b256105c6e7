// TLS that never becomes a connection: garbage, and handshakes that stop in the middle, of one
// address. They are charged to it like connections, and the calls of others and of the owner pass.
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHARES } from '../../src/xapi/calls/ledger.js';
import { HTTP_LIMITS, type HttpFront } from '../../src/xapi/http/http-server.js';
import { makeSelfSigned } from '../../src/xapi/http/self-signed.js';
import { type TestDaemon, testDaemon, testFront } from '../support/daemon.js';

const [GREEDY, OTHER, OWNER] = ['127.0.0.2', '127.0.0.3', '127.0.0.1'];
let daemon: TestDaemon;
let front: HttpFront;
let tls: { cert: string; key: string };
beforeAll(async () => {
  daemon = await testDaemon();
  tls = await makeSelfSigned(['localhost']);
  front = await testFront(daemon, { tls, failed: () => {} });
});
afterAll(async () => {
  await front.close();
  await daemon.close();
});

/** @returns the status of a call over TLS */
function status(from: string, port = front.port): Promise<number | undefined> {
  return new Promise((done, failed) => {
    const options = {
      host: '127.0.0.1',
      localAddress: from,
      port,
      path: '/jsonrpc',
      method: 'POST',
      agent: false,
      rejectUnauthorized: false,
    };
    const sent = request({ ...options, headers: { host: 'localhost' } }, (response) => {
      response.resume().once('end', () => done(response.statusCode));
    });
    sent.once('error', failed);
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.get_all', params: [daemon.session] }));
  });
}

/** Connections of one address that send these bytes and then nothing. */
function connections(count: number, bytes: Buffer, port = front.port): Promise<Socket[]> {
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((done) => {
          const socket = connect({ host: '127.0.0.1', localAddress: GREEDY, port }, () => {
            if (bytes.length > 0) socket.write(bytes);
            done(socket);
          });
          socket.resume().on('error', () => {});
        }),
    ),
  );
}

/** A record of TLS that says to be a handshake of 512 bytes, and its first bytes. */
const HALF_HELLO = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
const free = () => expect.poll(() => daemon.ledger.held('connections'), { timeout: 20_000 }).toBe(0);
const closed = (socket: Socket): Promise<unknown> => new Promise((done) => (socket.closed ? done(null) : socket.once('close', done)));

describe('one address', { timeout: 60_000 }, () => {
  it.each([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['random bytes', Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 193 + 89) % 256))],
    ['a record that is too long', Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff]), Buffer.alloc(65_535, 1)])],
    ['an alert', Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28])],
  ])('that sends %s instead of a handshake is cut off, and nothing stays charged to it', async (_, bytes) => {
    const sockets = await connections(100, bytes);
    await Promise.all(sockets.map(closed));
    await free();
    expect(await status(OWNER)).toBe(200);
    await free();
  });

  it.each([
    ['says nothing', Buffer.alloc(0)],
    ['stops in a handshake', HALF_HELLO],
  ])('that %s on all the connections it can get has its share of them; others and the owner pass', async (_, bytes) => {
    const sockets = await connections(SHARES.connections.each + 100, bytes);
    await expect.poll(() => sockets.filter((socket) => socket.closed).length, { timeout: 20_000 }).toBe(100);
    expect(daemon.ledger.held('connections')).toBe(SHARES.connections.each);
    expect([await status(OTHER), await status(OWNER)]).toEqual([200, 200]);
    await expect(status(GREEDY)).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    await free();
    expect(await status(GREEDY)).toBe(200);
  });

  it('that stops in a handshake is cut off when the time for handshakes is up', async () => {
    const short = await testFront(daemon, { tls, failed: () => {}, limits: { ...HTTP_LIMITS, handshakeMs: 200 } });
    const sockets = await connections(20, HALF_HELLO, short.port);
    await Promise.all(sockets.map(closed));
    await free();
    // A handshake that ended in time is a connection like any other.
    expect(await status(OTHER, short.port)).toBe(200);
    await short.close();
  });
});
