// Whole VM starts per second on the embedded host: VM.create, VM.build with placement, the builder,
// and stops so that there is room again.
import { GIB } from '../src/base/units.js';
import type { ProfileName } from '../src/xenopsd/api/profiles.js';
import { embeddedHost } from '../src/xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../src/xenopsd/life/toolstack.js';
import type { BenchRow } from './measure.js';

/** Starts of `vms` VMs of 4 vCPUs and 4 GiB, `rounds` times, all stopped in between. */
async function startsPerSecond(nodes: number, profile: ProfileName, vms: number, rounds: number): Promise<number> {
  const all = Array.from({ length: nodes }, (_, id) => id);
  const host = {
    name: 'bench',
    source: 'bench',
    nodes: all.map((id) => ({ id, memoryBytes: 256 * GIB, freeBytes: 254 * GIB })),
    cpus: Array.from({ length: nodes * 16 }, (_, id) => ({ id, node: id >> 4, core: id & 15, socket: id >> 4 })),
    distances: all.map((i) => all.map((j) => (i === j ? 10 : 20))),
    notes: [],
  };
  const toolstack = await createToolstack(await embeddedHost(host, { profile }), { profile, policy: 'best_effort', seed: 1 });
  const names = Array.from({ length: vms }, (_, index) => `vm-${index}`);
  for (const name of names) {
    const memory = { memoryStaticMaxBytes: 4 * GIB, memoryTargetBytes: 4 * GIB };
    await toolstack.add({ name, kind: 'hvm', vcpusMax: 4, vcpusAtStartup: 4, ...memory, vcpusParams: {} });
  }
  let spentMs = 0;
  // CPU time of this process, so that other load on the machine does not count.
  const cpuMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  for (let round = 0; round < rounds; round++) {
    const before = cpuMs();
    for (const name of names) {
      const { failure } = await toolstack.start(name);
      if (failure !== null) throw new Error(`${name}: ${failure.message}`);
    }
    // The first round warms up.
    if (round > 0) spentMs += cpuMs() - before;
    for (const name of names) await toolstack.stop(name);
  }
  return (vms * (rounds - 1) * 1000) / spentMs;
}

export async function benchStarts(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const nodes of [2, 8, 16]) {
    rows.push({
      name: `whole VM starts, ${nodes} nodes, xapi-25.6`,
      unit: 'starts',
      perSecond: await startsPerSecond(nodes, 'xapi-25.6', 100, 4),
    });
  }
  for (const profile of ['xapi-26.3', 'xl'] as const) {
    rows.push({ name: `whole VM starts, 8 nodes, ${profile}`, unit: 'starts', perSecond: await startsPerSecond(8, profile, 100, 4) });
  }
  return rows;
}
