// Hostile messages and entries on a real server: the member and the placers live, and go on.
import { randomBytes } from 'node:crypto';
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Member } from '../../src/fleet/member/member.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import { Placement } from '../../src/fleet/place/placement.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { cases } from '../support/cases.js';
import { HostileBytes } from '../support/hostile-bytes.js';
import { MemoryHost } from '../support/memory-host.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 1, port: portOf('hostile') });
const host = new MemoryHost('h1');
const open: (() => Promise<void>)[] = [];
const log = { info() {}, warn() {} };
const SEED = Number(process.env.XENNUMA_SEED ?? 1);
/** On nodes that no host has, of sizes that no host has, and deletions that no owner wrote. */
const CLAIMS = [
  '{"p":[[4294967290,1]],"c":1,"s":"x"}',
  '{"p":[[9007199254740991,1]],"c":1,"s":"x"}',
  '{"p":[[0,9007199254740991]],"c":9007199254740991,"s":"x"}',
  `{"b":[${Array(32).fill('{"p":[[4294967294,1]],"c":1,"s":"x"}').join(',')}]}`,
  `{"p":[${Array(65).fill('[0,1]').join(',')}],"c":1,"s":"x"}`,
  '{"p":[[0,1]],"c":1,"s":"x","__proto__":{"b":[1]}}',
  '-1.1',
  '-999999999.999999999999999',
  '-',
];

function messageOf(hostile: HostileBytes): [subject: string, text: string] {
  const { random } = hostile;
  const subject = hostile.pick([
    'fleet.ask',
    'fleet.ask.h1',
    'fleet.drain.h1',
    'fleet.start.h1',
    'fleet.ev.h1',
    `fleet.lease.${random.below(50)}.x`,
    'h.h1.m',
    `h.h1.r.evil.x-${random.below(100)}`,
    `h.h1.o.${random.below(3)}.evil`,
    `h.__proto__.r.evil.x-${random.below(100)}`,
    'h.constructor.m',
    'h.h1.x',
  ]);
  const start = `{"id":"evil.x-${random.below(100)}","vm":{"name":"v","kind":"hvm","vcpus":1,"memoryBytes":1},"parts":${hostile.json()}}`;
  const question = `{"ask":"${hostile.pick(['map', 'names', 'vm', 'verify', 'drain', '__proto__'])}","name":"__proto__","names":["constructor",${hostile.json()}]}`;
  return [subject, hostile.pick([() => hostile.json(), () => hostile.pick(CLAIMS), () => start, () => question])()];
}

describe.skipIf(missing !== null)('a fleet', () => {
  let evil: NatsConnection;
  beforeAll(async () => {
    await cluster.start();
    const connection = await connectFleet({ url: cluster.url }, 'h1');
    const member = new Member({ connection, host, name: `h1-${randomBytes(4).toString('hex')}`, inboxes: 'h1', log });
    open.push(() => member.stop());
    evil = await connectFleet({ url: cluster.url }, 'evil');
    open.push(() => evil.close());
  }, 60_000);
  afterAll(async () => {
    for (const close of open.splice(0).reverse()) await close();
    await cluster.close();
  });

  const client = async () => {
    const made = await FleetClient.open({ access: { url: cluster.url }, name: 'admin', replicas: 1 });
    open.push(() => made.close());
    return made;
  };

  it('goes on through hostile messages and entries, and places a VM after them', async () => {
    const watching = await client();
    const total = cases(2000, 20_000);
    for (let at = 0; at < total; at++) {
      const hostile = new HostileBytes(SEED * 1_000_003 + at);
      const [subject, text] = messageOf(hostile);
      const odd = headers();
      odd.set('Nats-Msg-Id', String(at % 7));
      const reply = hostile.pick([createInbox('_INBOX_evil'), 'h.h1.m', 'fleet.ask', '_INBOX_']);
      evil.publish(subject, Buffer.from(text, 'latin1'), { reply, ...(hostile.random.chance(20) ? { headers: odd } : {}) });
      if (at % 200 === 0) await evil.flush();
    }
    await evil.flush();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    // Its claims are those of a placer that is gone. A member that was driven out comes again.
    const late = await client();
    for (const one of [watching, late]) {
      const placed = async () => {
        const placement = new Placement(one, { rule: 'local-fit', tags: [], except: new Set() });
        const [result] = await placement.placeAll([
          { vm: { name: `v${open.length}`, kind: 'hvm', vcpus: 1, memoryBytes: 2 ** 20 }, mib: 1 },
        ]);
        return result!.host;
      };
      const before = host.vms.size;
      for (let tries = 0; host.vms.size === before && tries < 120; tries++) {
        if ((await placed()) === null) await new Promise((done) => setTimeout(done, 500));
      }
      expect(host.vms.size).toBe(before + 1);
      expect(one.picture.freeBefore('h1', Number.POSITIVE_INFINITY)?.length).toBe(1);
    }
  }, 300_000);
});
