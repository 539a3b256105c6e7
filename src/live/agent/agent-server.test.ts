// The agent's socket: no request, of any kind, ends it or affects the next request.
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentServer, LINES_A_MINUTE, MOST_CONNECTIONS, REQUESTS_AT_ONCE } from './agent-server.js';
import type { PlaceAgent } from './place-agent.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-agent-server-'));
const socket = join(folder, 'socket');
const requests: [number, number][] = [];
const agent = {
  place: (domid: number, mib: number) => {
    requests.push([domid, mib]);
    return { verdict: 'placed', cpus: '0-7' };
  },
} as unknown as PlaceAgent;
let nowMs = 0;
const lines: string[] = [];
const server = agentServer(
  agent,
  (line) => void lines.push(line),
  () => nowMs,
);

beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)));
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** The status line and the text. */
function get(target: string, method = 'GET'): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = createConnection(socket, () => client.write(`${method} ${target} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n`));
    let text = '';
    client.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    client.on('close', () => resolve(`${text.split('\r\n')[0]} ${text.split('\r\n\r\n')[1]?.split('\r\n').join(' ')}`)).on('error', reject);
  });
}

describe('the agent answers', () => {
  it('a placement', async () => {
    expect(await get('/place?domid=5&mib=2048')).toMatch(/^HTTP\/1.1 200 OK .*placed 0-7/s);
    expect(requests).toEqual([[5, 2048]]);
  });

  it.each(['//', 'http://[', '/other', '*'])('%s with 404', async (target) => {
    expect(await get(target)).toMatch(/^HTTP\/1.1 404/);
  });

  it.each(['domid=0&mib=1', 'domid=32752&mib=1', 'domid=5&mib=0', 'domid=5&mib=67108865', 'domid=5', 'domid=-1&mib=1'])(
    '%s with 400, and plans nothing',
    async (query) => {
      const before = requests.length;
      expect(await get(`/place?${query}`)).toMatch(/^HTTP\/1.1 400/);
      expect(requests).toHaveLength(before);
    },
  );

  it('the greatest domain and size that there are', async () => {
    await get('/place?domid=32751&mib=67108864');
    expect(requests.at(-1)).toEqual([32_751, 67_108_864]);
  });
});

/** @returns connections that have sent this and wait */
async function connections(count: number, sent: string): Promise<Socket[]> {
  const made: Socket[] = [];
  for (let at = 0; at < count; at++) {
    const client = createConnection(socket, () => client.write(sent));
    client.resume().on('error', () => {});
    made.push(client);
    if (at % 64 === 0) await new Promise((done) => client.once('connect', done));
  }
  return made;
}

const openConnections = () => new Promise<number>((done) => server.getConnections((_, count) => done(count)));

describe('greedy clients', () => {
  it.each(['', 'GET /place?domid=9&mib=1 HTTP/1.1\r\nHost: a\r\n', 'POST /place HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx'])(
    'connections that send %j take no room from a whole request',
    async (sent) => {
      const clients = await connections(2 * MOST_CONNECTIONS, sent);
      nowMs += 60_000;
      expect(await get('/place?domid=9&mib=1')).toMatch(/placed 0-7/);
      expect(await openConnections()).toBeLessThanOrEqual(MOST_CONNECTIONS);
      for (const client of clients) client.destroy();
    },
  );

  it('a connection that has not sent a whole request is closed, others are not counted with it', async () => {
    const [client] = await connections(1, 'GET /place');
    await new Promise((done) => client!.once('close', done));
    expect(await get('/place?domid=9&mib=1')).toMatch(/200 OK/);
  });

  it('one domain is placed so often at once, and another one still is', async () => {
    nowMs += 60_000;
    const before = requests.length;
    for (let at = 0; at < REQUESTS_AT_ONCE; at++) expect(await get('/place?domid=11&mib=1')).toMatch(/^HTTP\/1.1 200/);
    expect(await get('/place?domid=11&mib=1')).toMatch(/^HTTP\/1.1 429 .*left domain 11 was asked for more than 5 times at once/s);
    expect(await get('/place?domid=12&mib=1')).toMatch(/^HTTP\/1.1 200/);
    nowMs += 1000;
    expect(await get('/place?domid=11&mib=1')).toMatch(/^HTTP\/1.1 200/);
    expect(requests.length - before).toBe(REQUESTS_AT_ONCE + 2);
  });

  it('a long request is refused, and the log has short lines, so many a minute', async () => {
    nowMs += 60_000;
    expect(await get(`/${'a'.repeat(5000)}`)).toMatch(/^HTTP\/1.1 431/);
    lines.splice(0);
    await get(`/${'a'.repeat(3000)}`);
    expect(lines[0]).toHaveLength(200 + ': expected GET /place?domid=N&mib=N'.length);
    for (let at = 1; at < LINES_A_MINUTE + 3; at++) await get('/x');
    expect(lines).toHaveLength(LINES_A_MINUTE);
    nowMs += 60_000;
    await get('/x');
    expect(lines.slice(-2)).toEqual([
      `3 requests have no line here: more than ${LINES_A_MINUTE} in a minute`,
      '/x: expected GET /place?domid=N&mib=N',
    ]);
  });
});
