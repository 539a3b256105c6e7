// Large answers to a client that requests many and reads none: written out only where there is room
// for them, so that they cost others no time. The work is counted, not timed.
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseUsers } from '../../src/xapi/calls/users.js';
import type { HttpFront } from '../../src/xapi/http/http-server.js';
import { pagesOf } from '../../src/xapi/http/pages.js';
import { formatToken } from '../../src/xapi/model/events.js';
import { cheapUser } from '../support/cheap-user.js';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../support/daemon.js';

const [GREEDY, OWNER] = ['127.0.0.2', '127.0.0.1'];
const CONNECTIONS = 300;
const [VMS, DESCRIPTION] = [150, 'x'.repeat(60_000)];
/** Room for one answer of a user, but not for two. */
const BYTES = { total: 64 * 2 ** 20, each: 16 * 2 ** 20, reserve: 16 * 2 ** 20 };
const STREAMS = 200;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Reply {
  readonly status: number;
  readonly text: string;
}

let daemon: TestDaemon;
let front: HttpFront;
let eye: string;
let before = 0;

/** Large answers written out since the test began. */
const written = (): number => daemon.answers.written - before;

beforeEach(async () => {
  const users = parseUsers([cheapUser('root', 'admin', 'a'), cheapUser('eye', 'read-only', 'b')].join('\n'), 'users');
  daemon = await testDaemon({ users: () => users, shares: { bytes: BYTES } });
  front = await testFront(daemon, { failed: () => {}, pages: pagesOf(daemon, null, false) });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  const root = await login('root', 'a', OWNER);
  for (let index = 0; index < VMS; index++) {
    const params = [root, vmRecord(`vm-${index}`, { name_description: DESCRIPTION })];
    await daemon.dispatcher.call({ method: 'VM.create', params }, OWNER, new AbortController());
  }
  eye = await login('eye', 'b', GREEDY);
  before = daemon.answers.written;
});

async function login(user: string, password: string, from: string): Promise<string> {
  return (await daemon.dispatcher.call(
    { method: 'session.login_with_password', params: [user, password] },
    from,
    new AbortController(),
  )) as string;
}

function json(method: string, params: readonly unknown[]): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  return `POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function xml(method: string, params: readonly string[]): string {
  const values = params.map((value) => `<param><value>${value}</value></param>`).join('');
  const body = `<methodCall><methodName>${method}</methodName><params>${values}</params></methodCall>`;
  return `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function stream(session: string): string {
  const token = formatToken(daemon.database.published.lostBefore);
  return `GET /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${session}\r\nlast-event-id: ${token}\r\n\r\n`;
}

/** Sends a request on each of many connections, and reads nothing of the answers. */
async function readNothing(request: string, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port: front.port, localAddress: GREEDY }));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(
    sockets.map((socket) => {
      socket.on('error', () => {});
      socket.pause();
      return new Promise((done) => socket.once('connect', () => socket.write(request, done)));
    }),
  );
  return sockets;
}

/** Sends a request, and reads the whole answer. */
function read(request: string, from: string): Promise<Reply> {
  return new Promise((done, failed) => {
    const socket = connect({ host: '127.0.0.1', port: front.port, localAddress: from });
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    socket.once('error', failed);
    socket.once('close', () => {
      const text = Buffer.concat(pieces).toString('latin1');
      done({ status: Number(text.slice(9, 12)), text });
    });
    socket.write(request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
  });
}

const REQUESTS: readonly (readonly [name: string, request: (session: string) => string, count: number])[] = [
  ['VM.get_all_records over JSON-RPC', (session) => json('VM.get_all_records', [session]), CONNECTIONS],
  ['VM.get_all_records over XML-RPC', (session) => xml('VM.get_all_records', [session]), CONNECTIONS],
  ['VM.get_all_records_where', (session) => json('VM.get_all_records_where', [session, 'true']), CONNECTIONS],
  [
    'event.from',
    (session) => xml('event.from', [session, '<array><data><value>vm</value></data></array>', '', '<double>0</double>']),
    CONNECTIONS,
  ],
  ['/events', stream, STREAMS],
];

describe(`a client with ${CONNECTIONS} connections that reads nothing`, { timeout: 240_000 }, () => {
  it.each(REQUESTS)('of %s: no more is written out than there is room for, and others are served', async (_name, request, count) => {
    await readNothing(request(eye), count);
    const held = request === stream ? 'watchers' : 'calls';
    // The first is written out, and its call is over.
    await vi.waitFor(() => expect(daemon.ledger.held(held)).toBeGreaterThanOrEqual(count - 1), 120_000);
    const root = await login('root', 'a', OWNER);
    expect((await read(json('VM.get_all', [root]), OWNER)).status).toBe(200);
    // One of them takes more than half of what its user may have unread.
    expect(written()).toBeLessThanOrEqual(2);
    expect(daemon.ledger.held('bytes')).toBeLessThanOrEqual(BYTES.each);
    // An answer of the same size goes to another, who reads it.
    const answer = await read(json('VM.get_all_records', [root]), OWNER);
    expect([answer.status, answer.text.length > VMS * DESCRIPTION.length]).toEqual([200, true]);
    expect(written()).toBeLessThanOrEqual(3);
  });

  it('gets each of its answers once it reads them', async () => {
    const sockets = await readNothing(json('VM.get_all_records', [eye]).replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'), 8);
    await vi.waitFor(() => expect(daemon.ledger.held('calls')).toBe(7), 60_000);
    const lengths = sockets.map(
      (socket) =>
        new Promise<number>((done) => {
          let length = 0;
          socket.on('data', (piece: Buffer) => {
            length += piece.length;
          });
          socket.once('close', () => done(length));
          socket.resume();
        }),
    );
    for (const length of await Promise.all(lengths)) expect(length).toBeGreaterThan(VMS * DESCRIPTION.length);
    await vi.waitFor(() => expect(daemon.ledger.held('bytes')).toBe(0));
  });
});
