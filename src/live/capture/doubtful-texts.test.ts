// Texts that are incomplete or contradict themselves: what they do not tell is said to be unknown,
// and nothing is judged on it.
import { describe, expect, it } from 'vitest';
import { coresOf, type ListedHost, xlInfo } from '../../../test/support/xl-info.js';
import { GIB, PAGES_PER_GIB } from '../../base/units.js';
import { judgeDomains } from '../../map/judge.js';
import { renderHostMapText } from '../../view/host-map-text.js';
import { expectedOfCapture } from '../expected-of-capture.js';
import { explainRunning } from '../explain-running.js';
import { readCapture } from './captured-host.js';

const info = (lines: Partial<ListedHost> = {}) =>
  xlInfo({
    host: 'beta',
    totalMib: 32_768,
    cpus: coresOf(2, 8),
    nodes: [
      [16_384, 8192, '10,20'],
      [16_384, 8192, '20,10'],
    ],
    ...lines,
  });
const list = (...rows: string[]) => ['Name      ID   Mem VCPUs State  Time(s) NODE Affinity', ...rows].join('\n');
const vcpus = (...rows: string[]) => ['Name    ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)', ...rows].join('\n');
const rowsOf = (name: string, domid: number, cpus: readonly number[], affinity: string) =>
  cpus.map((cpu, vcpu) => `${name}  ${domid}  ${vcpu}  ${cpu}  -b-  1.0  ${affinity}`);
const dump = (...pages: [number, number, number][]) =>
  [
    '(XEN) Memory location of each domain:',
    ...pages.flatMap(([domid, a, b]) => [`(XEN) Domain ${domid} (total: ${a + b}):`, `(XEN)     Node 0: ${a}`, `(XEN)     Node 1: ${b}`]),
  ].join('\n');
const pools = (...rows: string[]) => ['Name               CPU list', ...rows].join('\n');
const counts = (...rows: string[]) => ['Name               CPUs   Sched     Active   Domain count', ...rows].join('\n');
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at).join(',');

const LIST = list('Domain-0  0  2048  2  r-----  5.0 all', 'mail  4  4096  2  -b----  5.0 1');
const VCPUS = vcpus(...rowsOf('Domain-0', 0, [0, 1], 'all / all'), ...rowsOf('mail', 4, [8, 9], '8-15 / all'));
const DUMP = dump([0, 524_288, 0], [4, 0, PAGES_PER_GIB * 4]);
const ALL = pools(`Pool-0             ${numbers(0, 15)}`);

const read = (...parts: string[]) => readCapture([{ file: 'paste.txt', text: parts.join('\n') }]);
async function judged(domid: number, ...parts: string[]) {
  const captured = read(...parts);
  const { map, notes } = captured.live;
  const [verdict] = judgeDomains(map, await expectedOfCapture(captured), new Set([domid]));
  return { map, notes, codes: verdict!.drifts.map(({ code }) => code), said: explainRunning(map, verdict!).join('\n'), verdict: verdict! };
}

describe('a request that no record has', () => {
  it.each(['8-15 / all', '8-11 / all', 'all / 9'])('is not known, so the source of %s is not claimed', async (affinity) => {
    const { said } = await judged(4, info(), LIST, vcpus(...rowsOf('mail', 4, [8, 9], affinity)), DUMP, ALL);
    expect(said).toMatch(/Its (?:hard|soft) affinity is [\d-]+\. Whether that was requested is not known: .*`xl vcpu-pin`/);
    expect(said).not.toMatch(/was not requested|manually/);
  });
  it('shows a mask as it is stored, and which of its CPUs are offline', async () => {
    const lacking = info({ cpus: coresOf(2, 8).slice(0, 12), more: { max_cpu_id: 15 } });
    const { said } = await judged(4, lacking, LIST, VCPUS, DUMP, pools(`Pool-0  ${numbers(0, 11)}`));
    expect(said).toContain('Its hard affinity is 8-15 (12-15 are offline or absent).');
    expect(said).toContain('CPUs 8-11 allowed');
  });
});

describe('the records of `xe` beside the tables', () => {
  const UUID = 'a1b2c3d4-0000-4000-8000-00000000000';
  const record = (name: string, domid: number, mask: string, host = '1') =>
    [
      `uuid ( RO)           : ${UUID}${domid}`,
      `          name-label ( RW): ${name}`,
      `        VCPUs-params (MRW): ${mask}`,
      `              dom-id ( RO): ${domid}`,
      `         resident-on ( RO): ${UUID}${host}`,
    ].join('\n');
  it('give the request of the domain with their number', async () => {
    const { verdict, codes } = await judged(4, info(), LIST, VCPUS, DUMP, ALL, record('mail', 4, 'mask: 8,9'));
    expect(verdict.expected).toMatchObject({
      source: 'VCPUs-params:mask',
      hard: [
        [8, 9],
        [8, 9],
      ],
    });
    expect(codes).toContain('hard-differs');
  });
  it('name a mask that was ignored', async () => {
    const { said } = await judged(4, info(), LIST, VCPUS, DUMP, ALL, record('mail', 4, 'mask: 8-15'));
    expect(said).toMatch(/^Requested, according to VCPUs-params:mask: the mask '8-15', which is ignored/);
    expect(said).not.toContain('no hard affinity');
  });
  it.each([
    ['another name', record('web', 4, 'mask: 8,9')],
    ['other hosts', `${record('mail', 4, 'mask: 8,9', '2')}\n\n${record('web', 5, 'mask: 8,9', '3')}`],
  ])('are of another domain with %s', async (_, xe) => {
    const { verdict } = await judged(4, info(), LIST, VCPUS, DUMP, ALL, xe);
    expect(verdict.expected).toBeNull();
  });
});

describe('vCPUs that are not listed', () => {
  it.each([
    ['all of them', [], 'vCPU affinity is not known'],
    ['one of two', [vcpus(...rowsOf('Domain-0', 0, [0, 1], 'all / all'), ...rowsOf('mail', 4, [8], '0-3 / all'))], '1 of 2 vCPUs of mail'],
  ])('%s: the affinity is not known, and not judged', async (_, table, note) => {
    const { map, notes, codes, said } = await judged(4, info(), LIST, ...table, DUMP, ALL);
    expect(notes.join('\n')).toContain(note);
    expect(map.domains[1]).toMatchObject({ masksUnknown: true, vcpus: [{ id: 0 }, { id: 1 }] });
    expect(codes).toEqual([]);
    expect(said).toContain('The affinity of all its vCPUs is not known.');
    expect(said).not.toMatch(/allowed|Nothing has drifted/);
    const shown = renderHostMapText(map, { width: 100, color: false });
    expect(shown).toMatch(/mail +4 +2 +\? +\? .* - +-$/m);
    expect(shown).toContain('1 VM; where all its vCPUs may run is not known');
  });
});

describe('a list of CPU pools that cannot be true', () => {
  const two = [`Pool-0             ${numbers(0, 7)}`, `fast               ${numbers(8, 15)}`] as const;
  it.each([
    ['a number cut off', [pools(`Pool-0             ${numbers(0, 14)},1`)], 'do not ascend'],
    ['CPUs cut off', [pools(`Pool-0             ${numbers(0, 12)}`)], 'it has 13 CPUs, and `xl info` counts 16 online'],
    ['a pool cut off', [pools(two[0]), counts('Pool-0 8 credit2 y 1', 'fast 8 credit2 y 1')], 'it lacks pool fast'],
    ['another count', [pools(...two), counts('Pool-0 6 credit2 y 1', 'fast 10 credit2 y 1')], 'it has 8 CPUs of Pool-0'],
    ['vCPUs on both', [pools(`Pool-0  ${numbers(0, 8)}`, `fast  ${numbers(9, 15)}`)], 'the vCPUs of mail run on CPUs of two pools'],
  ])('%s is named, and nothing is judged on it', async (_, parts, note) => {
    const { map, notes, codes, said } = await judged(4, info(), LIST, VCPUS, DUMP, ...parts);
    expect(notes.join('\n')).toMatch(/`xl cpupool-list -c` contradicts the other listings/);
    expect(notes.join('\n')).toContain(note);
    expect(codes).toEqual([]);
    expect(said).toContain('Its CPU pool, and so where its vCPUs may run, is not known.');
    expect(map.cpus.every((cpu) => cpu?.online === true)).toBe(true);
  });
  it('without `xl info`, vCPUs on other CPUs contradict it', () => {
    const nodes = ['(XEN) NODE0 start->0 size->4194304 free->0', '(XEN) NODE1 start->4194304 size->4194304 free->0'];
    const cpus = ['(XEN) CPU0...7 -> NODE0', '(XEN) CPU8...15 -> NODE1'];
    const { live } = read(LIST, VCPUS, pools(`Pool-0  ${numbers(0, 8)}`), [...nodes, ...cpus].join('\n'), DUMP);
    expect(live.notes.join('\n')).toContain('vCPUs run on CPUs that it lacks: 9');
  });
  it.each([
    ['all CPUs', info(), ALL],
    ['a CPU that is in no pool', info({ more: { free_cpus: 1 } }), pools(`Pool-0             ${numbers(0, 14)}`)],
    ['offline CPUs', info({ nrCpus: 14 }), pools(`Pool-0             ${numbers(0, 13)}`)],
  ])('%s: a list that agrees is taken', (_, host, table) => {
    const { live } = read(host, LIST, VCPUS, DUMP, table);
    expect(live.notes.join('\n')).not.toContain('contradicts');
    expect(live.map.domains.some(({ poolUnknown }) => poolUnknown)).toBe(false);
  });
  it('a count of CPUs that Xen does not have is named too', async () => {
    const { map, notes, codes } = await judged(4, info(), LIST, VCPUS, DUMP, counts('Pool-0 24 credit2 y 2'));
    expect(notes.join('\n')).toContain('`xl cpupool-list` contradicts the other listings: it has 24 CPUs, and `xl info` counts 16 online');
    expect(codes).toEqual([]);
    expect(map.cpus.every((cpu) => cpu?.online === true)).toBe(true);
    const right = await judged(4, info(), LIST, VCPUS, DUMP, counts('Pool-0 16 credit2 y 2'));
    expect(right.notes.join('\n')).not.toContain('contradicts');
  });
  it('names of pools alone do not tell where vCPUs may run', async () => {
    const { codes, notes } = await judged(
      4,
      info(),
      LIST,
      VCPUS.replaceAll('8-15 / all', 'all / all'),
      DUMP,
      counts('Pool-0 8 credit y 1', 'fast 8 credit y 1'),
    );
    expect(notes.join('\n')).toContain('The CPUs of the CPU pools are not known');
    expect(codes).toEqual([]);
  });
});

describe('two hosts of one name', () => {
  it.each([
    ['memory', info({ totalMib: 32_000 }), 'total_memory'],
    ['cores', info({ more: { cores_per_socket: 4 } }), 'cores_per_socket'],
  ])('that differ in %s are refused', (_, other, field) => {
    const first = info({ more: { cores_per_socket: 8 } });
    expect(() => read(first, LIST, VCPUS, other.replace(/$/, '\n'), DUMP)).toThrow(`differ in ${field}`);
  });
  it('two states of one host are none', () => {
    expect(() => read(info({ more: { free_memory: 1 } }), LIST, VCPUS, DUMP, info({ more: { free_memory: 2 } }))).not.toThrow();
  });
});

describe('CPU pools', () => {
  const host = [
    info(),
    LIST,
    VCPUS.replaceAll('8-15 / all', 'all / 8-15'),
    DUMP,
    pools(`Pool-0  ${numbers(0, 7)}`, `fast  ${numbers(8, 15)}`),
  ];
  it('limit where a domain is said to run, by their names', async () => {
    const { said, map } = await judged(4, ...host);
    expect(said).toContain('It is in CPU pool fast, with CPUs 8-15');
    expect(said).toContain('vCPUs 0-1: CPUs 8-15 allowed, 8-15 preferred: node 1.');
    const shown = renderHostMapText(map, { width: 100, color: false });
    expect(shown).toContain('pool fast: 8-15');
    expect(shown).toMatch(/mail +4 +2 all +8-15 /);
  });
  it('name the pool in a drift', async () => {
    const elsewhere = vcpus(...rowsOf('mail', 4, [8, 9], '0-15 / all')).replaceAll('0-15', '0-3,8-9');
    const { verdict } = await judged(4, host[0]!, LIST, elsewhere, DUMP, host[4]!);
    expect(verdict.drifts.map(({ text }) => text).join()).toContain('its pool is fast');
  });
});

it('on a host of one node, the memory is there', () => {
  const one = info({ totalMib: 16_384, cpus: coresOf(1, 8), nodes: [[16_384, 8192, '10']] });
  const { live } = read(one, list('mail  4  4096  2  -b----  5.0 all'), vcpus(...rowsOf('mail', 4, [2, 3], '0-3 / all')));
  expect(live.map.domains[0]).toMatchObject({ pages: [(4 * GIB) / 4096] });
  expect(live.map.domains[0]!.pagesUnknown).toBeUndefined();
  expect(live.map.usersUnknown).toBeUndefined();
  expect(live.notes.join('\n')).not.toContain('Memory by node');
});

it('memory that no node has room for is named', () => {
  const { live } = read(info(), LIST, VCPUS, dump([0, 524_288, 0], [4, 0, 9 * PAGES_PER_GIB]), ALL);
  expect(live.notes.join('\n')).toContain('node 1 has 16 GiB, but 9 GiB of domains and 8 GiB free sum up to more');
});

it('vCPUs that each have a CPU of their own are one sentence', async () => {
  const pinned = Array.from({ length: 4 }, (_, at) => `Domain-0  0  ${at}  ${at}  -b-  1.0  ${at} / all`);
  const { said } = await judged(0, info(), LIST.replace('2048  2', '2048  4'), vcpus(...pinned), DUMP, ALL);
  expect(said).toContain('vCPUs 0-3: each is allowed one CPU of its own, of 0-3: node 0.');
  expect(said.match(/^vCPU/gm)).toHaveLength(1);
});

it('a share of memory has one form, also where it is nearly all or nearly nothing', async () => {
  const most = 4 * PAGES_PER_GIB - 256;
  const { said, map, verdict } = await judged(4, info(), LIST, VCPUS, dump([0, 524_288, 0], [4, most, 256]), ALL);
  expect(said).toContain('(>99.9%), node 1: 1 MiB (<0.1%)');
  expect(verdict.drifts[0]!.text).toContain('(>99.9%) on node 0');
  expect(renderHostMapText(map, { width: 100, color: false })).toMatch(/mail .* <0\.1% +/);
});
