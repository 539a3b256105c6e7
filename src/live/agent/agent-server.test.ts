// The agent's socket: no request, of any kind, ends it or affects the next request.
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentServer } from './agent-server.js';
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
const server = agentServer(agent, () => {});

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
