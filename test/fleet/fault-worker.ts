// A process for test/fleet/faults.test.ts, to be killed at any moment: a placer, or the members of
// some hosts without Xen. All write what they do to one file, a line an event, in the order of the
// events: G a promise, V a VM that has the memory, S its end, D a claim that the owner frees, N a
// start that failed, W a promise that is given back.

import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { Random } from '../../src/base/random.js';
import { type FleetHost, Member } from '../../src/fleet/member/member.js';
import type { StartRequest } from '../../src/fleet/member/requests.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import { Placement } from '../../src/fleet/place/placement.js';
import type { Parts } from '../../src/fleet/protocol/entries.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { HOST_NODES, LEASE_MS, MARGIN_MS, NODE_MIB } from './fault-figures.js';

const [role, url = '', name = '', file = '', seed = '1'] = process.argv.slice(2);
const random = new Random(Number(seed));
// Clocks differ by a day at most: nothing may depend on them.
const skewMs = random.between(-86_400_000, 86_400_000);
const actualNow = Date.now;
Date.now = () => actualNow() + skewMs;

const write = (...words: readonly string[]): void => appendFileSync(file, `${words.join(' ')}\n`);

class FakeHost implements FleetHost {
  readonly name: string;
  readonly #vms = new Map<string, Parts>();
  changed = () => {};

  constructor(host: string) {
    this.name = host;
    if (existsSync(file)) this.#recall();
  }

  /** The hypervisor has outlived the daemon. */
  #recall(): void {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [event, host, id, parts] = line.split(' ');
      if (host !== this.name) continue;
      if (event === 'V') this.#vms.set(id!, JSON.parse(parts!) as Parts);
      if (event === 'S') this.#vms.delete(id!);
    }
    for (const id of this.#vms.keys()) this.#endLater(id);
  }

  figures() {
    const free = Array<number>(HOST_NODES).fill(NODE_MIB);
    for (const parts of this.#vms.values()) for (const [node, mib] of parts) free[node]! -= mib;
    const nodes = free.map((freeMib) => ({ memoryMib: NODE_MIB, freeMib, cores: 64, vcpus: 0, cpus: '0-63' }));
    return { nodes, vms: this.#vms.size, drifted: 0, draining: false, runs: 'test', tags: [], started: new Set(this.#vms.keys()) };
  }

  async start({ id, parts }: StartRequest): Promise<void> {
    await new Promise((done) => setTimeout(done, random.below(30)));
    if (random.chance(5)) {
      write('N', this.name, id);
      throw new Error('the builder failed');
    }
    write('V', this.name, id, JSON.stringify(parts));
    this.#vms.set(id, parts);
    this.#endLater(id);
  }

  #endLater(id: string): void {
    setTimeout(
      () => {
        write('S', this.name, id);
        this.#vms.delete(id);
        this.changed();
      },
      random.between(300, 3000),
    );
  }

  freed(id: string): void {
    write('D', this.name, id);
  }

  async answer(): Promise<unknown> {
    return {};
  }
}

async function members(hosts: readonly string[]): Promise<void> {
  const log = { info() {}, warn() {} };
  const connection = await connectFleet({ url }, hosts[0]!, true);
  for (const one of hosts) {
    const host = new FakeHost(one);
    const owner = `${one}-${randomBytes(6).toString('hex')}`;
    const member = new Member({ connection, host, name: owner, inboxes: hosts[0]!, log, leaseMs: LEASE_MS, marginMs: MARGIN_MS });
    host.changed = () => member.changed();
  }
}

async function placer(): Promise<void> {
  const client = await FleetClient.open({ access: { url }, name, replicas: 3, leaseMs: LEASE_MS });
  const placement = new Placement(client, {
    rule: 'local-fit',
    tags: [],
    granted: (host, claim, parts) => write('G', host, claim, JSON.stringify(parts)),
    returned: (claim) => write('W', '-', claim),
  });
  const loop = async (): Promise<void> => {
    for (let vm = 0; ; vm++) {
      const mib = random.between(200, 3000);
      const placed = await placement.place({ vm: { name: `v${vm}`, kind: 'hvm', vcpus: 1, memoryBytes: mib }, mib });
      if (placed.host === null) await new Promise((done) => setTimeout(done, 20));
    }
  };
  await Promise.all(Array.from({ length: 8 }, loop));
}

await (role === 'placer' ? placer() : members(name.split(',')));
