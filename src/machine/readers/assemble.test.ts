// What all readers do alike with nodes out of order, missing memory and missing or odd distances.
import { describe, expect, it } from 'vitest';
import { UNREACHABLE } from '../model.js';
import { assembleHost, type HostDraft } from './assemble.js';

const draft = (change: Partial<HostDraft> = {}): HostDraft => ({
  name: 'n',
  source: 's',
  file: 'f',
  nodes: [5, 2].map((id) => ({ id, memoryBytes: 100 * id, freeBytes: undefined })),
  cpus: [
    { id: 3, nodeId: 5, core: 1, socket: 0 },
    { id: 1, nodeId: 2, core: null, socket: null },
  ],
  distances: {
    ids: [5, 2],
    rows: [
      [10, 31],
      [32, 10],
    ],
  },
  oddDistances: 'drop',
  notes: ['first'],
  ...change,
});
const distancesOf = (change: Partial<HostDraft>) => {
  const { distances, notes } = assembleHost(draft(change));
  return { distances, notes: notes.slice(2) };
};
const STANDARD = [
  [10, 20],
  [20, 10],
];

describe('a draft', () => {
  it('becomes a host: nodes and CPUs by number, nodes by position, all memory free where that is not said', () => {
    expect(assembleHost(draft())).toStrictEqual({
      name: 'n',
      source: 's',
      nodes: [
        { id: 2, memoryBytes: 200, freeBytes: 200 },
        { id: 5, memoryBytes: 500, freeBytes: 500 },
      ],
      cpus: [
        { id: 1, node: 0, core: null, socket: null },
        { id: 3, node: 1, core: 1, socket: 0 },
      ],
      distances: [
        [10, 32],
        [31, 10],
      ],
      notes: ['first', 'The source does not say how much memory is free, so all of it counts as free.'],
    });
    const some = draft({
      nodes: [
        { id: 2, memoryBytes: 9, freeBytes: 4 },
        { id: 5, memoryBytes: 8, freeBytes: undefined },
      ],
      xenVersion: '4.18',
    });
    expect(assembleHost(some)).toMatchObject({ nodes: [{ freeBytes: 4 }, { freeBytes: 8 }], notes: ['first'], xenVersion: '4.18' });
  });

  it('whose CPU is on a node that is not described is refused', () => {
    const cpus = [{ id: 4, nodeId: 0, core: null, socket: null }];
    expect(() => assembleHost(draft({ cpus }))).toThrow('CPU 4 is on node 0, which is not described');
  });
});

describe('distances', () => {
  it('are 10 and 20 where the source has none, which is said of more than one node', () => {
    expect(distancesOf({ distances: undefined })).toStrictEqual({
      distances: STANDARD,
      notes: ['The source has no distances; 10 and 20 are assumed, as in Xen and Linux without a SLIT.'],
    });
    const one = draft({ distances: undefined, nodes: [{ id: 2, memoryBytes: 1, freeBytes: 1 }], cpus: [draft().cpus[1]!] });
    expect(assembleHost(one)).toMatchObject({ distances: [[10]], notes: ['first'] });
  });

  it('that leave a node out are completed with 20, or refused', () => {
    const distances = {
      ids: [2, 7],
      rows: [
        [10, 40],
        [40, 10],
      ],
    };
    expect(distancesOf({ distances })).toStrictEqual({
      distances: STANDARD,
      notes: ['The source has no distances for node 5; 20 is assumed.'],
    });
    expect(() => distancesOf({ distances, oddDistances: 'refuse' })).toThrow('the distances leave out node 5');
  });

  it('of 255 are no path; a table that Xen would drop is dropped, or refused', () => {
    const row = (there: number, own = 10) => ({
      distances: {
        ids: [2, 5],
        rows: [
          [own, there],
          [20, 10],
        ],
      },
    });
    expect(distancesOf(row(255))).toStrictEqual({
      distances: [
        [10, UNREACHABLE],
        [20, 10],
      ],
      notes: [],
    });
    for (const odd of [row(10), row(0), row(20, 11), row(20, 255)]) {
      expect(distancesOf(odd).distances).toStrictEqual(STANDARD);
      expect(distancesOf(odd).notes.join()).toContain('not a valid SLIT');
      expect(() => distancesOf({ ...odd, oddDistances: 'refuse' })).toThrow('expected the distance from node 2');
    }
  });
});
