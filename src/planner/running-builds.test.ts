// The estimate of the 26.1 line, rule by rule; src/conformance plays 1,145 recorded hosts through
// it.
import { describe, expect, it } from 'vitest';
import { RunningBuilds } from './running-builds.js';

describe('running builds', () => {
  it('deducts an equal share from each node of the plan, at most what the node has', () => {
    const builds = new RunningBuilds();
    builds.start(1, [2, 0], 100, builds.available([10, 50, 60]));
    // Node 2 gives half; node 0 has only 10 for the other half.
    expect(builds.available([10, 50, 60])).toEqual([0, 50, 10]);
  });

  it("ignores the host's figures while a build runs, and reads them again when none does", () => {
    const builds = new RunningBuilds();
    builds.start(1, [0], 30, builds.available([100]));
    expect(builds.available([5])).toEqual([70]);
    builds.start(2, [0], 30, builds.available([5]));
    builds.finish(1);
    // Build 1 has its memory, build 2 not yet: both still count against the old figures.
    expect(builds.available([5])).toEqual([40]);
    builds.finish(2);
    expect(builds.available([90])).toEqual([90]);
  });

  it('gives back the memory of a build that failed', () => {
    const builds = new RunningBuilds();
    builds.start(1, [0], 30, builds.available([100]));
    builds.start(2, [0], 20, builds.available([100]));
    builds.abandon(2);
    expect(builds.available([0])).toEqual([70]);
    builds.abandon(1);
    expect(builds.available([3])).toEqual([3]);
  });

  it('a build without a plan takes nothing, but keeps the figures from being read', () => {
    const builds = new RunningBuilds();
    builds.start(1, [], 30, builds.available([100]));
    expect(builds.available([40])).toEqual([100]);
  });

  it('is never below zero', () => {
    const builds = new RunningBuilds();
    const available = builds.available([10, 10]);
    builds.start(1, [0], 10, available);
    builds.start(2, [0], 10, available);
    expect(builds.available([])).toEqual([0, 10]);
  });
});
