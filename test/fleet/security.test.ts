// What a member can do to others, with the keys and permissions that `fleet init` and `fleet join`
// write; forged messages; and two daemons that both say they own a host.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FleetHost, Member } from '../../src/fleet/member/member.js';
import { digestOf } from '../../src/fleet/member/requests.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import type { Parts } from '../../src/fleet/protocol/entries.js';
import { seedOfAccess } from '../../src/fleet/store/access.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { readUsers, usersConfig } from '../../src/fleet/store/server-config.js';
import { Jobs } from '../../src/fleet/work/jobs.js';
import { Seal } from '../../src/fleet/work/seal.js';
import { fleetKeys } from '../support/fleet-keys.js';
import { MemoryHost } from '../support/memory-host.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const missing = natsMissing();
const folder = mkdtempSync(join(tmpdir(), 'xennuma-keys-'));
const { users, keyOf } = fleetKeys(folder, { admin: 'admin', p1: 'placer', p2: 'placer', h1: 'member', h2: 'member', h3: 'member' });
const cluster = new NatsCluster({ servers: 1, port: portOf('security'), more: usersConfig(users), keyFile: keyOf('admin') });
const open: (() => Promise<void>)[] = [];
const warnings: string[] = [];
const log = { info() {}, warn: (_: object, message: string) => void warnings.push(message) };

async function member(host: FleetHost): Promise<{ member: Member; connection: NatsConnection }> {
  const connection = await connectFleet({ url: cluster.url, keyFile: keyOf(host.name) }, host.name);
  const name = `${host.name}-${randomBytes(4).toString('hex')}`;
  const made = new Member({ connection, host, name, inboxes: host.name, log });
  open.push(() => made.stop());
  return { member: made, connection };
}

async function placer(name: string): Promise<FleetClient> {
  const client = await FleetClient.open({ access: { url: cluster.url, keyFile: keyOf(name) }, name, replicas: 1 });
  open.push(() => client.close());
  return client;
}

const jobsOf = ({ connection }: FleetClient) =>
  Jobs.open(connection, 1, new Seal(seedOfAccess({ url: cluster.url, keyFile: keyOf('admin') })));

async function emptyQueue({ connection }: FleetClient): Promise<void> {
  const { streams } = await jetstreamManager(connection);
  for (let tries = 0; (await streams.info('FLEETJOBS')).state.messages > 0; tries++) {
    if (tries === 200) throw new Error('never: the queue is empty');
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries === 200) throw new Error(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const vm = { name: 'v', kind: 'hvm', vcpus: 1, memoryBytes: 1 } as const;
const parts: Parts = [[0, 600]];

function granted(client: FleetClient, host: string): Promise<string> {
  return new Promise((done, failed) => {
    client.placer.claim(
      host,
      { parts, vcpus: 1, start: digestOf(vm, parts) },
      { granted: done, ended: (_, how) => failed(new Error(how)) },
    );
  });
}

/** Errors of permissions come as events of the connection. */
async function refusals(connection: NatsConnection, act: () => void): Promise<string[]> {
  const seen: string[] = [];
  const status = connection.status();
  void (async () => {
    for await (const one of status) if (one.type === 'error') seen.push(String(one.error));
  })();
  act();
  await connection.flush();
  await new Promise((done) => setTimeout(done, 200));
  return seen;
}

beforeAll(async () => {
  if (missing === null) await cluster.start();
}, 60_000);

afterAll(async () => {
  for (const close of open) await close();
  await cluster.close();
});

describe.skipIf(missing !== null)('members and placers with keys', () => {
  const h1 = new MemoryHost('h1');
  const h2 = new MemoryHost('h2');
  let first: Member;
  let second: NatsConnection;
  let client: FleetClient;

  beforeAll(async () => {
    first = (await member(h1)).member;
    second = (await member(h2)).connection;
    client = await placer('p1');
    await until('both hosts have maps', () => [...client.picture.hosts.values()].filter(({ map }) => map !== null).length === 2);
  }, 60_000);

  it('the file of users is read as it is written', () => {
    expect(readUsers(usersConfig(users))).toEqual(users);
  });

  it('a member cannot write, start or watch beyond its own host', async () => {
    const config = { stream_name: 'FLEET', config: { deliver_subject: '_INBOX_h2.x', ack_policy: 'none', deliver_policy: 'all' } };
    for (const [subject, text] of [
      ['h.h1.m', '{}'],
      ['h.h1.r.p1.x-1', '-'],
      ['h.h1.o.9.h2', '{}'],
      ['fleet.start.h1', '{}'],
      ['fleet.ask.h1', '{}'],
      ['$JS.API.CONSUMER.CREATE.FLEET', JSON.stringify(config)],
      ['$JS.API.STREAM.PURGE.FLEET', ''],
      ['$JS.API.STREAM.DELETE.FLEET', ''],
    ]) {
      const refused = await refusals(second, () => second.publish(subject!, text));
      expect(refused.join(), subject).toMatch(/permissions violation/i);
    }
  }, 60_000);

  it("a member's answers in the name of other hosts are not taken for theirs", async () => {
    const forger = await connectFleet({ url: cluster.url, keyFile: keyOf('h3') }, 'h3');
    let forged = 0;
    const names = ['h1', 'stranger'];
    forger.subscribe('fleet.ask', {
      callback: (_, message) => {
        message.respond(JSON.stringify({ host: names[forged++ % 2], found: ['forged'] }));
      },
    });
    await forger.flush();
    for (let question = 0; question < 4; question++) {
      const answers = await client.askAll({ ask: 'names', names: ['forged'] }, ['h1', 'h2']);
      expect(Object.fromEntries(answers)).toEqual({ h1: { host: 'h1' }, h2: { host: 'h2' } });
    }
    expect(forged).toBe(4);
    await forger.close();
  }, 60_000);

  it('a placer claims in its own name only', async () => {
    const refused = await refusals(client.connection, () => client.connection.publish('h.h1.r.p2.x-1', '{}'));
    expect(refused.join()).toMatch(/permissions violation/i);
  }, 60_000);

  it("an answer of the server that a member sends to another's subject changes no picture", async () => {
    const before = h1.figures().nodes[0]!.freeMib;
    const forged = JSON.stringify({
      e: 99,
      n: 1,
      nodes: [[9000, 9000, 8, 0, '0']],
      vms: 0,
      drifted: 0,
      draining: 0,
      runs: '',
      tags: [],
      absorbed: [],
      dead: [],
      settled: 0,
    });
    second.publish('h.h2.r.x.y-1', forged);
    await second.flush();
    await new Promise((done) => setTimeout(done, 200));
    // The server's answer has the text that the member has written, and goes where it says.
    second.publish('$JS.API.DIRECT.GET.FLEET', JSON.stringify({ last_by_subj: 'h.h2.r.x.y-1' }), { reply: 'h.h1.m' });
    await second.flush();
    await new Promise((done) => setTimeout(done, 300));
    const late = await placer('p2');
    await until('the map is there again', () => late.picture.hosts.get('h1')?.map != null);
    for (const one of [client, late]) expect(one.picture.hosts.get('h1')!.map!.nodes[0]!.freeMib).toBe(before);
  }, 60_000);

  it('a forged start starts nothing, and the promise stays', async () => {
    const id = await granted(client, 'h1');
    const other = { ...vm, name: 'forged', memoryBytes: 2 };
    second.publish('h.h2.r.x.y-2', JSON.stringify({ id, vm: other, parts }));
    await second.flush();
    await new Promise((done) => setTimeout(done, 200));
    second.publish('$JS.API.DIRECT.GET.FLEET', JSON.stringify({ last_by_subj: 'h.h2.r.x.y-2' }), { reply: 'fleet.start.h1' });
    await second.flush();
    await new Promise((done) => setTimeout(done, 1000));
    expect(h1.vms.size).toBe(0);
    // The same from a placer that may send starts: for another VM, for memory that was not claimed,
    // and for a claim that does not exist.
    const stranger = await placer('p2');
    expect(await stranger.start('h1', { id, vm: other, parts })).toMatchObject({
      started: false,
      reason: 'the claim was made for another start',
    });
    expect(await stranger.start('h1', { id, vm, parts: [[0, 900]] })).toMatchObject({ started: false });
    expect(await stranger.start('h1', { id: 'p1.x-77', vm, parts })).toMatchObject({
      started: false,
      reason: 'the claim is not in the log',
    });
    expect(h1.vms.size).toBe(0);
    expect(await client.start('h1', { id, vm, parts })).toEqual({ started: true });
    expect([...h1.vms.keys()]).toEqual([id]);
    // Once more, and the effect is the same.
    expect(await client.start('h1', { id, vm, parts })).toEqual({ started: true });
    expect(h1.vms.size).toBe(1);
  }, 60_000);

  it('the administrator drains a host; placers, and texts that a server brings, do not', async () => {
    const questions: string[] = [];
    h1.answer = async ({ ask }) => {
      questions.push(ask);
      return {};
    };
    await expect(client.ask('h1', { ask: 'drain' })).rejects.toThrow('the key may not ask for drain');
    for (const subject of ['fleet.ask', 'fleet.ask.h1']) client.connection.publish(subject, '{"ask":"drain"}', { reply: '_INBOX_p1.x' });
    second.publish('h.h2.r.x.y-3', '{"ask":"drain"}');
    await second.flush();
    await new Promise((done) => setTimeout(done, 200));
    second.publish('$JS.API.DIRECT.GET.FLEET', JSON.stringify({ last_by_subj: 'h.h2.r.x.y-3' }), { reply: 'fleet.drain.h1' });
    await second.flush();
    expect(await client.ask('h1', { ask: 'ping' })).toMatchObject({ host: 'h1' });
    await new Promise((done) => setTimeout(done, 300));
    expect(questions).toEqual(['ping']);
    // A placer may create consumers, and a consumer delivers the placer's own text to any subject.
    client.connection.publish('h.h2.r.p1.y-4', '{"ask":"drain"}');
    const config = { deliver_subject: 'fleet.drain.h1', filter_subject: 'h.h2.r.p1.y-4', ack_policy: 'none', deliver_policy: 'all' };
    const made = await client.connection.request('$JS.API.CONSUMER.CREATE.FLEET', JSON.stringify({ stream_name: 'FLEET', config }));
    expect(made.json()).toMatchObject({ config: { deliver_subject: 'fleet.drain.h1' } });
    await new Promise((done) => setTimeout(done, 500));
    client.connection.publish('h.h2.r.p1.y-4', '-');
    expect(questions).toEqual(['ping']);
    const admin = await placer('admin');
    expect(await admin.ask('h1', { ask: 'drain' })).toMatchObject({ host: 'h1' });
    expect(questions).toEqual(['ping', 'drain']);
  }, 60_000);

  it("a member's text that a server brings to the workers is no job", async () => {
    const admin = await placer('admin');
    const jobs = await jobsOf(admin);
    second.publish('h.h2.r.x.y-5', '{"words":["forged"]}');
    await second.flush();
    await new Promise((done) => setTimeout(done, 200));
    second.publish('$JS.API.DIRECT.GET.FLEET', JSON.stringify({ last_by_subj: 'h.h2.r.x.y-5' }), { reply: 'job.forged' });
    await second.flush();
    await jobs.submit('real', { words: ['real'] });
    const delivered: unknown[] = [];
    const stop = new AbortController();
    const working = jobs.work(async (job) => delivered.push(job), stop.signal);
    await until('the queue is empty', () => delivered.length > 0);
    await emptyQueue(admin);
    stop.abort();
    await working;
    expect(delivered).toEqual([{ words: ['real'] }]);
  }, 60_000);

  it('an unsigned text on their subjects is no job and no result: what a server delivers for others is none', async () => {
    const admin = await placer('admin');
    const jobs = await jobsOf(admin);
    const js = jetstream(admin.connection);
    await js.publish('job.evil', '{"words":["forged"]}');
    await js.publish('done.true', '"forged"');
    // Nor is a signed one somewhere else.
    const seal = new Seal(seedOfAccess({ url: cluster.url, keyFile: keyOf('admin') }));
    await js.publish('job.moved', '{"words":["moved"]}', { headers: seal.of('job.other', '{"words":["moved"]}') });
    const own = new Seal(seedOfAccess({ url: cluster.url, keyFile: keyOf('p1') }));
    await js.publish('job.own', '{"words":["own"]}', { headers: own.of('job.own', '{"words":["own"]}') });
    expect(await jobs.result('true')).toBeNull();
    await jobs.submit('true', { words: ['true'] });
    const delivered: unknown[] = [];
    const stop = new AbortController();
    const working = jobs.work(async (job) => delivered.push(job), stop.signal);
    await emptyQueue(admin);
    stop.abort();
    await working;
    expect(delivered).toEqual([{ words: ['true'] }]);
    expect(await jobs.result('true')).toEqual({ value: 1 });
  }, 60_000);

  it('an answer that no message holds comes all the same, or says why not, and the member goes on', async () => {
    const { answer } = h1;
    const names = Array.from({ length: 300_000 }, (_, at) => `vm-${at}`);
    h1.answer = async () => ({ names });
    expect(await client.ask('h1', { ask: 'map' })).toEqual({ host: 'h1', names });
    const noise = randomBytes(2 ** 21).toString('base64');
    h1.answer = async () => ({ noise });
    expect(await client.ask('h1', { ask: 'map' })).toEqual({ error: expect.stringMatching(/more than a message may have/) });
    h1.answer = answer;
    expect(await client.ask('h1', { ask: 'ping' })).toMatchObject({ host: 'h1' });
  }, 60_000);

  const claim = (start: string, of: Parts) =>
    new Promise<string>((done, failed) => {
      client.placer.claim('h1', { parts: of, vcpus: 1, start }, { granted: done, ended: (_, how) => failed(new Error(how)) });
    });
  const small: Parts = [[0, 100]];

  it('a claim that is smaller than its VM, or holds other memory, starts nothing', async () => {
    const before = h1.vms.size;
    const large = { ...vm, name: 'large', memoryBytes: 900 * 2 ** 20 };
    const there: Parts = [[0, 900]];
    expect(await client.start('h1', { id: await claim(digestOf(large, small), small), vm: large, parts: small })).toEqual({
      started: false,
      reason: 'the claim holds 100 MiB, less than the VM has',
    });
    expect(await client.start('h1', { id: await claim(digestOf(large, there), small), vm: large, parts: there })).toEqual({
      started: false,
      reason: 'the claim holds other memory than the start wants',
    });
    expect(h1.vms.size).toBe(before);
  }, 60_000);

  it('a host that cannot be looked at for a while refuses starts, and goes on', async () => {
    const id = await claim(digestOf(vm, small), small);
    h1.failure = 'Xen does not answer';
    await new Promise((done) => setTimeout(done, 1500));
    expect(await client.start('h1', { id, vm, parts: small })).toEqual({ started: false, reason: 'Xen does not answer' });
    h1.failure = null;
    expect(await client.start('h1', { id, vm, parts: small })).toEqual({ started: true });
  }, 60_000);

  it('deletions are purged when the host has read them, and no reader misses anything', async () => {
    const admin = await placer('admin');
    for (let at = 0; at < 120; at++)
      client.placer.giveUp(client.placer.claim('h2', { parts: [[0, 1]], vcpus: 1, start: '' }, { granted() {}, ended() {} }));
    const { last } = await new Promise<{ last: number }>((done) => setTimeout(() => done(admin.picture), 2000));
    await until("the host's map says that it has read them", () => (admin.picture.hosts.get('h2')?.map?.settled ?? 0) >= last - 5);
    await admin.tidy();
    const manager = await jetstreamManager(admin.connection);
    expect((await manager.streams.info('FLEET')).state.messages).toBeLessThan(20);
    const late = await placer('p2');
    for (const one of [admin, late]) expect(one.picture.hosts.get('h2')).toMatchObject({ claims: new Map(), map: { vms: 0 } });
  }, 60_000);

  it('a member whose key the servers do not know for a while is there again when they do', async () => {
    const host = new MemoryHost('h3');
    const one = await member(host);
    await until('it has a map', () => client.picture.hosts.get('h3')?.map != null);
    let refusals = 0;
    void (async () => {
      for await (const status of one.connection.status()) if (status.type === 'error') refusals++;
    })();
    const file = join(cluster.folder, 's0', 'server.conf');
    const whole = readFileSync(file, 'utf8');
    const key = users.find(({ name }) => name === 'h3')!.key;
    // The file as it is while it is written: one user is not in it yet.
    writeFileSync(file, whole.replace(new RegExp(`.*nkey: ${key}.*\\n`), ''));
    cluster.signal(0, 'SIGHUP');
    await until('the servers refuse it, again and again', () => refusals >= 4);
    expect(warnings).toContain('the servers of the fleet refuse the key of this member; it tries again');
    host.vms.set('vm', [[0, 10]]);
    writeFileSync(file, whole);
    cluster.signal(0, 'SIGHUP');
    await until('its map has the VM', () => {
      one.member.changed();
      return client.picture.hosts.get('h3')?.map?.vms === 1;
    });
    host.vms.clear();
  }, 60_000);

  it('a daemon that another one has replaced starts nothing more, and its maps count no more', async () => {
    expect(first.owner.isOwner).toBe(true);
    const { member: newer } = await member(h1);
    await until('the newer one owns the host', () => newer.owner.isOwner && first.owner.wasReplaced);
    expect(newer.owner.epoch).toBeGreaterThan(first.owner.epoch);
    await until('its map is read', () => client.picture.hosts.get('h1')?.map?.epoch === newer.owner.epoch);
    // What the older one still sends under its epoch.
    const stale = JSON.stringify({
      e: first.owner.epoch,
      n: 999,
      nodes: [[1000, 1000, 8, 0, '0']],
      vms: 0,
      drifted: 0,
      draining: 0,
      runs: '',
      tags: [],
      absorbed: [],
      dead: [],
      settled: 0,
    });
    const admin = await connectFleet({ url: cluster.url, keyFile: keyOf('admin') }, 'admin');
    admin.publish('h.h1.m', stale);
    await admin.flush();
    await new Promise((done) => setTimeout(done, 300));
    expect(client.picture.hosts.get('h1')!.map).toMatchObject({ epoch: newer.owner.epoch });
    const late = await placer('p2');
    await until('a late reader has the new map', () => late.picture.hosts.get('h1')?.map?.epoch === newer.owner.epoch);
    await admin.close();
    expect(first.owner.admit('p1.x-1', '')).toEqual({ refused: 'this daemon does not own the host' });
  }, 60_000);
});
