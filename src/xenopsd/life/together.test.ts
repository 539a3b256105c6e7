// VMs that start in parallel: the races that users report, decided by a seed.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import type { ProfileName } from '../api/profiles.js';

const NAMES = ['a', 'b', 'c'];

/** Three VMs of 1.5 GiB on two nodes of 4 GiB, started together. */
async function race(profile: ProfileName, seed: number, mib = 1536) {
  const toolstack = await toolstackOn(machine([4096, 4096], 8), { profile, seed });
  for (const name of NAMES) await toolstack.add(vm(name, 2, mib));
  const outcomes = await toolstack.startTogether(NAMES);
  expect(toolstack.doors.inspect.invariants()).toEqual([]);
  const surprises = outcomes.flatMap(({ record }) => record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])));
  return { toolstack, outcomes, surprises };
}

describe('parallel starts', () => {
  it('the same seed gives the same run, byte for byte', async () => {
    for (const seed of [1, 2, 3]) {
      const [one, other] = [await race('xapi-25.6', seed), await race('xapi-25.6', seed)];
      expect(JSON.stringify(one.outcomes)).toBe(JSON.stringify(other.outcomes));
      expect(one.toolstack.doors.store.list()).toEqual(other.toolstack.doors.store.list());
      expect(one.toolstack.snapshot()).toEqual(other.toolstack.snapshot());
    }
  });

  it('other seeds interleave otherwise', async () => {
    const runs = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => race('xapi-25.6', seed)));
    const order = runs.map(({ toolstack }) =>
      toolstack
        .vms()
        .map(({ domid }) => domid)
        .join(),
    );
    expect(new Set(order).size).toBeGreaterThan(1);
  });

  it('outcomes come in the order of the names, each with its own record', async () => {
    const { outcomes } = await race('xapi-25.6', 5);
    expect(outcomes.map((outcome) => outcome.vm)).toEqual(NAMES);
    for (const { vm: name, record, domid } of outcomes) {
      expect(record.title).toBe(`start ${name}`);
      const domids = record.entries.flatMap((entry) => (entry.kind === 'node' && 'domid' in entry.values ? [entry.values.domid] : []));
      expect(new Set(domids)).toEqual(new Set([domid]));
    }
  });

  it('25.6: plans see the same free memory, so that one node can be given more than it holds', async () => {
    // Each VM fits a node, no two fit one, and there are three: one of the nodes is planned for two
    // of them.
    const runs = await Promise.all(Array.from({ length: 12 }, (_, seed) => race('xapi-25.6', seed, 2304)));
    const told = runs.filter(({ surprises }) => surprises.includes('plan-not-deducted'));
    const spilled = runs.filter(({ surprises }) => surprises.includes('memory-spilled'));
    expect(told.length).toBeGreaterThan(0);
    expect(spilled.length).toBeGreaterThan(0);
  });

  it('26.3: planned memory is claimed, so that no later plan counts on it', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const { surprises, outcomes } = await race('xapi-26.3', seed, 2304);
      expect(surprises).not.toContain('plan-not-deducted');
      const nodesPlanned = outcomes.flatMap(({ record }) => record.notes('claim').flatMap(({ node }) => (node === null ? [] : [node])));
      // Two VMs have a node each; the third fits neither and is planned over both, which sets
      // nothing.
      expect(nodesPlanned.sort()).toEqual([0, 1]);
      expect(surprises).toContain('multi-node-plan-sets-nothing');
    }
  });

  it('a failing one does not disturb the others, and leaves nothing', async () => {
    const toolstack = await toolstackOn(machine([2048, 2048], 4), { seed: 4 });
    await toolstack.add(vm('good', 1, 512));
    await toolstack.add(vm('bad', 1, 512, { vcpusParams: { mask: '99' } }));
    await toolstack.add(vm('huge', 1, 9000));
    const outcomes = await toolstack.startTogether(['good', 'bad', 'huge']);
    expect(outcomes.map(({ failure }) => failure?.step ?? null)).toEqual([null, 'xenguest', 'VM.build']);
    expect(toolstack.doors.xc.domainList().map(({ domid }) => domid)).toEqual([0, outcomes[0]!.domid]);
    expect(toolstack.doors.store.list('/vm').filter(({ path }) => /^\/vm\/[^/]+$/.test(path))).toHaveLength(1);
  });
});
