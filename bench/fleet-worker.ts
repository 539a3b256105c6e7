// A process of bench/fleet.mjs: the owners of all simulated hosts, or a placer.
import type { Msg } from '@nats-io/transport-node';
import { Random } from '../src/base/random.js';
import { decodeStart, digestOf, type FleetVm } from '../src/fleet/member/requests.js';
import { FleetClient } from '../src/fleet/place/fleet-client.js';
import { Placement } from '../src/fleet/place/placement.js';
import { Owner } from '../src/fleet/protocol/owner.js';
import { connectFleet, inboxesOf } from '../src/fleet/store/connect.js';
import { NatsLog } from '../src/fleet/store/nats-log.js';
import { ensureStream } from '../src/fleet/store/stream.js';

const [role, url = '', hostsText, replicasText, place = '0', cycle, secondsText, workersText, alone] = process.argv.slice(2);
const [HOSTS, REPLICAS, SECONDS, WORKERS] = [hostsText, replicasText, secondsText, workersText].map(Number) as [
  number,
  number,
  number,
  number,
];
const NODES = 4;
const NODE_MIB = 262_144;
const VMS = 20;
const SIZES_MIB = [1024, 2048, 4096, 8192];

const report = (message: object): void => void process.send!(message);
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

class SimulatedHost {
  readonly free = Array<number>(NODES).fill(NODE_MIB);
  readonly started = new Set<string>();
  vms = VMS;

  constructor(random: Random) {
    for (let vm = 0; vm < VMS; vm++) this.free[random.below(NODES)]! -= random.pick(SIZES_MIB);
  }

  figures() {
    const nodes = this.free.map((freeMib) => ({ memoryMib: NODE_MIB, freeMib, cores: 256, vcpus: 10, cpus: '0-255' }));
    return { nodes, vms: this.vms, drifted: 0, draining: false, runs: 'Xen 4.17, xapi-26.3', tags: [], started: this.started };
  }
}

async function owners(): Promise<void> {
  const connection = await connectFleet({ url }, 'owners', true);
  await ensureStream(connection, REPLICAS);
  const log = new NatsLog(connection, inboxesOf('owners'));
  const random = new Random(5);
  const all = new Map<string, { host: SimulatedHost; owner: Owner }>();
  for (let at = 0; at < HOSTS; at++) {
    const host = new SimulatedHost(random);
    const owner = new Owner({
      ...{ host: `h${at}`, name: `o${at}`, leaseMs: 60_000, marginMs: 60_000 },
      figures: () => host.figures(),
      send: (subject, text) => log.send(subject, text),
    });
    all.set(`h${at}`, { host, owner });
  }
  const beganMs = performance.now();
  let owned = 0;
  await log.watch({
    entry(entry) {
      const one = all.get(entry.subject.split('.', 2)[1]!);
      if (one === undefined) return;
      const before = one.owner.isOwner;
      one.owner.read(entry, performance.now());
      if (!before && one.owner.isOwner && ++owned === HOSTS) report({ publishedMs: Math.round(performance.now() - beganMs) });
    },
    caughtUp() {},
    restarted() {},
  });
  for (const { owner } of all.values()) owner.take();
  connection.subscribe('fleet.start.*', {
    callback: (error, message) => void started(error, message),
  });

  async function started(error: Error | null, message: Msg): Promise<void> {
    const request = error === null ? decodeStart(message.string()) : null;
    const one = all.get(message.subject.slice('fleet.start.'.length));
    if (request === null || one === undefined) return;
    const digest = digestOf(request.vm, request.parts);
    let admitted = one.owner.admit(request.id, digest);
    while (admitted === 'later') {
      await pause(1);
      admitted = one.owner.admit(request.id, digest);
    }
    if (admitted === 'start') {
      for (const [node, mib] of request.parts) one.host.free[node]! -= mib;
      one.host.started.add(request.id);
      one.host.vms++;
      one.owner.ended(request.id, true);
      one.host.started.delete(request.id);
    }
    message.respond(JSON.stringify({ started: admitted === 'start' }));
  }
}

async function placer(): Promise<void> {
  const beganMs = performance.now();
  const client = await FleetClient.open({
    access: { url },
    name: `p${place}`,
    replicas: REPLICAS,
    ...(alone === 'true' ? { alone: true as const } : {}),
  });
  const pictureMs = Math.round(performance.now() - beganMs);
  // A cycle ends when its claim has ended in the log, not with the answer of the host.
  const ends = new Map<string, () => void>();
  const early = new Set<string>();
  let promised = 0;
  const placement = new Placement(client, {
    ...{ rule: 'local-fit' as const, tags: [] },
    granted: () => promised++,
    ended: (id) => {
      if (ends.has(id)) ends.get(id)!();
      else early.add(id);
    },
  });
  // The other placers are heard of before any host is chosen.
  await pause(2500);
  report({ pictureMs });
  await new Promise((done) => process.once('message', done));
  const random = new Random(Number(place) + 77);
  const latencies: number[] = [];
  let refused = 0;
  const endMs = performance.now() + SECONDS * 1000;
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const mib = random.pick(SIZES_MIB);
      const vm: FleetVm = { name: 'v', kind: 'hvm', vcpus: 1, memoryBytes: mib };
      const startMs = performance.now();
      if (cycle === 'true') {
        const placed = await placement.place({ vm, mib });
        if (placed.host === null) refused++;
        else if (!early.delete(placed.claim)) await new Promise<void>((done) => ends.set(placed.claim, done));
        if (placed.host !== null && performance.now() < endMs) latencies.push(performance.now() - startMs);
        continue;
      }
      const choice = placement.choose(1, mib);
      const claim = choice === null ? null : await placement.claim(choice.host, choice.parts, vm);
      if (claim === null || claim.id === null) refused++;
      else latencies.push(performance.now() - startMs);
    }
  };
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: WORKERS }, worker));
  const { user, system } = process.cpuUsage(cpu);
  report({ latencies, refused, promised, cpuSeconds: (user + system) / 1e6, mib: Math.round(process.memoryUsage().rss / 2 ** 20) });
}

await (role === 'owners' ? owners() : placer());
