// Greedy guests: for each limit one guest takes all that it can get, over as many connections as it
// likes, and the requests of another guest and of domain 0 go through. In both personalities, on
// both event loops.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { encodeMessage, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { SERVER_LIMITS } from '../../src/xenstore/server/client-limits.js';
import { type Personality, QUOTA } from '../../src/xenstore/store/limits.js';
import { type Daemon, type OurOptions, startOurs } from '../xenstore/daemons.js';
import { RawConnection } from '../xenstore/recorder.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const [GREEDY, OTHER] = [3, 4];
const IS_ERROR = /^E[A-Z0-9]+\0$/;

interface Host {
  readonly daemon: Daemon;
  readonly dom0: RawConnection;
  readonly connect: (domid: number) => Promise<RawConnection>;
  /** A socket that nobody reads, with bytes written to it. */
  readonly deaf: (bytes: Buffer) => Socket;
}

async function host(personality: Personality, koffi: boolean, more: OurOptions = {}): Promise<Host> {
  const daemon = await startOurs(personality, { domainSockets: true, koffi, ...more });
  ends.push(() => daemon.kill());
  const dom0 = await connectXenstore({ path: daemon.socket });
  for (const domid of [GREEDY, OTHER]) {
    await dom0.introduce(domid, 1n, 1);
    await dom0.mkdir(`/local/domain/${domid}`);
    await dom0.setPermissions(`/local/domain/${domid}`, [{ domid, access: 'n' }]);
  }
  await dom0.close();
  const path = (domid: number) => join(daemon.folder, `domains/${domid}`);
  const opened = async (at: string): Promise<RawConnection> => {
    const connection = await RawConnection.open(at);
    ends.push(() => connection.close());
    return connection;
  };
  return {
    daemon,
    dom0: await opened(daemon.socket),
    connect: (domid) => opened(path(domid)),
    deaf: (bytes) => {
      const socket = connect(path(GREEDY));
      ends.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.pause();
      socket.write(bytes);
      return socket;
    },
  };
}

/** Another guest and domain 0 read, write, watch, and make a transaction. */
async function othersGoThrough({ dom0, connect: open }: Host): Promise<void> {
  const other = await open(OTHER);
  for (const [connection, path] of [
    [other, 'mine'],
    [dom0, '/of-dom0'],
  ] as const) {
    expect((await connection.request(MESSAGE.write, `${path}\0yes`)).payload).toBe('OK\0');
    expect((await connection.request(MESSAGE.read, `${path}\0`)).payload).toBe('yes');
    expect((await connection.request(MESSAGE.watch, `${path}\0token\0`)).payload).toBe('OK\0');
    expect((await connection.request(MESSAGE.unwatch, `${path}\0token\0`)).payload).toBe('OK\0');
    const tx = Number.parseInt((await connection.request(MESSAGE.transactionStart, '\0')).payload, 10);
    connection.send(MESSAGE.transactionEnd, 9, tx, 'F\0');
    expect((await connection.until(9)).at(-1)!.payload).toBe('OK\0');
  }
}

/** How many of the requests of several connections are accepted, one after the other. */
async function accepted(
  connections: readonly RawConnection[],
  each: number,
  ask: (at: number) => [type: number, payload: string],
): Promise<number> {
  let count = 0;
  for (let at = 0; at < each; at++) {
    for (const [index, connection] of connections.entries()) {
      const answer = await connection.request(...ask(at * connections.length + index));
      if (!IS_ERROR.test(answer.payload)) count++;
    }
  }
  return count;
}

const reads = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => encodeMessage(MESSAGE.read, 1, 0, 'fat\0')));

const residentKib = ({ daemon }: Host): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8'))![1]);

const LOOPS = [true, false].flatMap((koffi) => (['xenstored', 'oxenstored'] as const).map((personality) => ({ personality, koffi })));

describe.each(LOOPS)('one greedy guest, as $personality, koffi: $koffi', { timeout: 240_000 }, ({ personality, koffi }) => {
  const quota = QUOTA[personality];

  test('opens connections', async () => {
    const all = await host(personality, koffi);
    const sockets = Array.from({ length: 200 }, () => all.deaf(Buffer.alloc(0)));
    let closed = 0;
    for (const socket of sockets) socket.resume().on('close', () => closed++);
    await expect.poll(() => closed, { timeout: 60_000 }).toBe(200 - SERVER_LIMITS.guestConnections);
    await othersGoThrough(all);
  });

  test('takes all descriptors that guests may have: domain 0 connects, and changes are stored', async () => {
    const all = await host(personality, koffi, { descriptors: 100, state: true });
    for (let at = 0; at < 100; at++) all.deaf(Buffer.alloc(0));
    for (let turn = 0; turn < 20; turn++) {
      const again = await RawConnection.open(all.daemon.socket);
      expect((await again.request(MESSAGE.write, `/of-dom0/${turn}\0yes`)).payload).toBe('OK\0');
      ends.push(() => again.close());
    }
  });

  test('sets watches', async () => {
    const all = await host(personality, koffi);
    const three = [await all.connect(GREEDY), await all.connect(GREEDY), await all.connect(GREEDY)];
    // Both daemons refuse when more than the quota are there.
    expect(await accepted(three, 60, (at) => [MESSAGE.watch, `w${at}\0t\0`])).toBe(quota.watches + 1);
    await othersGoThrough(all);
  });

  test('opens transactions', async () => {
    const all = await host(personality, koffi);
    const three = [await all.connect(GREEDY), await all.connect(GREEDY), await all.connect(GREEDY)];
    // Both daemons refuse when more than the quota are open.
    expect(await accepted(three, 10, () => [MESSAGE.transactionStart, '\0'])).toBe(quota.transactions + 1);
    await othersGoThrough(all);
  });

  test('makes nodes', async () => {
    const all = await host(personality, koffi);
    const three = [await all.connect(GREEDY), await all.connect(GREEDY), await all.connect(GREEDY)];
    const accept = await accepted(three, 400, (at) => [MESSAGE.mkdir, `${at % 30}/${at}\0`]);
    expect(accept).toBeLessThanOrEqual(quota.nodes);
    expect(accept).toBeGreaterThan(quota.nodes - 50);
    await othersGoThrough(all);
  });

  test('leaves replies unread: all its connections wait, until it has read', async () => {
    const all = await host(personality, koffi);
    const second = await all.connect(GREEDY);
    expect((await second.request(MESSAGE.write, `fat\0${'x'.repeat(1900)}`)).payload).toBe('OK\0');
    const deaf = all.deaf(reads(3000));
    // Its requests are not read any more once its replies wait.
    await expect.poll(() => deaf.bytesWritten, { timeout: 60_000 }).toBeGreaterThan(0);
    for (let turn = 0; turn < 200; turn++) await all.dom0.request(MESSAGE.getDomainPath, '1\0');
    let isAnswered = false;
    const answer = second.request(MESSAGE.getDomainPath, '5\0').then(({ payload }) => {
      isAnswered = true;
      return payload;
    });
    for (let turn = 0; turn < 200; turn++) await all.dom0.request(MESSAGE.getDomainPath, '1\0');
    expect(isAnswered).toBe(false);
    await othersGoThrough(all);
    deaf.resume();
    expect(await answer).toBe('/local/domain/5\0');
  });

  test('leaves replies and events unread on all its connections, and sends without end', async () => {
    const all = await host(personality, koffi);
    const first = await all.connect(GREEDY);
    expect((await first.request(MESSAGE.write, `fat\0${'x'.repeat(1900)}`)).payload).toBe('OK\0');
    const before = residentKib(all);
    const watch = encodeMessage(MESSAGE.watch, 1, 0, '@releaseDomain\0t\0');
    for (let at = 0; at < SERVER_LIMITS.guestConnections - 1; at++) all.deaf(Buffer.concat([watch, reads(3000)]));
    for (let turn = 0; turn < 300; turn++) await all.dom0.request(MESSAGE.getDomainPath, '1\0');
    await othersGoThrough(all);
    // 63 connections with 5.7 MB of replies each.
    expect(residentKib(all) - before).toBeLessThan(64 * 1024);
  });
});
