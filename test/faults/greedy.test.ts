// Greedy clients: for each limit one client takes all that it can get, and the calls of another
// client and of the owner go through.
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Ledger, type Principal, type Resource, SHARES, type Share } from '../../src/xapi/calls/ledger.js';
import { principalOfUser, Sessions, UNIX_SOCKET } from '../../src/xapi/calls/sessions.js';
import { parseUsers, userLine } from '../../src/xapi/calls/users.js';
import type { HttpFront } from '../../src/xapi/http/http-server.js';
import { pagesOf } from '../../src/xapi/http/pages.js';
import { WAITING_SHARE } from '../../src/xapi/life/vm-queue.js';
import { formatToken } from '../../src/xapi/model/events.js';
import type { Wire } from '../../src/xapi/wire/values.js';
import { cheapUser } from '../support/cheap-user.js';
import { failure, type TestDaemon, testDaemon, testFront, vmRecord } from '../support/daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const [GREEDY, OTHER, OWNER] = ['127.0.0.2', '127.0.0.3', '127.0.0.1'];
const USERS = parseUsers(
  [await userLine('root', 'admin', 'a'), await userLine('eye', 'read-only', 'b'), await userLine('ear', 'read-only', 'c')].join('\n'),
  'users',
);

interface Served {
  readonly daemon: TestDaemon;
  readonly front: HttpFront;
  /** A call over HTTP from an address. */
  readonly call: (from: string, method: string, ...params: unknown[]) => Promise<{ status: number; result?: unknown; code?: string }>;
}

async function served(): Promise<Served> {
  const daemon = await testDaemon({ users: () => USERS });
  const front = await testFront(daemon, { failed: () => {}, pages: pagesOf(daemon, null, false) });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  return { daemon, front, call: (from, method, ...params) => post(front.port, from, method, params) };
}

function post(port: number, from: string, method: string, params: unknown[]): Promise<{ status: number; result?: unknown; code?: string }> {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', localAddress: from, port, path: '/jsonrpc', method: 'POST', agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      response.on('end', () => {
        if (response.statusCode !== 200) return done({ status: response.statusCode! });
        const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string } };
        return done({ status: 200, ...(error === undefined ? { result } : { code: error.message }) });
      });
    });
    sent.on('error', failed);
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  });
}

/** As many connections as the server lets one address have; `text` is sent on each. */
async function connections(port: number, count: number, text = '', localAddress = GREEDY): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port, localAddress }));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise((done) => {
          socket.on('error', done);
          socket.once('connect', () => socket.write(text, done));
        }),
    ),
  );
  await new Promise((done) => setTimeout(done, 300));
  return sockets;
}

/** A request that follows all events, from a token on. */
function follow(session: unknown, token = ''): string {
  const last = token === '' ? '' : `last-event-id: ${token}\r\n`;
  return `GET /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${String(session)}\r\n${last}\r\n`;
}

async function othersGoThrough({ call }: Served): Promise<void> {
  for (const [from, user, password] of [
    [OTHER, 'ear', 'c'],
    [OWNER, 'root', 'a'],
  ] as const) {
    const { result: session } = await call(from, 'session.login_with_password', user, password);
    expect(session, user).toMatch(/^OpaqueRef:/);
    expect(await call(from, 'VM.get_all', session), user).toMatchObject({
      status: 200,
      result: expect.arrayContaining([expect.any(String)]) as unknown,
    });
  }
}

describe('an administrator at several addresses, with strangers and others', () => {
  it.each(Object.keys(SHARES) as Resource[])('leaves root and the unix socket a part of the %s', async (resource) => {
    const users = parseUsers(
      [cheapUser('root', 'admin', 'x'), cheapUser('bob', 'admin', 'x'), cheapUser('eye', 'read-only', 'x')].join('\n'),
      'users',
    );
    const sessions = new Sessions(() => users);
    for (const [user, address] of [
      ['root', 'home'],
      // A login of another administrator there does not take it away.
      ['bob', 'home'],
      ['bob', 'far-1'],
      ['bob', 'far-2'],
      ['eye', 'far-3'],
    ] as const)
      await sessions.login(user, 'x', '', address);
    const ledger = new Ledger();
    const others: readonly Principal[] = [
      ...[1, 2, 3, 4].map((host) => sessions.principalAt(`10.0.0.${host}`)),
      ...['far-1', 'far-2', 'far-3'].map((address) => sessions.principalAt(address)),
      principalOfUser({ user: 'bob', role: 'admin' }),
      principalOfUser({ user: 'ann', role: 'admin' }),
    ];
    const amount = resource === 'bytes' ? 2 ** 20 : 1;
    for (const one of others) while (ledger.take(resource, one, amount) !== null);
    for (const own of [sessions.principalAt('home'), sessions.principalAt(UNIX_SOCKET), principalOfUser({ user: 'root', role: 'admin' })]) {
      const release = ledger.take(resource, own, amount);
      expect([own, release]).toEqual([own, expect.any(Function)]);
      release!();
    }
  });
});

describe('one greedy client', { timeout: 120_000 }, () => {
  it('who guesses passwords of root', async () => {
    const test = await served();
    for (let guess = 0; guess < 11; guess++) await test.call(GREEDY, 'session.login_with_password', 'root', 'wrong');
    expect(await test.call(GREEDY, 'session.login_with_password', 'root', 'a')).toMatchObject({ code: 'SESSION_AUTHENTICATION_FAILED' });
    await othersGoThrough(test);
  });

  it('who logs in with invented names all the time', async () => {
    const test = await served();
    const logins = Array.from({ length: 100 }, (_, index) => test.call(GREEDY, 'session.login_with_password', `invented-${index}`, 'x'));
    await othersGoThrough(test);
    await Promise.all(logins);
  });

  it('with 1,024 idle connections', async () => {
    const test = await served();
    await connections(test.front.port, 1024);
    expect(test.daemon.ledger.held('connections')).toBeLessThanOrEqual(SHARES.connections.each);
    await othersGoThrough(test);
  });

  it('who logs in at many addresses and takes all connections that these and others can get', async () => {
    const test = await served();
    for (const [from, user, password] of [
      [OWNER, 'root', 'a'],
      ...['127.0.1.1', '127.0.1.2', '127.0.1.3'].map((own) => [own, 'eye', 'b'] as const),
    ] as const) {
      expect((await test.call(from, 'session.login_with_password', user, password)).result).toMatch(/^OpaqueRef:/);
    }
    for (const own of [1, 2, 3]) await connections(test.front.port, SHARES.connections.each, '', `127.0.1.${own}`);
    expect(test.daemon.ledger.held('connections')).toBeLessThanOrEqual(SHARES.connections.each);
    await othersGoThrough(test);
    // The other addresses are strangers', who leave the administrators their part all the same.
    for (const stranger of [4, 5, 6]) await connections(test.front.port, SHARES.connections.each, '', `127.0.1.${stranger}`);
    const { result: session } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    expect(await test.call(OWNER, 'VM.get_all', session)).toMatchObject({ status: 200 });
  });

  it('read-only, who follows /events with all streams it may', async () => {
    const test = await served();
    const { result: root } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    const { result: eye } = await test.call(GREEDY, 'session.login_with_password', 'eye', 'b');
    for (const own of [1, 2, 3]) await connections(test.front.port, 120, follow(eye), `127.0.1.${own}`);
    await vi.waitFor(() => expect(test.daemon.ledger.held('watchers')).toBe(SHARES.watchers.each), 60_000);
    const token = ((await test.call(OWNER, 'event.from', root, ['pool'], '', 0)).result as { token: string }).token;
    expect(await test.call(OWNER, 'event.from', root, ['pool'], token, 0.05)).toMatchObject({ status: 200, result: { events: [] } });
    await othersGoThrough(test);
  });

  it('who reads nothing of 40 large streams of /events', async () => {
    const test = await served();
    const { result: root } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    const description = 'x'.repeat(60_000);
    for (let index = 0; index < 100; index++)
      await test.call(OWNER, 'VM.create', root, vmRecord(`vm-${index}`, { name_description: description }));
    const { result: eye } = await test.call(GREEDY, 'session.login_with_password', 'eye', 'b');
    const since = formatToken(test.daemon.database.published.lostBefore);
    for (const socket of await connections(test.front.port, 40, follow(eye, since))) socket.pause();
    // One more of them would be too much.
    const most = SHARES.bytes.each;
    await vi.waitFor(() => expect(test.daemon.ledger.held('bytes')).toBeGreaterThan(most - 100 * description.length * 1.2), 60_000);
    expect(test.daemon.ledger.held('bytes')).toBeLessThanOrEqual(most);
    await othersGoThrough(test);
  });

  it('who queues operations on a VM until it is refused', async () => {
    const users = parseUsers(['root', 'a', 'b'].map((name) => cheapUser(name, 'admin', 'x')).join('\n'), 'users');
    const { dispatcher, close } = await testDaemon({ users: () => users });
    ends.push(close);
    const as = async (user: string) => {
      const login = { method: 'session.login_with_password', params: [user, 'x'] };
      const session = await dispatcher.call(login, OWNER, new AbortController().signal);
      return (method: string, ...params: Wire[]) =>
        dispatcher.call({ method, params: [session, ...params] }, OWNER, new AbortController().signal);
    };
    const [root, greedy, other] = [await as('root'), await as('a'), await as('b')];
    const vm = await root('VM.create', vmRecord('vm'));
    const queue = (call: typeof root, count: number) =>
      Array.from({ length: count }, () => failure(call('VM.set_domain_type', vm, 'pv')).then(([code]) => code));
    const { total, each, reserve } = WAITING_SHARE;
    const codes = await Promise.all([queue(greedy, 150), queue(other, 150), queue(root, reserve)].map((calls) => Promise.all(calls)));
    const through = codes.map((all) => all.filter((code) => code === 'success').length);
    expect(through).toEqual([each, total - reserve - each, reserve]);
  });

  it('with 300 half-sent bodies', async () => {
    const test = await served();
    const head = `POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n`;
    await connections(test.front.port, 300, head + ' '.repeat(900_000));
    expect(test.daemon.ledger.held('bytes')).toBeLessThanOrEqual(SHARES.bytes.each);
    await othersGoThrough(test);
  });

  it('who reads none of 40 large answers', async () => {
    const test = await served();
    const { result: eye } = await test.call(GREEDY, 'session.login_with_password', 'eye', 'b');
    const { result: root } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    const description = 'x'.repeat(60_000);
    for (let index = 0; index < 100; index++)
      await test.call(OWNER, 'VM.create', root, vmRecord(`vm-${index}`, { name_description: description }));
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'VM.get_all_records', params: [eye] });
    const text = `POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    for (const socket of await connections(test.front.port, 40, text)) socket.pause();
    await new Promise((done) => setTimeout(done, 2000));
    expect(test.daemon.ledger.held('bytes')).toBeLessThanOrEqual(SHARES.bytes.each);
    for (const [from, user, password] of [
      [OTHER, 'ear', 'c'],
      [OWNER, 'root', 'a'],
    ] as const) {
      const { result: session } = await test.call(from, 'session.login_with_password', user, password);
      expect(Object.keys((await test.call(from, 'VM.get_all_records', session)).result as object)).toHaveLength(
        test.daemon.database.published.count('VM'),
      );
    }
  });

  it('read-only, who waits for events with all calls it may', async () => {
    const test = await served();
    const raw = (session: unknown, method: string, ...params: Wire[]) =>
      test.daemon.dispatcher.call({ method, params: [session as string, ...params] }, GREEDY, stop.signal);
    const stop = new AbortController();
    const { result: eye } = await test.call(GREEDY, 'session.login_with_password', 'eye', 'b');
    const token = ((await raw(eye, 'event.from', ['VM'], '', 0)) as { token: string }).token;
    const waits = Array.from({ length: 512 }, () =>
      raw(eye, 'event.from', ['VM'], token, 60).then(
        () => 'ok',
        (error: Error) => error.message,
      ),
    );
    await new Promise((done) => setTimeout(done, 50));
    expect(test.daemon.events.watchers).toBe(SHARES.watchers.each);
    const { result: root } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    expect(await test.call(OWNER, 'event.from', root, ['VM'], token, 0.05)).toMatchObject({ status: 200, result: { events: [] } });
    await othersGoThrough(test);
    stop.abort();
    expect((await Promise.all(waits)).filter((one) => one !== 'ok')).toHaveLength(512 - SHARES.watchers.each);
  });

  it("read-only, whose finished tasks do not push an admin's out", async () => {
    const test = await served();
    const { result: root } = await test.call(OWNER, 'session.login_with_password', 'root', 'a');
    const { result: vm } = await test.call(OWNER, 'VM.create', root, vmRecord('vm'));
    const { result: task } = await test.call(OWNER, 'Async.VM.start', root, vm, false, false);
    await test.daemon.dispatcher.idle();
    const { result: eye } = await test.call(GREEDY, 'session.login_with_password', 'eye', 'b');
    for (let index = 0; index < 405; index++) {
      await test.daemon.dispatcher.call(
        { method: 'Async.VM.get_possible_hosts', params: [eye as string, vm as string] },
        GREEDY,
        new AbortController().signal,
      );
    }
    await test.daemon.dispatcher.idle();
    expect(await test.call(OWNER, 'task.get_status', root, task)).toMatchObject({ result: 'success' });
    expect(((await test.call(OWNER, 'task.get_all', root)).result as string[]).length).toBeLessThanOrEqual(400);
  });
});

describe('the shares', () => {
  it.each(Object.entries(SHARES) as [string, Share][])(
    '%s: no principal can take all, and the reserve is there for the owner',
    (_name, share) => {
      expect(share.each).toBeLessThanOrEqual(share.total - share.reserve);
      expect(share.reserve).toBeGreaterThan(0);
    },
  );
});
