// The same arrivals and departures, placed by the fleet on real servers, from the claim to the
// absorbing map, and chosen by replay's rule: the same hosts, when nothing fails.
import { randomBytes } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { type FleetHost, Member } from '../../src/fleet/member/member.js';
import type { StartRequest } from '../../src/fleet/member/requests.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import { Placement } from '../../src/fleet/place/placement.js';
import type { Parts } from '../../src/fleet/protocol/entries.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { HostChooser } from '../../src/replay/choose/choosers.js';
import type { HostType } from '../../src/replay/fleet/host-type.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const [HOSTS, NODES, NODE_MIB, CORES, STEPS] = [8, 2, 1000, 8, 160];
const missing = natsMissing();
const cluster = new NatsCluster({ servers: 1, port: portOf('as-replay') });
const open: (() => Promise<void>)[] = [];

class EqualHost implements FleetHost {
  readonly name: string;
  readonly vms = new Map<string, { readonly parts: Parts; readonly vcpus: number }>();
  constructor(name: string) {
    this.name = name;
  }
  used(of: (vm: { readonly parts: Parts; readonly vcpus: number }, mib: number) => number): number[] {
    const sums = Array<number>(NODES).fill(0);
    for (const vm of this.vms.values()) for (const [node, mib] of vm.parts) sums[node]! += of(vm, mib);
    return sums;
  }
  free(): number[] {
    return this.used((_, mib) => mib).map((mib) => NODE_MIB - mib);
  }
  vcpus(): number[] {
    return this.used(({ parts, vcpus }, mib) => (vcpus * mib) / parts.reduce((sum, [, its]) => sum + its, 0));
  }
  figures() {
    const vcpus = this.vcpus();
    const nodes = this.free().map((freeMib, at) => ({ memoryMib: NODE_MIB, freeMib, cores: CORES, vcpus: vcpus[at]!, cpus: '0-7' }));
    const started = new Set(this.vms.keys());
    return { nodes, vms: this.vms.size, drifted: 0, draining: false, runs: 'test', tags: [], started };
  }
  async start({ id, vm, parts }: StartRequest): Promise<void> {
    this.vms.set(id, { parts, vcpus: vm.vcpus });
  }
  async answer(): Promise<unknown> {
    return {};
  }
}

afterAll(async () => {
  for (const close of open.reverse()) await close();
  await cluster.close();
}, 60_000);

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries === 2000) throw new Error('the picture never shows it');
    await new Promise((done) => setTimeout(done, 5));
  }
}

it.skipIf(missing !== null)(
  'the fleet places as replay does',
  async () => {
    await cluster.start();
    const hosts = Array.from({ length: HOSTS }, (_, at) => new EqualHost(`h${at}`));
    const members: Member[] = [];
    for (const host of hosts) {
      const connection = await connectFleet({ url: cluster.url }, host.name);
      const log = { info() {}, warn() {} };
      const name = `${host.name}-${randomBytes(4).toString('hex')}`;
      members.push(new Member({ connection, host, name, inboxes: host.name, log }));
      open.push(() => members[Number(host.name.slice(1))]!.stop());
      // Equal hosts are chosen in the order in which they are known: one after the other.
      const admin = await FleetClient.open({ access: { url: cluster.url }, name: 'wait', replicas: 1 });
      await until(() => admin.picture.hosts.get(host.name)?.map != null);
      await admin.close();
    }
    const client = await FleetClient.open({ access: { url: cluster.url }, name: 'p', replicas: 1 });
    open.push(() => client.close());
    const shown = (at: number) => {
      const { map, claims } = client.picture.hosts.get(`h${at}`) ?? {};
      return claims?.size === 0 && map?.nodes.map(({ freeMib }) => freeMib).join() === hosts[at]!.free().join();
    };
    await until(() => hosts.every((_, at) => shown(at)));
    expect([...client.picture.hosts.keys()]).toEqual(hosts.map(({ name }) => name));
    const placement = new Placement(client, { rule: 'local-fit', tags: [] });
    const type = { nodes: NODES, cores: Array<number>(NODES).fill(CORES), freeMib: NODES * NODE_MIB } as unknown as HostType;
    const nodes = {
      freePages: (host: number, node: number) => hosts[host]!.free()[node]! * 256,
      vcpus: (host: number, node: number) => hosts[host]!.vcpus()[node]!,
    };
    const replay = new HostChooser('local-fit', type, HOSTS, nodes, 1);
    const random = new Random(11);
    const counts = { placed: 0, none: 0, left: 0 };
    for (let step = 0; step < STEPS; step++) {
      const used = hosts.flatMap(({ vms }, at) =>
        [...vms].map(([id, { parts }]) => ({ id, at, mib: parts.reduce((sum, [, mib]) => sum + mib, 0) })),
      );
      if (used.length > 0 && random.chance(30)) {
        const { id, at, mib } = random.pick(used);
        hosts[at]!.vms.delete(id);
        replay.changed(at, -mib);
        members[at]!.changed();
        await until(() => shown(at));
        counts.left++;
        continue;
      }
      const [vcpus, mib] = [random.between(1, 6), random.between(50, 900)];
      const expected = replay.choose(vcpus, mib);
      const placed = await placement.place({ vm: { name: `v${step}`, kind: 'hvm', vcpus, memoryBytes: mib }, mib });
      expect(placed.host, `step ${step}: ${vcpus} vCPUs, ${mib} MiB`).toBe(expected < 0 ? null : `h${expected}`);
      if (expected < 0) {
        counts.none++;
        continue;
      }
      replay.changed(expected, mib);
      await until(() => shown(expected));
      counts.placed++;
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
  },
  180_000,
);
