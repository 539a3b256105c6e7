// Entries of the log as a reader accepts them: other machines wrote them.
import { describe, expect, it } from 'vitest';
import { decodeMap, encodeMap, type LightMap, takeOff } from './entries.js';
import { placeOf } from './subjects.js';

const node = { memoryMib: 100, freeMib: 100, cores: 4, vcpus: 0, cpus: '0-3' };
const map: LightMap = {
  ...{ epoch: 1, number: 1, nodes: [node], vms: 0, drifted: 0, draining: false, runs: 'Xen 4.17', tags: ['ssd'] },
  ...{ absorbed: [], dead: [], settled: 0 },
};
const longCpus = (chars: number) => ({ ...node, cpus: '0'.repeat(chars) });

describe('a map', () => {
  it('is read as it was written', () => {
    expect(decodeMap(encodeMap(map))).toEqual(map);
  });

  it('of a watched host is read as one, and says draining to readers that know no watched hosts', () => {
    const text = encodeMap({ ...map, watched: true });
    expect(decodeMap(text)).toEqual({ ...map, watched: true, draining: true });
    expect(JSON.parse(text)).toMatchObject({ draining: 1 });
  });

  it('moves no cursor of those who show it', () => {
    const evil = { ...map, runs: 'Xen\u001b[2J', tags: ['\u202essd'] };
    expect(decodeMap(encodeMap(evil))).toMatchObject({ runs: 'Xen?[2J', tags: ['?ssd'] });
  });

  it.each([
    ['64 nodes', { nodes: new Array(64).fill(node) }],
    ['a text of 128 characters', { runs: 'x'.repeat(128) }],
    ['a list of CPUs of 4,096 characters', { nodes: [longCpus(4096)] }],
    ['4,096 claims', { absorbed: new Array(4096).fill('p.x-1') }],
    ['a start that is not decided', { undecided: 1 }],
    ['CPUs that are idle', { cpuPercent: 0 }],
    ['CPUs that are busy', { cpuPercent: 100 }],
  ])('with %s is taken', (_, more) => {
    expect(decodeMap(encodeMap({ ...map, ...more }))).toMatchObject(more);
  });

  it.each([
    ['no node', { nodes: [] }],
    ['65 nodes', { nodes: new Array(65).fill(node) }],
    ['a text of 129 characters', { runs: 'x'.repeat(129) }],
    ['a list of CPUs of 4,097 characters', { nodes: [longCpus(4097)] }],
    ['4,097 claims', { absorbed: new Array(4097).fill('p.x-1') }],
    ['a claim of no placer', { dead: ['x'] }],
    ['CPUs that are busier than busy', { cpuPercent: 101 }],
    ['half a percent', { cpuPercent: 0.5 }],
    ['less than no undecided starts', { undecided: -1 }],
    ['more free memory than there is', { nodes: [{ ...node, freeMib: 101 }] }],
  ])('with %s is none', (_, more) => {
    expect(decodeMap(encodeMap({ ...map, ...more }))).toBeNull();
  });

  it('with endlessly many vCPUs is none', () => {
    expect(decodeMap(encodeMap(map).replace('4,0,"0-3"', '4,1e999,"0-3"'))).toBeNull();
  });
});

describe('a subject', () => {
  it('names a host and a claim by tokens', () => {
    expect(placeOf('h.xen-1.m')).toEqual({ kind: 'map', host: 'xen-1' });
    expect(placeOf('h.xen-1.r.p.x-7')).toEqual({ kind: 'claim', host: 'xen-1', id: 'p.x-7', process: 'p.x' });
  });

  it.each(['h.\u001b[2J.m', `h.${'x'.repeat(65)}.m`, 'h.x.r.p.\u001b-1', 'h.x.r.\u202e.x-1', 'h.x.o.0.d', 'h.x.q'])(
    '%j is none',
    (subject) => {
      expect(placeOf(subject)).toBeNull();
    },
  );
});

it('a claim on nodes that a host does not have changes nothing of its free memory', () => {
  const free = [100, 200];
  takeOff(free, [
    [1, 50],
    [2, 1],
    [4_294_967_290, 1],
    [Number.MAX_SAFE_INTEGER, 1],
  ]);
  expect(free).toEqual([100, 150]);
});
