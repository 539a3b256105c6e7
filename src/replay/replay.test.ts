// Whole replays of traces that are small enough to compute their figures by hand.
import { describe, expect, it } from 'vitest';
import { InputError } from '../base/errors.js';
import { GIB } from '../base/units.js';
import type { Host } from '../machine/model.js';
import { replayPolicy } from './fleet/policies.js';
import { type ReplaySettings, replay } from './replay.js';
import { readCsvTrace } from './trace/csv.js';
import { generatedTrace } from './trace/generated.js';

const HOST: Host = {
  name: 'two',
  source: 'test',
  nodes: [0, 1].map((id) => ({ id, memoryBytes: 16 * GIB, freeBytes: 16 * GIB })),
  cpus: Array.from({ length: 8 }, (_, id) => ({ id, node: id >> 2, core: id, socket: id >> 2 })),
  distances: [
    [10, 20],
    [20, 10],
  ],
  notes: [],
};
const settings = (over: Partial<ReplaySettings> = {}): ReplaySettings => ({
  policy: 'xapi-26.3',
  host: HOST,
  hosts: 1,
  choose: 'best-fit',
  seed: 1,
  moments: 4,
  ...over,
});
const trace = (lines: string) => readCsvTrace({ file: 'a.csv', text: `time,vcpus,memory,duration\n${lines}` });

describe('figures', () => {
  it('a VM on one node, and later one that has half of its memory on each', () => {
    const result = replay(trace('0,2,4GiB,100\n100,2,20GiB,100\n'), settings({ policy: 'xapi-25.6' }));
    expect(result).toMatchObject({ vms: 2, started: 2, startedOnOneNode: 1, failedForHost: 0, failedOnHost: 0, peakVms: 2 });
    // 4 GiB for 100 s on one node; 20 GiB for 100 s, half of its accesses remote at distance 20.
    expect(result.oneNode).toBeCloseTo(4 / 24, 3);
    expect(result.remote).toBeCloseTo((20 / 24) * 0.5, 3);
    expect(result.meanDistance).toBeCloseTo(10 + (20 / 24) * 5, 2);
    expect(result.overload).toBe(0);
    expect(result.overTime.map(({ seconds, vms }) => [seconds, vms])).toEqual([
      [50, 1],
      [100, 1],
      [150, 1],
      [200, 1],
    ]);
    expect(result.overTime[0]!.oneNode).toBe(1);
    expect(result.overTime[2]!.remote).toBeCloseTo(0.5, 2);
  });

  it('without placement, memory and vCPUs are spread', () => {
    const result = replay(trace('0,2,4GiB,100\n'), settings({ policy: 'any' }));
    expect(result.oneNode).toBe(0);
    expect(result.remote).toBeCloseTo(0.5, 3);
    expect(result.meanDistance).toBeCloseTo(15, 2);
  });

  it('overload is demand above the cores of a node; memory beside cores in demand is stranded', () => {
    // 24 vCPUs on both nodes are 9.6 cores of demand for 8, as long as they run.
    const result = replay(trace('0,12,1GiB,100\n0,12,1GiB,50\n'), settings({ policy: 'any' }));
    expect(result.overload).toBeCloseTo((1.6 * 50) / (9.6 * 50 + 4.8 * 50), 6);
    expect(result.stranded).toBeGreaterThan(0.49);
    expect(result.stranded).toBeLessThan(0.51);
  });

  it('starts fail for want of a host; what stops makes room', () => {
    const result = replay(trace('0,1,20GiB,10\n5,1,20GiB,10\n10,1,20GiB,10\n11,1,20GiB,10\n'), settings());
    // At 10 s the first one is still there: arrivals come before departures of the same second.
    expect(result).toMatchObject({ started: 2, failedForHost: 2, failedOnHost: 0 });
    expect(result.overTime.at(-1)!.failed).toBe(2);
    const two = replay(trace('0,1,20GiB,10\n5,1,20GiB,10\n10,1,20GiB,10\n11,1,20GiB,10\n'), settings({ hosts: 2 }));
    expect(two).toMatchObject({ started: 3, failedForHost: 1 });
  });
});

it('the same seed gives the same figures, another one other hosts', () => {
  const many = generatedTrace(150, 3);
  const over = {
    hosts: 12,
    choose: 'random',
    policy: 'tight',
    host: { ...HOST, nodes: HOST.nodes.map((node) => ({ ...node, memoryBytes: 200 * GIB, freeBytes: 200 * GIB })) },
  } as const;
  const first = replay(many, settings(over));
  expect(replay(many, settings(over))).toEqual(first);
  expect(replay(many, settings({ ...over, seed: 2 }))).not.toEqual(first);
});

it('progress is told as events go by', () => {
  const progress: number[] = [];
  replay(generatedTrace(2500, 1), settings({ moments: 0, policy: 'any' }), (events) => progress.push(events));
  expect(progress.slice(0, 2)).toEqual([0, 4096]);
});

describe('policies by name', () => {
  it.each([
    ['tight', 'xapi-26.3', 'tight'],
    ['any', 'xapi-26.3', 'any'],
    ['xl', 'xl', 'best_effort'],
    ['xapi-25.6', 'xapi-25.6', 'best_effort'],
    ['xapi-25.39/prio_mem_only', 'xapi-25.39', 'prio_mem_only'],
    ['xapi-25.6/tight', 'xapi-25.6', 'tight'],
  ])('%s', (name, profile, policy) => {
    expect(replayPolicy(name)).toMatchObject({ name, profile: { name: profile }, policy });
  });

  it.each(['', 'best_effort', 'tight/any', 'xapi-25.6/none', 'xapi-25.6/any/any', 'xapi-25.6/prio_mem_only', 'xl/tight'])(
    '%j is refused',
    (name) => {
      expect(() => replayPolicy(name)).toThrow(InputError);
    },
  );
});

describe('the bound at the peak', () => {
  const bounded = (lines: string, over: Partial<ReplaySettings> = {}) => replay(trace(lines), settings({ bound: true, ...over })).bound!;

  it('is absent unless it is wanted', () => {
    expect(replay(trace('0,2,4GiB,100\n'), settings()).bound).toBeUndefined();
  });

  it('counts the VMs of the moment with the most memory, and no VM that fits no node', () => {
    // 4 GiB and 20 GiB at once, on nodes of 16 GiB; the VM of 10 GiB comes when these have left.
    const peak = bounded('0,1,4GiB,100\n50,1,20GiB,50\n200,1,10GiB,100\n');
    expect(peak).toMatchObject({ seconds: 50, vms: 2 });
    expect(peak.oneNodeAtMost).toBeCloseTo(4 / 24, 2);
    expect(peak.oneNode).toBeCloseTo(4 / 24, 2);
  });

  it('packs anew: what one VM in the way keeps apart fits when it is moved', () => {
    // xapi-26.3 spreads 5 and 5 GiB over both nodes of 16 GiB; 12 GiB then fit neither.
    const peak = bounded('0,1,5GiB,1000\n1,1,5GiB,1000\n2,1,12GiB,1000\n');
    expect(peak.oneNode).toBeCloseTo(10 / 22, 2);
    expect(peak.oneNodeAtMost).toBe(1);
  });

  it.each(['tight', 'xapi-26.3', 'xl', 'any'])('%s has no more on one node', (policy) => {
    const host = { ...HOST, nodes: [0, 1].map((id) => ({ id, memoryBytes: 128 * GIB, freeBytes: 128 * GIB })) };
    let vms = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const peak = replay(generatedTrace(120, seed), settings({ policy, host, hosts: 12, bound: true })).bound!;
      vms += peak.vms;
      expect(peak.oneNode).toBeLessThanOrEqual(peak.oneNodeAtMost);
      expect(peak.oneNodeAtMost).toBeLessThanOrEqual(1);
    }
    expect(vms).toBeGreaterThan(8);
  });
});
