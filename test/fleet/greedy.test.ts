// Clients that send a member more than it can answer: each has its own line, and the others and the
// host's own work go on.
import { randomBytes } from 'node:crypto';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Member } from '../../src/fleet/member/member.js';
import { QUESTION_LIMITS } from '../../src/fleet/member/question-turns.js';
import { askSubject, drainSubject, type Question, startSubject } from '../../src/fleet/member/requests.js';
import { WAITING_OF_ONE } from '../../src/fleet/member/waiting-starts.js';
import { askHost } from '../../src/fleet/place/ask-host.js';
import { connectFleet, inboxesOf } from '../../src/fleet/store/connect.js';
import { MemoryHost } from '../support/memory-host.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 1, port: portOf('greedy') });
const open: (() => Promise<void>)[] = [];
const warnings: { readonly values: object; readonly message: string }[] = [];

/** Says in which order the questions were answered, each of which takes some work. */
class BusyHost extends MemoryHost {
  readonly asked: string[] = [];
  /** Runs before each answer. */
  before = () => {};

  override async answer({ name = '', ask }: Question): Promise<unknown> {
    this.before();
    this.asked.push(ask === 'drain' ? 'drain' : name);
    for (const endMs = performance.now() + 2; performance.now() < endMs; );
    return { name };
  }
}

async function connection(name: string): Promise<NatsConnection> {
  const made = await connectFleet({ url: cluster.url }, name);
  open.push(() => made.close());
  return made;
}

async function busyMember(): Promise<BusyHost> {
  const host = new BusyHost(`h${open.length}`);
  const log = { info() {}, warn: (values: object, message: string) => void warnings.push({ values, message }) };
  const name = `${host.name}-${randomBytes(4).toString('hex')}`;
  const member = new Member({ connection: await connection(host.name), host, name, inboxes: host.name, log });
  open.push(() => member.stop());
  for (let tries = 0; !member.owner.isOwner && tries < 200; tries++) await new Promise((done) => setTimeout(done, 50));
  expect(member.owner.isOwner).toBe(true);
  return host;
}

/** Sends questions without waiting for answers. */
function flood(from: NatsConnection, host: string, user: string, count: number): void {
  for (let at = 0; at < count; at++) {
    from.publish(askSubject(host), JSON.stringify({ ask: 'vm', name: `${user} ${at}` }), { reply: createInbox(inboxesOf(user)) });
  }
}

describe.skipIf(missing !== null)('a member that is asked too much', () => {
  beforeAll(() => cluster.start(), 60_000);
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
    warnings.splice(0);
  });
  afterAll(() => cluster.close());

  it('refuses what is past the limit of one asker, answers another at its next turn, and says so', async () => {
    const host = await busyMember();
    const [greedy, other] = [await connection('greedy'), await connection('other')];
    const told: unknown[] = [];
    greedy.subscribe('_INBOX_greedy.>', { callback: (_, message) => void told.push(message.json()) });
    let answered: Promise<unknown> | null = null;
    // In the middle of the flood, when its line is full.
    host.before = () => {
      if (host.asked.length === 3) answered = askHost(other, host.name, { ask: 'vm', name: 'other' });
    };
    flood(greedy, host.name, 'greedy', 5000);
    await greedy.flush();
    while (answered === null) await new Promise((done) => setTimeout(done, 10));
    expect(await answered).toEqual({ host: host.name, name: 'other' });
    await greedy.flush();
    const { waiting } = QUESTION_LIMITS;
    // Its question waited for no more than the few that were on their way with it.
    expect(host.asked.indexOf('other')).toBeLessThan(waiting);
    while (host.asked.length < waiting) await new Promise((done) => setTimeout(done, 10));
    expect(host.asked.length).toBeLessThan(5000);
    expect(told).toContainEqual({ host: host.name, error: `${waiting} questions of greedy wait already; ask more slowly` });
    while (warnings.length === 0) await new Promise((done) => setTimeout(done, 50));
    expect(warnings).toEqual([
      { values: { refused: { greedy: expect.any(Number) } }, message: 'questions of the fleet were refused: too many at once' },
    ]);
  }, 60_000);

  it('drains at the request of the administrator, however full the lines of questions are', async () => {
    const host = await busyMember();
    const [greedy, admin] = [await connection('greedy'), await connection('admin')];
    let drained: Promise<unknown> | null = null;
    host.before = () => {
      if (host.asked.length === 3) drained = admin.request(drainSubject(host.name), JSON.stringify({ ask: 'drain' }), { timeout: 30_000 });
    };
    // Also in the administrator's name, which the greedy one may write on its questions.
    flood(greedy, host.name, 'admin', 5000);
    await greedy.flush();
    while (drained === null) await new Promise((done) => setTimeout(done, 10));
    await drained;
    expect(host.asked.indexOf('drain')).toBeLessThan(QUESTION_LIMITS.waiting);
  }, 60_000);

  it('lets so many starts of one placer wait for their claims, and logs so many refusals a minute', async () => {
    const host = await busyMember();
    const greedy = await connection('greedy');
    const reasons = new Map<string, number>();
    let answers = 0;
    greedy.subscribe('_INBOX_greedy.>', {
      callback: (_, message) => {
        const { reason } = message.json<{ reason: string }>();
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        answers++;
      },
    });
    const vm = { name: 'v', kind: 'hvm', vcpus: 1, memoryBytes: 1 };
    for (let at = 0; at < 1000; at++) {
      const start = { id: `greedy.x-${at}`, vm, parts: [[0, 1]] };
      greedy.publish(startSubject(host.name), JSON.stringify(start), { reply: createInbox('_INBOX_greedy') });
    }
    while (answers < 1000) await new Promise((done) => setTimeout(done, 50));
    expect(Object.fromEntries(reasons)).toEqual({
      'the claim is not in the log': WAITING_OF_ONE,
      [`${WAITING_OF_ONE} starts of greedy wait for their claims already`]: 1000 - WAITING_OF_ONE,
    });
    expect(warnings).toHaveLength(60);
    expect(host.vms.size).toBe(0);
  }, 60_000);
});
