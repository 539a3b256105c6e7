// Requests on one connection before the answers to earlier ones.
import { connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { type TestDaemon, testDaemon, testFront } from '../../../../test/support/daemon.js';
import { pagesOf } from '../pages.js';
import { MOST_PIPELINED } from './pipelined.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function served(): Promise<{ daemon: TestDaemon; port: number }> {
  const daemon = await testDaemon();
  const front = await testFront(daemon, { pages: pagesOf(daemon, null, true) });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  return { daemon, port: front.port };
}

function post(method: string, ...params: unknown[]): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: method, method, params });
  return `POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** Sends requests at once. @returns all that comes back until the connection ends */
function sendAll(port: number, requests: readonly string[], until: (text: string) => boolean): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(requests.join('')));
    let text = '';
    socket.on('data', (piece) => {
      text += String(piece);
      if (until(text)) socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? done(text) : failed(error)));
    socket.once('close', () => done(text));
  });
}

const answersIn = (text: string): number => text.split('HTTP/1.1 200').length - 1;

it('answers as many as may wait, in their order', async () => {
  const { daemon, port } = await served();
  const requests = Array.from({ length: MOST_PIPELINED + 1 }, (_, index) =>
    post(index % 2 === 0 ? 'VM.get_all' : 'host.get_all', daemon.session),
  );
  const idsIn = (text: string): string[] => [...text.matchAll(/"id":"([A-Za-z_.]+)"/g)].map(([, method]) => method!);
  const order = idsIn(await sendAll(port, requests, (got) => idsIn(got).length === requests.length));
  expect(order).toEqual(requests.map((_, index) => (index % 2 === 0 ? 'VM.get_all' : 'host.get_all')));
});

it('closes a connection on which more wait', async () => {
  const { daemon, port } = await served();
  const token = ((await daemon.call('event.from', ['VM'], '', 0)) as { token: string }).token;
  const waits = Array.from({ length: MOST_PIPELINED + 2 }, () => post('event.from', daemon.session, ['VM'], token, 60.5));
  expect(answersIn(await sendAll(port, waits, () => false))).toBe(0);
  await vi.waitFor(() => expect(daemon.ledger.held('calls')).toBe(0));
});

it.each([
  ['calls that wait for events', (session: string, token: string) => post('event.from', session, ['VM'], token, 3600.5)],
  ['streams of events', () => 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n'],
])('leaves nothing of %s when the client is gone', async (_name, request) => {
  const { daemon, port } = await served();
  const token = ((await daemon.call('event.from', ['VM'], '', 0)) as { token: string }).token;
  const one = request(daemon.session, token);
  const socket = connect({ host: '127.0.0.1', port }, () => socket.write(one.repeat(5)));
  await vi.waitFor(() => expect(daemon.ledger.held('watchers')).toBeGreaterThan(0));
  socket.destroy();
  await vi.waitFor(
    () => expect([daemon.ledger.held('watchers'), daemon.ledger.held('calls'), daemon.events.watchers]).toEqual([0, 0, 0]),
    5000,
  );
});
