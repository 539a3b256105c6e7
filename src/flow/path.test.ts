// Folding the repetitions of N vCPUs, merging their values, counting edges.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskedRun, placedRun } from '../../test/support/flow-records.js';
import { EDGES, NODES } from './chart.js';
import { edgeText, foldRepeats, formatValue, formatValues, mergeValues, tally } from './path.js';
import { type FlowEntry, FlowRecord } from './record.js';

describe('folding', () => {
  it('shows a step of each vCPU once, with its count and its merged values', () => {
    const items = foldRepeats(placedRun(4).entries);
    const groups = items.flatMap((item) => ('entry' in item ? [] : [item]));
    expect(groups.map(({ times }) => times)).toEqual([4, 4]);
    expect(groups[0]!.entries.find((entry) => entry.kind === 'node' && entry.node === 'vcpu_set_affinity')).toMatchObject({
      values: { vcpu: '0-3', soft: '16-19' },
    });
    expect(groups[1]!.entries[0]).toMatchObject({ values: { vcpu: '0-3', affinity: `1111${'0'.repeat(28)}` } });
  });
  it('leaves steps without repetition unchanged', () => {
    const { entries } = placedRun(1);
    expect(foldRepeats(entries)).toEqual(entries.map((entry) => ({ entry })));
  });
  it('takes 8192 vCPUs', () => {
    const groups = foldRepeats(maskedRun().entries.concat(placedRun(8192).entries)).flatMap((item) =>
      'entry' in item ? [] : [item.times],
    );
    expect(groups).toEqual([2, 8192, 8192]);
  });
  it('never loses, adds or reorders a step (any record)', () => {
    const step: fc.Arbitrary<FlowEntry> = fc.oneof(
      fc.constantFrom(...NODES.slice(0, 3)).map(({ id }) => ({ kind: 'node', node: id, values: {} }) as unknown as FlowEntry),
      fc.constantFrom(...EDGES.slice(0, 3)).map(({ id }): FlowEntry => ({ kind: 'edge', edge: id, inferred: false })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (entries) => {
        const unfolded = foldRepeats(entries).flatMap((item) =>
          'entry' in item ? [item.entry] : Array.from({ length: item.times }, () => item.entries).flat(),
        );
        expect(unfolded).toEqual(entries);
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

describe('values', () => {
  it('of many visits: equal ones stay, whole numbers become a list, texts that differ in a number are merged, others are listed', () => {
    const visits = [
      { same: 'a', vcpu: 2, key: 'vcpu/2/affinity', free: '1 GiB' },
      { same: 'a', vcpu: 0, key: 'vcpu/0/affinity', free: 'none' },
      { same: 'a', vcpu: 1, key: 'vcpu/1/affinity', free: 'all' },
      { same: 'a', vcpu: 9, key: 'vcpu/9/affinity', free: 'half' },
    ];
    expect(mergeValues(visits)).toEqual({
      same: 'a',
      vcpu: '0-2,9',
      key: 'vcpu/{0-2,9}/affinity',
      free: '1 GiB | none | all | ... (4 different)',
    });
  });
  it('in words', () => {
    expect([[1, 2, 3], [3, 1], [], true, null, '', [[1, 2], [5]], { a: 1, b: [0, 1] }].map((value) => formatValue(value))).toEqual([
      '1-3',
      '3, 1',
      'none',
      'yes',
      'none',
      '(empty)',
      '[1-2], [5]',
      'a=1 b=0-1',
    ]);
  });
});

describe('values under their names', () => {
  it('bytes have units, amounts are not folded like CPUs, objects in a list stay apart', () => {
    const values = {
      freeBytes: 2 ** 30,
      availableBytes: [2 ** 30, 2 ** 31],
      pages: [1, 2, 3],
      cpus: [1, 2, 3],
      tried: [
        { nodes: [0, 1], ok: true },
        { nodes: [2], ok: false },
      ],
    };
    expect(formatValues(values, ['cpus'])).toBe(
      'free: 1 GiB; available: 1 GiB, 2 GiB; pages: 1, 2, 3; tried: nodes=0-1 ok=yes | nodes=2 ok=no',
    );
  });
  it('lists of CPUs that differ are named, never mixed', () => {
    expect(mergeValues([{ cpus: '0-3' }, { cpus: '0-15' }])).toEqual({ cpus: '0-3 | 0-15' });
  });
});

describe('counting', () => {
  it('counts each edge, and calls it inferred only when it was never seen', () => {
    const record = new FlowRecord('r');
    record.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities', true);
    expect(tally(record).edges.get('check_auto_node -> set_node_affinity_from_vcpu_affinities')).toEqual({ times: 1, inferred: true });
    record.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities');
    const taken = tally(record);
    expect(taken.edges.get('check_auto_node -> set_node_affinity_from_vcpu_affinities')).toEqual({ times: 2, inferred: false });
    expect(EDGES.map((edge) => edgeText(edge, taken)).filter((text) => text.includes('\u00d7'))).toEqual(['yes, the default \u00d72']);
  });
});
