import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberText, updatesOf } from './format.js';
import { ARCHIVES, HEARTBEAT_SECONDS, Rrd, STEP_SECONDS, XFF } from './rrd.js';
import { RunRing } from './run-ring.js';

const SEED = { seed: 20261129, numRuns: 200 };
const value = fc.constantFrom(Number.NaN, 0, 1, 2.5, 4096);

describe('a ring of runs', () => {
  it('holds what a list of the last values holds, however they came, also after it was stored', () => {
    const pushes = fc.array(fc.tuple(value, fc.integer({ min: 0, max: 12 })), { maxLength: 40 });
    fc.assert(
      fc.property(pushes, fc.integer({ min: 1, max: 20 }), (all, rows) => {
        const ring = new RunRing(rows);
        const list: number[] = [];
        for (const [one, times] of all) {
          ring.push(one, times);
          for (let i = 0; i < times; i++) list.push(one);
        }
        const last = list.slice(-rows);
        const padded = [...new Array<number>(rows - last.length).fill(Number.NaN), ...last];
        expect(ring.newest(rows)).toEqual(padded);
        for (let age = 0; age < rows; age++) expect(ring.at(age)).toBe(padded[rows - 1 - age]);
        const again = new RunRing(rows);
        again.restore(JSON.parse(JSON.stringify(ring.stored())) as ReturnType<RunRing['stored']>);
        expect(again.newest(rows)).toEqual(padded);
      }),
      SEED,
    );
  });
});

describe('a round-robin database', () => {
  const INFO = { name: 'memory', description: '', units: 'B', min: 0, max: Number.POSITIVE_INFINITY, standard: true };

  /** What every archive must hold, from each point by itself. */
  function rowsOf(points: ReadonlyMap<number, number>, from: number, to: number, { rows, points: size }: (typeof ARCHIVES)[number]) {
    const all: number[] = [];
    for (let end = (Math.floor(from / size) + 1) * size; end <= to; end += size) {
      // Points before the database was made belong to no row.
      const inRow = Array.from({ length: Math.min(size, end - from) }, (_, i) => points.get(end - i)!);
      const known = inRow.filter((one) => !Number.isNaN(one));
      const unknown = inRow.length - known.length;
      all.push(known.length === 0 || unknown > XFF * size ? Number.NaN : known.reduce((sum, one) => sum + one, 0) / known.length);
    }
    return all.slice(-rows);
  }

  it('holds the average of every row whose points are known for half at least', () => {
    const updates = fc.array(fc.tuple(fc.integer({ min: 1, max: 70 }), value), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(updates, fc.integer({ min: 0, max: 40_000 }), (all, from) => {
        const rrd = new Rrd(from);
        rrd.add(INFO);
        const points = new Map<number, number>();
        let step = from;
        for (const [elapsed, read] of all) {
          rrd.update(step + elapsed, new Map([['memory', read]]));
          const counts = elapsed * STEP_SECONDS > HEARTBEAT_SECONDS ? Number.NaN : read;
          for (let i = 0; i < elapsed; i++) points.set(++step, counts);
        }
        ARCHIVES.forEach((archive, index) => {
          const wanted = rowsOf(points, from, step, archive);
          const got = rrd.series()[0]!.archives[index]!.ring.newest(wanted.length);
          got.forEach((one, at) => {
            if (Number.isNaN(wanted[at]!)) expect(one).toBeNaN();
            else expect(one).toBeCloseTo(wanted[at]!, 6);
          });
        });
      }),
      SEED,
    );
  });

  it('is not moved by a clock that goes back', () => {
    const rrd = new Rrd(100);
    rrd.add(INFO);
    rrd.update(101, new Map([['memory', 5]]));
    rrd.update(90, new Map([['memory', 7]]));
    expect([rrd.step, rrd.series()[0]!.archives[0]!.ring.at(0)]).toEqual([101, 5]);
  });
});

describe('/rrd_updates', () => {
  const rrd = new Rrd(1_000_000);
  rrd.add({ name: 'memory', description: '', units: 'B', min: 0, max: 1, standard: true });
  for (let step = 1; step <= 30; step++) rrd.update(1_000_000 + step, new Map([['memory', step]]));
  const named = [{ prefix: 'vm:u:', rrd }];

  it('tells the newest first, of the finest archive that reaches back, and no more than was asked for', () => {
    const found = updatesOf(named, { start: -10, interval: 0 })!;
    expect(found).toMatchObject({ step: 5, end: 5_000_150, start: 5_000_145, legend: ['AVERAGE:vm:u:memory'] });
    expect(found.rows.map(({ t, values }) => [t, ...values])).toEqual([
      [5_000_150, 30],
      [5_000_145, 29],
      [5_000_140, 28],
    ]);
  });

  it('takes a coarser archive for a longer interval, and for a start long ago', () => {
    expect(updatesOf(named, { start: -10, interval: 60 })!.step).toBe(60);
    expect(updatesOf(named, { start: -601, interval: 0 })!.step).toBe(60);
    expect(updatesOf(named, { start: 5_000_150 - 600 + 1, interval: 0 })!.step).toBe(5);
    expect(updatesOf(named, { start: 0, interval: 0 })!.step).toBe(86_400);
  });

  it('has nothing to tell without a database', () => expect(updatesOf([], { start: 0, interval: 0 })).toBeNull());
});

const python = spawnSync('python3', ['--version']).status === 0;
it.skipIf(!python)("writes numbers as C's %.15g does (skipped without python3)", () => {
  const numbers = fc
    .sample(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(), fc.double({ min: 0, max: 1, noNaN: true })), {
      seed: 7,
      numRuns: 2000,
    })
    .filter((one) => one !== 0);
  const program = 'import sys\nfor line in sys.stdin: print("%.15g" % float(line))';
  const { stdout } = spawnSync('python3', ['-c', program], { input: numbers.map(String).join('\n'), encoding: 'utf8' });
  expect(stdout.trim().split('\n')).toEqual(numbers.map(numberText));
  expect([0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(numberText)).toEqual([
    '0.0',
    '0.0',
    'NaN',
    'Infinity',
    '-Infinity',
  ]);
});
