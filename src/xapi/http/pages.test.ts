// /events: the stream of changes. A client that reconnects continues where it stopped, and is told
// if it missed events.
import { get, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../../../test/support/daemon.js';
import { KEPT_DELETIONS } from '../model/published.js';
import { pagesOf } from './pages.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface ServerSent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** A client of /events: what EventSource of a browser does. */
class Client {
  readonly #response: IncomingMessage;
  readonly #found: ServerSent[] = [];
  #text = '';
  #arrived: () => void = () => {};
  ended = false;

  constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.#text += chunk;
      const blocks = this.#text.split('\n\n');
      this.#text = blocks.pop()!;
      for (const block of blocks) {
        const lines = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
        if (lines.has('data')) {
          this.#found.push({ id: lines.get('id') ?? '', event: lines.get('event')!, data: JSON.parse(lines.get('data')!) });
        }
      }
      this.#arrived();
    });
    response.on('close', () => {
      this.ended = true;
      this.#arrived();
    });
  }

  static open(port: number, query: string, headers: Record<string, string> = {}): Promise<Client> {
    return new Promise((done, failed) => {
      get({ host: '127.0.0.1', port, path: `/events${query}`, headers }, (response) => {
        expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'text/event-stream']);
        done(new Client(response));
      }).on('error', failed);
    });
  }

  async next(): Promise<ServerSent> {
    while (this.#found.length === 0) {
      if (this.ended) throw new Error('the stream ended');
      await new Promise<void>((done) => {
        this.#arrived = done;
      });
    }
    return this.#found.shift()!;
  }

  close(): void {
    this.#response.destroy();
  }
}

async function serving(): Promise<{ daemon: TestDaemon; port: number }> {
  const daemon = await testDaemon();
  const front = await testFront(daemon, { pages: pagesOf(daemon, null, true) });
  ends.push(async () => {
    await front.close();
    await daemon.close();
  });
  return { daemon, port: front.port };
}

const watched = async (daemon: TestDaemon, count: number): Promise<void> => {
  while (daemon.events.watchers !== count) await new Promise((done) => setTimeout(done, 5));
};

describe('/events', () => {
  it('streams changes from now on, of the requested classes', async () => {
    const { daemon, port } = await serving();
    const before = await daemon.call('VM.create', vmRecord('before'));
    const client = await Client.open(port, '?classes=VM');
    await watched(daemon, 1);
    const [host] = (await daemon.call('host.get_all')) as string[];
    await daemon.call('host.set_name_label', host!, 'xcp-1');
    const vm = await daemon.call('VM.create', vmRecord('new'));
    const added = await client.next();
    expect(added).toMatchObject({ event: 'vm', data: { class: 'vm', operation: 'add', ref: vm, snapshot: { name_label: 'new' } } });
    expect(added.id).toMatch(/^\d{20},\d{20}$/);
    await daemon.call('VM.destroy', before);
    expect(await client.next()).toMatchObject({ event: 'vm', data: { operation: 'del', ref: before } });
    client.close();
    // Nobody waits for a client that has gone.
    await watched(daemon, 0);
  });

  it('a client that comes back with Last-Event-ID misses nothing and gets nothing twice', async () => {
    const { daemon, port } = await serving();
    const first = await Client.open(port, '?classes=VM');
    await watched(daemon, 1);
    const vm = (await daemon.call('VM.create', vmRecord('a'))) as string;
    const { id } = await first.next();
    first.close();
    await watched(daemon, 0);
    const gone = (await daemon.call('VM.create', vmRecord('came and went'))) as string;
    await daemon.call('VM.destroy', gone);
    await daemon.call('VM.set_name_label', vm, 'renamed while nobody looked');
    const second = await Client.open(port, '?classes=VM', { 'last-event-id': id });
    expect(await second.next()).toMatchObject({
      event: 'vm',
      data: { operation: 'mod', ref: vm, snapshot: { name_label: 'renamed while nobody looked' } },
    });
    await watched(daemon, 1);
    await daemon.call('VM.destroy', vm);
    expect(await second.next()).toMatchObject({ data: { operation: 'del', ref: vm } });
    second.close();
  });

  it.each([
    [
      'too old',
      (daemon: TestDaemon) => `${String(daemon.database.published.lostBefore - 1).padStart(20, '0')},${'0'.repeat(20)}`,
      'EVENTS_LOST',
    ],
    ['none of ours', () => 'yesterday', 'EVENT_FROM_TOKEN_PARSE_FAILURE'],
  ])('a Last-Event-ID that is %s ends the stream with an event that says so', async (_what, id, code) => {
    const { daemon, port } = await serving();
    const refs = Array.from({ length: KEPT_DELETIONS + 1 }, () => daemon.database.create('task', {}));
    daemon.database.flushNow();
    for (const ref of refs) daemon.database.destroy('task', ref);
    daemon.database.flushNow();
    const client = await Client.open(port, '', { 'last-event-id': id(daemon) });
    const lost = await client.next();
    expect([lost.event, (lost.data as string[])[0]]).toEqual(['lost', code]);
    await expect(client.next()).rejects.toThrow(/the stream ended/);
  });

  it('streams end when the daemon does', async () => {
    const { daemon, port } = await serving();
    const client = await Client.open(port, '');
    await watched(daemon, 1);
    for (const end of ends.splice(0)) await end();
    await expect(client.next()).rejects.toThrow(/the stream ended/);
  });
});
