// The server as a whole, in this process: its state file, the sockets of domains, and what a live
// restart hands over.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { XenstoreClient } from '../client/client.js';
import { connectXenstore } from '../client/connect.js';
import { PollServer } from './poll-server.js';
import { type ServerOptions, XenstoreServer } from './server.js';

const PERSONALITIES = ['xenstored', 'oxenstored'] as const;
/** Domain 0 owns the node; domain 3 may read it. */
const PERMISSIONS = [
  { domid: 0, access: 'n' },
  { domid: 3, access: 'r' },
] as const;
const folders: string[] = [];
const servers: XenstoreServer[] = [];
const clients: XenstoreClient[] = [];
afterEach(async () => {
  delete process.env.XENNUMA_NO_KOFFI;
  for (const client of clients.splice(0)) await client.close();
  for (const server of servers.splice(0)) server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'xennuma-server-')));
  return folders.at(-1)!;
}

function serve(options: Partial<ServerOptions> & { at: string }) {
  const { at, ...rest } = options;
  const lines: string[] = [];
  const socket = join(at, 'run', 'socket');
  const server = new XenstoreServer({ personality: 'xenstored', socket, log: (line) => lines.push(line), ...rest });
  servers.push(server);
  // Its clients are in this process: no waiting for them.
  void (server.sockets instanceof PollServer ? server.sockets.run(0) : server.run());
  return { server, socket, lines };
}

async function client(path: string): Promise<XenstoreClient> {
  const connected = await connectXenstore({ path, reconnect: false });
  clients.push(connected);
  return connected;
}

const LOOPS = ['koffi', 'no koffi'] as const;
const use = (loop: (typeof LOOPS)[number]): void => {
  if (loop === 'no koffi') process.env.XENNUMA_NO_KOFFI = '1';
};

for (const loop of LOOPS)
  for (const personality of PERSONALITIES)
    test(`${personality}, ${loop}: a state file holds nodes, permissions and domains, and each domain has its socket`, async () => {
      use(loop);
      const at = folder();
      const options = { at, personality, stateFile: join(at, 'state'), domainSockets: join(at, 'domains') };
      const { server, socket } = serve(options);
      expect(server.sockets instanceof PollServer).toBe(loop === 'koffi');
      const xs = await client(socket);
      await xs.write('/a/b', 'kept');
      await xs.setPermissions('/a/b', PERMISSIONS);
      await xs.write('/gone', '');
      await xs.rm('/gone');
      await xs.introduce(3, 5n, 7);
      await xs.introduce(4, 6n, 8);
      await xs.release(4);
      expect(statSync(join(at, 'domains')).mode & 0o777).toBe(0o700);
      expect(statSync(join(at, 'domains/3')).mode & 0o777).toBe(0o600);
      expect(existsSync(join(at, 'domains/4'))).toBe(false);
      server.stop();
      expect(existsSync(socket)).toBe(false);
      const again = serve(options);
      const back = await client(again.socket);
      expect(await back.read('/a/b')).toBe('kept');
      expect(await back.getPermissions('/a/b')).toEqual(PERMISSIONS);
      await expect(back.read('/gone')).rejects.toMatchObject({ errno: 'ENOENT' });
      expect([await back.isIntroduced(3), await back.isIntroduced(4)]).toEqual([true, false]);
      const guest = await client(join(at, 'domains/3'));
      expect(await guest.read('/a/b')).toBe('kept');
      await expect(guest.write('/a/b', 'x')).rejects.toMatchObject({ errno: 'EACCES' });
      await back.release(3);
      await expect(guest.read('/a/b')).rejects.toMatchObject({ name: 'XenError' });
    });

test.each(LOOPS)("%s: what is in the way of a domain's socket is told once, and the socket comes when it is gone", async (loop) => {
  use(loop);
  const at = folder();
  const { socket, lines } = serve({ at, domainSockets: join(at, 'domains') });
  const xs = await client(socket);
  mkdirSync(join(at, 'domains'));
  for (const domid of [5, 6]) {
    writeFileSync(join(at, 'domains', String(domid)), 'precious');
    await xs.introduce(domid, 1n, 1);
  }
  const why = 'has no socket yet: there is a file that is not a socket';
  expect(lines.map((line) => line.slice(0, `domain 5 ${why}`.length))).toEqual([`domain 5 ${why}`, `domain 6 ${why}`]);
  await xs.introduce(7, 1n, 1);
  expect(await (await client(join(at, 'domains/7'))).domainPath(7)).toBe('/local/domain/7');
  rmSync(join(at, 'domains/5'));
  await vi.waitUntil(() => lines.length > 2, { timeout: 10_000, interval: 10 });
  rmSync(join(at, 'domains/6'));
  await vi.waitUntil(() => lines.length > 3, { timeout: 10_000, interval: 10 });
  expect(lines.slice(2)).toEqual(['domain 5 has its socket', 'domain 6 has its socket']);
  expect(await (await client(join(at, 'domains/5'))).domainPath(5)).toBe('/local/domain/5');
});

test('the control request print writes to the log', async () => {
  const { socket, lines } = serve({ at: folder() });
  await (await client(socket)).control('print', 'hello');
  expect(lines).toEqual(['print: hello']);
});

/** Waits until a restart has written what it hands over; this program then goes on. */
async function carriedBy(server: XenstoreServer, file: string, options: { restarts: string[] }): Promise<void> {
  server.requestRestart();
  await vi.waitUntil(() => options.restarts.length > 0, { timeout: 10_000, interval: 5 });
  expect(existsSync(file)).toBe(true);
}

for (const personality of PERSONALITIES)
  test(`${personality}: a restart that fails leaves everything as it was, and says why`, async () => {
    const at = folder();
    const file = join(at, 'carry');
    const restarts: string[] = [];
    let starts = true;
    const { server, socket, lines } = serve({
      at,
      personality,
      rehearse: async (version) => starts && version > 0,
      restart: (carry) => {
        writeFileSync(file, readFileSync(carry));
        restarts.push(carry);
        throw new Error('exec: no memory');
      },
    });
    const xs = await client(socket);
    await xs.write('/a', '1');
    const events = (await xs.watch('/a', 'token'))[Symbol.asyncIterator]();
    await events.next();
    const tx = await xs.transactionStart();
    await xs.write('/in', 'tx', tx);
    await carriedBy(server, file, { restarts });
    expect(lines).toEqual(['no live restart: exec: no memory; this program goes on']);
    expect(await xs.read('/a')).toBe('1');
    expect(await xs.read('/in', tx)).toBe('tx');
    // Asked again, it tries again.
    await xs.control('live-update', '-s');
    await vi.waitUntil(() => restarts.length === 2, { timeout: 10_000, interval: 5 });
    starts = false;
    server.requestRestart();
    await vi.waitUntil(() => lines.length === 3, { timeout: 10_000, interval: 5 });
    expect(lines[2]).toBe('no live restart: the installed program does not start, or is too different; this program goes on');
    expect(restarts).toHaveLength(2);
    await xs.write('/a', '2');
    expect((await events.next()).value).toEqual({ path: '/a', token: 'token' });
    // Another personality does not take what this one left.
    const other = personality === 'xenstored' ? 'oxenstored' : 'xenstored';
    const takes = () => new XenstoreServer({ personality: other, socket: join(at, 'next'), carry: file });
    expect(takes).toThrow('the program before this one left a state that this one does not know');
  });

test('without a rehearsal it restarts; requests meanwhile are one; a rehearsal that breaks is told', async () => {
  const restarts: string[] = [];
  const restart = (carry: string): never => {
    restarts.push(carry);
    throw new Error('no exec');
  };
  const plain = serve({ at: folder(), restart });
  plain.server.requestRestart();
  plain.server.requestRestart();
  await vi.waitUntil(() => plain.lines.length > 0, { timeout: 10_000, interval: 5 });
  expect(restarts).toHaveLength(1);
  const broken = serve({ at: folder(), restart, rehearse: () => Promise.reject(new Error('no node')) });
  broken.server.requestRestart();
  await vi.waitUntil(() => broken.lines.length > 0, { timeout: 10_000, interval: 5 });
  expect(broken.lines).toEqual(['no live restart: no node; this program goes on']);
  expect(restarts).toHaveLength(1);
});

test('without koffi there is no live restart', () => {
  use('no koffi');
  const { server, lines } = serve({ at: folder(), restart: () => expect.unreachable() as never });
  server.requestRestart();
  expect(lines).toEqual(['no live restart: it needs koffi; this program goes on']);
});
