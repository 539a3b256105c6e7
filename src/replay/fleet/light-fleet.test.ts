// The light fleet beside the embedded host: the same starts and stops, page for page. Each sequence
// is a random host and some twenty random starts and stops under one profile; after each, the free
// pages of every node, and the pages and the node affinity of the VM, must be equal, and so must
// success and failure. XENNUMA_SEQUENCES sets how many sequences a profile gets,
// XENNUMA_FIRST_SEQUENCE the first, so that many can be played in pieces:
// XENNUMA_SEQUENCES=2000 npx vitest run src/replay/fleet/light-fleet.test.ts
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { Random } from '../../base/random.js';
import { MIB } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../xenopsd/life/toolstack.js';
import { hostType } from './host-type.js';
import { LightFleet, type LightVm, vmSpec } from './light-fleet.js';
import { replayPolicy } from './policies.js';

const SEQUENCES = Number(process.env.XENNUMA_SEQUENCES ?? cases(1, 4));
const FIRST = Number(process.env.XENNUMA_FIRST_SEQUENCE ?? 1);
const STEPS = 22;
/** More than a sequence takes, on a busy machine too. */
const SEQUENCE_MS = 10_000;
const POLICIES = [
  'xapi-25.6',
  'xapi-25.21',
  'xapi-25.21/best_effort_hard',
  'xapi-25.33',
  'xapi-25.39',
  'xapi-25.39/prio_mem_only',
  'xapi-26.1',
  'xapi-26.2',
  'xapi-26.3',
  'xapi-26.3/any',
  'xl',
  'tight',
  'xapi-25.6/tight',
];

function randomHost(random: Random): Host {
  const count = random.pick([1, 2, 2, 4, 4, 8, 3, 5]);
  const alike = random.chance(60);
  const mib = () => random.between(1, 20) * 512 + (random.chance(30) ? random.below(700) : 0);
  const usual = mib();
  const cpusEach = random.pick([2, 4, 8]);
  const nodes = Array.from({ length: count }, (_, id) => {
    const memoryBytes = (alike ? usual : mib()) * MIB;
    return { id, memoryBytes, freeBytes: Math.floor((memoryBytes * random.between(60, 100)) / 100 / 4096) * 4096 };
  });
  return {
    name: 'random',
    source: 'test',
    nodes,
    // The last node of some hosts has memory only.
    cpus: nodes.flatMap(({ id }) =>
      id > 0 && id === count - 1 && random.chance(20)
        ? []
        : Array.from({ length: cpusEach }, (_, at) => ({ id: id * cpusEach + at, node: id, core: id * cpusEach + (at >> 1), socket: 0 })),
    ),
    distances: nodes.map((_, a) => nodes.map((__, b) => (a >> 1 === b >> 1 ? 12 : 21) - (a === b ? 2 : 0))),
    notes: [],
  };
}

function randomSize(random: Random, hostBytes: number): { vcpus: number; memoryBytes: number } {
  const mib = random.weighted([
    [random.between(2, 400), 2],
    [random.pick([768, 1792, 2048, 3584, 4096, 7168, 14336]), 6],
    [random.between(256, 9000), 3],
    [Math.ceil((hostBytes * random.between(20, 90)) / 100 / MIB), 1],
  ]);
  return { vcpus: random.pick([1, 1, 2, 2, 4, 8, 16, 20]), memoryBytes: mib * MIB };
}

async function playBeside(policyName: string, seed: number): Promise<{ started: number; failed: number; spread: number }> {
  const random = new Random(seed);
  const host = randomHost(random);
  const policy = replayPolicy(policyName);
  const fleet = new LightFleet(hostType(host), policy, 2);
  const embedded = await embeddedHost(host, { profile: policy.profile.name });
  const toolstack = await createToolstack(embedded, { profile: policy.profile.name, policy: policy.policy, seed: 1 });
  const hostBytes = host.nodes.reduce((sum, node) => sum + node.freeBytes, 0);
  const light = new Map<string, LightVm>();
  const counted = { started: 0, failed: 0, spread: 0 };
  for (let step = 0; step < STEPS; step++) {
    const where = `${policyName} seed ${seed} step ${step}`;
    if (light.size > 0 && random.chance(40)) {
      const name = random.pick([...light.keys()]);
      await toolstack.stop(name);
      fleet.stop(light.get(name)!);
      light.delete(name);
    } else {
      const { vcpus, memoryBytes } = randomSize(random, hostBytes);
      const name = `vm-${step}`;
      await toolstack.add(vmSpec(vcpus, memoryBytes, name));
      const outcome = await toolstack.start(name);
      const vm = fleet.start(1, fleet.flavour(vcpus, memoryBytes));
      expect(vm !== null, `${where}: ${outcome.failure?.message ?? 'started'}`).toBe(outcome.failure === null);
      if (vm === null) counted.failed++;
      else {
        counted.started++;
        light.set(name, vm);
        const landing = outcome.landing!;
        expect([...vm.pages], where).toEqual([...landing.pages]);
        expect(vm.affinity.nodes, where).toEqual([...landing.nodeAffinity]);
        if (landing.pages.filter((pages) => pages > 0).length > 1) counted.spread++;
      }
    }
    expect(
      host.nodes.map((_, node) => fleet.freePages(1, node)),
      where,
    ).toEqual(embedded.inspect.freePages());
  }
  for (const vm of light.values()) fleet.stop(vm);
  expect(host.nodes.map((_, node) => fleet.freePages(1, node))).toEqual(host.nodes.map((_, node) => fleet.freePages(0, node)));
  return counted;
}

describe('the light fleet beside the embedded host, page for page', () => {
  it.each(POLICIES)(
    `%s: ${SEQUENCES} sequences`,
    async (name) => {
      const sum = { started: 0, failed: 0, spread: 0 };
      for (let seed = FIRST; seed < FIRST + SEQUENCES; seed++) {
        const counted = await playBeside(name, seed * 7919 + name.length);
        sum.started += counted.started;
        sum.failed += counted.failed;
        sum.spread += counted.spread;
      }
      if (process.env.XENNUMA_SEQUENCES !== undefined) console.log(name, `${FIRST} to ${FIRST + SEQUENCES - 1}`, JSON.stringify(sum));
      expect(sum.started).toBeGreaterThan(SEQUENCES);
      expect(sum.failed).toBeGreaterThan(0);
      expect(sum.spread).toBeGreaterThan(0);
    },
    Math.max(900_000, SEQUENCES * SEQUENCE_MS),
  );
});
