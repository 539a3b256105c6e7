// Servers that lose the log: all of it, or its settings, or the room for more. Hosts go on, nothing
// is promised twice, and the fleet is there again when its log is.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DiscardPolicy, type JetStreamManager, jetstreamManager, RetentionPolicy, type StreamConfig } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Member } from '../../src/fleet/member/member.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import { Placement } from '../../src/fleet/place/placement.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { ensureStream } from '../../src/fleet/store/stream.js';
import { Jobs } from '../../src/fleet/work/jobs.js';
import { Seal } from '../../src/fleet/work/seal.js';
import { MemoryHost } from '../support/memory-host.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 1, port: portOf('lost-log') });
const access = { url: cluster.url };
const warnings: string[] = [];
const log = { info() {}, warn: (_: object, message: string) => warnings.push(message) };
const open: (() => Promise<void>)[] = [];

async function joinFleet(host: MemoryHost, owner: string): Promise<Member> {
  const connection = await connectFleet(access, host.name);
  const makeLog = () => ensureStream(connection, 1, 1000);
  const member = new Member({ connection, host, name: owner, inboxes: host.name, log, makeLog });
  open.push(() => member.stop());
  return member;
}

async function client(name: string): Promise<FleetClient> {
  const opened = await FleetClient.open({ access, name, replicas: 1 });
  open.push(() => opened.close());
  return opened;
}

const vm = (name: string, mib: number) => ({ vm: { name, kind: 'hvm' as const, vcpus: 1, memoryBytes: 1 }, mib });

/** Places until it succeeds: the fleet has to be there again. */
async function placed(placement: Placement, name: string, mib: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { host, ...more } = await placement.place(vm(name, mib));
    if (host !== null) return;
    if (tries === 100) throw new Error(`${name} was never placed: ${JSON.stringify(more)}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

const sumOf = (host: MemoryHost) => [...host.vms.values()].flat().reduce((sum, [, mib]) => sum + mib, 0);

beforeAll(async () => {
  if (missing === null) await cluster.start();
}, 60_000);

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

afterAll(() => cluster.close());

describe.skipIf(missing !== null)('a log that is gone', () => {
  const losses: [string, () => Promise<void>][] = [
    [
      'a server that is started without its store',
      async () => {
        await cluster.kill(0);
        rmSync(join(cluster.folder, 's0', 'js'), { recursive: true });
        cluster.startServer(0);
      },
    ],
    [
      'a stream that somebody deletes',
      async () => {
        const connection = await connectFleet(access, 'admin', true);
        await (await jetstreamManager(connection)).streams.delete('FLEET');
        await connection.close();
      },
    ],
  ];

  it.each(losses)(
    '%s: members and placers go on with a new one',
    async (title, lose) => {
      const at = losses.findIndex(([one]) => one === title);
      const hosts = [new MemoryHost(`a${at}`), new MemoryHost(`b${at}`)];
      for (const host of hosts) await joinFleet(host, `${host.name}-1`);
      const before = await client('p1');
      const placement = new Placement(before, { rule: 'spread', tags: [] });
      // The new log is shorter than the old one for long.
      for (let one = 0; one < 40; one++) await placed(placement, `early-${one}`, 10);
      const length = before.picture.last;
      await lose();
      await placed(placement, 'same', 10);
      await placed(new Placement(await client('p2'), { rule: 'spread', tags: [] }), 'new', 10);
      while (hosts.some(({ name }) => before.picture.hosts.get(name)?.map == null)) await new Promise((done) => setTimeout(done, 50));
      expect(before.picture.last).toBeLessThan(length);
      expect(hosts.map(sumOf).reduce((a, b) => a + b)).toBe(420);
      // What the hosts have is known, and no more is promised than is left.
      const room = hosts.map((host) => Math.floor((1000 - sumOf(host)) / 100)).reduce((a, b) => a + b);
      const late = Array.from({ length: 20 }, (_, one) => vm(`late-${one}`, 100));
      const results = await new Placement(await client('p3'), { rule: 'pack', tags: [] }).placeAll(late);
      expect(results.filter(({ host }) => host !== null)).toHaveLength(room);
      expect(sumOf(hosts[0]!)).toBeLessThanOrEqual(1000);
      expect(sumOf(hosts[1]!)).toBeLessThanOrEqual(1000);
    },
    120_000,
  );
});

describe.skipIf(missing !== null)('a server that is stopped', () => {
  it('ends a placement within a minute; what it claimed is not promised when the server goes on', async () => {
    const host = new MemoryHost('stopped');
    await joinFleet(host, 'stopped-1');
    const one = await client('p1');
    while (one.picture.hosts.get('stopped')?.map == null) await new Promise((done) => setTimeout(done, 20));
    const placement = new Placement(one, {
      rule: 'spread',
      tags: [],
      except: new Set([...one.picture.hosts.keys()].filter((name) => name !== 'stopped')),
    });
    cluster.signal(0, 'SIGSTOP');
    try {
      expect(await placement.place(vm('v', 600))).toMatchObject({
        host: null,
        reason: expect.stringContaining('the servers of the fleet are away or have no leader'),
      });
    } finally {
      cluster.signal(0, 'SIGCONT');
    }
    expect(host.vms.size).toBe(0);
    // All of the host is free again.
    await placed(placement, 'after', 1000);
    expect(sumOf(host)).toBe(1000);
  }, 120_000);
});

describe.skipIf(missing !== null)('a log with limits', () => {
  async function limited(more: Partial<StreamConfig>): Promise<JetStreamManager> {
    const manager = await jetstreamManager(await connected());
    await manager.streams.delete('FLEET').catch(() => {});
    const config = { name: 'FLEET', subjects: ['h.>'], max_msgs_per_subject: 1, allow_direct: true, ...more };
    await manager.streams.add(config);
    return manager;
  }

  async function connected(): Promise<NatsConnection> {
    const connection = await connectFleet(access, 'admin', true);
    open.push(() => connection.close());
    return connection;
  }

  it.each([
    [{ max_msgs: 1000 }, /max_msgs 1000 with discard old/],
    [{ max_bytes: 100_000 }, /max_bytes 100000 with discard old/],
    [{ max_age: 3600e9 }, /max_age 3600000000000 ns/],
    [{ max_msgs_per_subject: 2 }, /max_msgs_per_subject 2 \(1\)/],
    [{ subjects: ['h.>', 'g'] }, /subjects h.>, g \(h.>\)/],
    [{ retention: RetentionPolicy.Interest }, /retention interest/],
    [{ allow_direct: false }, /allow_direct off/],
    [{ no_ack: true }, /no_ack/],
  ] satisfies [Partial<StreamConfig>, RegExp][])('is refused if it may forget claims, or cannot be read: %j', async (more, message) => {
    await limited(more);
    await expect(ensureStream(await connected(), 1, 20_000)).rejects.toThrow(message);
  });

  it('is taken if it refuses new entries', async () => {
    await limited({ max_msgs: 1000, max_bytes: 100_000, discard: DiscardPolicy.New });
    expect(await ensureStream(await connected(), 1, 20_000)).toBe(false);
  });

  it('that is full says so, promises nothing, and takes claims again when there is room', async () => {
    const manager = await limited({ max_msgs: 4, discard: DiscardPolicy.New });
    const host = new MemoryHost('full');
    const member = await joinFleet(host, 'full-1');
    const first = await client('p1');
    while (first.picture.hosts.get('full')?.map == null) await new Promise((done) => setTimeout(done, 20));
    const filler = await connected();
    for (let at = 0; at < 4; at++) filler.publish(`h.filler${at}.m`, '{}');
    await filler.flush();
    const placement = new Placement(first, { rule: 'spread', tags: [] });
    const { host: none, ...more } = await placement.place(vm('v', 10));
    expect(none).toBeNull();
    expect(more).toMatchObject({ reason: expect.stringMatching(/store no more claims: maximum messages exceeded/) });
    expect(host.vms.size).toBe(0);
    expect(member.owner.isOwner).toBe(true);
    await manager.streams.update('FLEET', { max_msgs: -1 });
    await placed(placement, 'later', 10);
    expect(sumOf(host)).toBe(10);
  }, 60_000);
});

describe.skipIf(missing !== null)('jobs of servers that lost their store', () => {
  it('are said to be lost, and workers take those that are submitted then', async () => {
    const connect = async () => {
      const connection = await connectFleet(access, 'admin', true);
      open.push(() => connection.close());
      return connection;
    };
    const jobs = await Jobs.open(await connect(), 1, new Seal(null));
    const results = async (id: string) => {
      const all: unknown[] = [];
      await jobs.results([id], (_, result) => all.push(result));
      return all;
    };
    await jobs.submit('lost', {});
    const waiting = results('lost');
    const told = expect(waiting).rejects.toThrow('the servers of the fleet have lost the jobs');
    const worker = await Jobs.open(await connect(), 1, new Seal(null));
    // It has had nothing to do with the lost job: its queue goes while it looks.
    const { streams } = await jetstreamManager(await connect());
    for (const stream of ['FLEETJOBS', 'FLEETDONE']) await streams.delete(stream);
    const stop = new AbortController();
    const working = worker.work(async () => 'done', stop.signal);
    await told;
    await jobs.submit('next', {});
    expect(await results('next')).toEqual(['done']);
    stop.abort();
    await working;
  }, 60_000);
});
