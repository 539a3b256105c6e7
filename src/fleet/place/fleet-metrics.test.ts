// The fleet's metrics, from a log of three hosts.
import { expect, it } from 'vitest';
import { encodeClaim, encodeMap, type LightMap } from '../protocol/entries.js';
import { Picture } from '../protocol/picture.js';
import { fleetMetrics } from './fleet-metrics.js';

const map = (freeMib: readonly number[], more: Partial<LightMap> = {}): string =>
  encodeMap({
    ...{ epoch: 1, number: 1, vms: 3, drifted: 1, draining: false, runs: 'Xen 4.17', tags: [], absorbed: [], dead: [], settled: 0 },
    nodes: freeMib.map((free) => ({ memoryMib: 1024, freeMib: free, cores: 4, vcpus: 0, cpus: '0-3' })),
    ...more,
  });

it('counts hosts by state, and all memory once', async () => {
  const picture = new Picture();
  const entries: [string, string][] = [
    ...['a', 'b', 'd', 'e'].map((host): [string, string] => [`h.${host}.o.1.${host}-1`, '{}']),
    ['h.a.m', map([1000, 600], { undecided: 2, cpuPercent: 35 })],
    ['h.a.r.p.x-1', encodeClaim({ parts: [[1, 200]], vcpus: 2, start: 's' })],
    ['h.b.m', map([512], { draining: true, drifted: 0 })],
    ['h.c.o.1.c-1', ''],
    ['h.d.m', map([0], { watched: true })],
    ['h.e.m', map([24])],
  ];
  for (const [at, [subject, text]] of entries.entries()) {
    picture.read({ place: at + 1, subject, text, pending: entries.length - at - 1 } as Parameters<Picture['read']>[0]);
  }
  const text = await fleetMetrics(picture, { away: new Set(['e']), jobs: { open: 2, done: 5 } });
  const values = new Map(text.split('\n').flatMap((line) => (/^xennuma/.test(line) ? [line.split(/ (?=\S+$)/) as [string, string]] : [])));
  const of = (series: string) => Number(values.get(`xennuma_fleet_${series}`));
  for (const state of ['up', 'draining', 'starting', 'watched', 'away']) expect(of(`hosts{state="${state}"}`), state).toBe(1);
  const MIB = 2 ** 20;
  expect(of('memory_bytes{host="a",use="free"}')).toBe(1400 * MIB);
  expect(of('memory_bytes{host="a",use="claimed"}')).toBe(200 * MIB);
  expect(of('memory_bytes{host="a",use="allocated"}')).toBe((2048 - 1600) * MIB);
  expect(of('claims{host="a"}')).toBe(1);
  expect(of('vms{host="a"}')).toBe(3);
  expect(of('not_local_vms{host="a"}')).toBe(1);
  expect(of('not_local_vms{host="b"}')).toBe(0);
  expect([of('undecided_starts{host="a"}'), of('undecided_starts{host="b"}')]).toEqual([2, 0]);
  expect(of('cpu_ratio{host="a"}')).toBe(0.35);
  // A member that does not measure it says nothing of it.
  expect(text).not.toContain('cpu_ratio{host="b"');
  expect(of('host_up{host="e"}')).toBe(0);
  expect(of('jobs{state="open"}')).toBe(2);
  expect(of('jobs{state="done"}')).toBe(5);
  // A host without a map has no memory yet.
  expect(text).not.toContain('memory_bytes{host="c"');
});

it('says nothing of jobs that are not known', async () => {
  expect(await fleetMetrics(new Picture(), { away: new Set(), jobs: null })).not.toContain('xennuma_fleet_jobs');
});
