import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberText, updatesJson, updatesOf, updatesXml } from './format.js';
import { ARCHIVES, HEARTBEAT_SECONDS, Rrd, type SourceInfo, STEP_SECONDS, XFF } from './rrd.js';
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

const infoOf = (name: string): SourceInfo => ({
  ...{ name, description: '', units: 'B', type: 'GAUGE', standard: true },
  ...{ min: 0, max: Number.POSITIVE_INFINITY },
});

describe('a round-robin database', () => {
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

  const NAMES = ['a', 'b', 'c'];

  it('holds the average of every row whose points are known for half at least, for sources that are alike and then differ', () => {
    const read = fc.tuple(fc.integer({ min: 1, max: 70 }), value, value, value);
    const updates = fc.array(read, { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(updates, fc.integer({ min: 0, max: 40_000 }), fc.nat({ max: 60 }), (all, from, storedAfter) => {
        let rrd = new Rrd(from);
        for (const name of NAMES) rrd.add(infoOf(name));
        const points = NAMES.map(() => new Map<number, number>());
        let step = from;
        all.forEach(([elapsed, ...values], at) => {
          if (at === storedAfter) rrd = Rrd.restored(JSON.parse(JSON.stringify(rrd.stored())) as ReturnType<Rrd['stored']>);
          rrd.update(step + elapsed, new Map(NAMES.map((name, index) => [name, { value: values[index]! }])));
          const late = elapsed * STEP_SECONDS > HEARTBEAT_SECONDS;
          for (let i = 0; i < elapsed; i++) {
            step++;
            points.forEach((one, index) => void one.set(step, late ? Number.NaN : values[index]!));
          }
        });
        NAMES.forEach((_, source) => {
          ARCHIVES.forEach((archive, index) => {
            const wanted = rowsOf(points[source]!, from, step, archive);
            const got = rrd.series()[source]!.track.archives[index]!.ring.newest(wanted.length);
            got.forEach((one, at) => {
              if (Number.isNaN(wanted[at]!)) expect(one).toBeNaN();
              else expect(one).toBeCloseTo(wanted[at]!, 6);
            });
          });
        });
      }),
      SEED,
    );
  });

  it('keeps one archive for all the sources that are idle', () => {
    const rrd = new Rrd(0);
    const names = Array.from({ length: 1000 }, (_, index) => `s${index}`);
    for (const name of names) rrd.add(infoOf(name));
    for (let step = 1; step < 200; step++) rrd.update(step, new Map(names.map((name) => [name, { value: name === 's7' ? step : 0 }])));
    expect(rrd.stored().tracks).toHaveLength(2);
    expect(rrd.series().filter(({ track }) => track.archives[0]!.ring.at(0) !== 0)).toHaveLength(1);
  });

  it('a source that is added later knows nothing of the time before, though it is like the others', () => {
    const rrd = new Rrd(0);
    rrd.add(infoOf('a'));
    rrd.update(1, new Map([['a', { value: 0 }]]));
    rrd.add(infoOf('b'));
    const both = new Map(['a', 'b'].map((name) => [name, { value: 0 }]));
    rrd.update(2, both);
    rrd.update(3, both);
    expect(rrd.series().map(({ track }) => track.archives[0]!.ring.newest(3))).toEqual([
      [0, 0, 0],
      [Number.NaN, 0, 0],
    ]);
  });

  it('is not moved by a clock that goes back', () => {
    const rrd = new Rrd(100);
    rrd.add(infoOf('memory'));
    rrd.update(101, new Map([['memory', { value: 5 }]]));
    rrd.update(90, new Map([['memory', { value: 7 }]]));
    expect([rrd.step, rrd.series()[0]!.track.archives[0]!.ring.at(0)]).toEqual([101, 5]);
  });
});

describe('/rrd_updates', () => {
  const rrd = new Rrd(1_000_000);
  for (const name of ['memory', 'cpu0', 'cpu1']) rrd.add(infoOf(name));
  for (let step = 1; step <= 30; step++) {
    rrd.update(1_000_000 + step, new Map(Object.entries({ memory: { value: step }, cpu0: { value: 0 }, cpu1: { value: 0 } })));
  }
  const named = [{ prefix: 'vm:u:', rrd }];

  it('tells the newest first, of the finest archive that reaches back, and no more than was asked for', () => {
    const found = updatesOf(named, { start: -10, interval: 0 })!;
    expect(found).toMatchObject({
      step: 5,
      end: 5_000_150,
      start: 5_000_145,
      legend: ['memory', 'cpu0', 'cpu1'].map((name) => `AVERAGE:vm:u:${name}`),
    });
    const { data } = JSON.parse(updatesJson(found)) as { data: { t: string; values: string[] }[] };
    expect(data.map(({ t, values }) => [t, ...values])).toEqual([
      ['5000150', '30', '0.0', '0.0'],
      ['5000145', '29', '0.0', '0.0'],
      ['5000140', '28', '0.0', '0.0'],
    ]);
    expect(updatesXml(found)).toContain('<row><t>5000145</t><v>29</v><v>0.0</v><v>0.0</v></row>');
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
