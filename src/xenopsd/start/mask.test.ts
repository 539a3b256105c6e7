import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hardMasks, masksOfVcpus, mergeMasks, parseHostMask, parsePriority, parseVmMask } from './mask.js';

const SEED = 20250227;

describe('VCPUs_params mask, as xapi reads it', () => {
  it.each([
    ['1,2,3', [[1, 2, 3]]],
    [
      '1,2;3,4',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['01', [[1]]],
    ['1_0', [[10]]],
    ['0x1F', [[31]]],
    ['-1', [[-1]]],
    ['3,1,3', [[3, 1, 3]]],
    ['0', [[0]]],
  ])('takes %j', (text, masks) => {
    expect(parseVmMask(text)).toEqual({ masks, ignored: null });
  });

  it.each([
    ['1,2,3; 4,5,6', 'white space'],
    [' 1', 'white space'],
    ['1,2\n', 'white space'],
    ['', 'it is empty'],
    ['1,2;', "a trailing ';'"],
    ['1,', "a trailing ','"],
    ['1,,2', 'an empty item'],
    [';1', 'an empty item'],
    ['1-3', "'1-3' is a range, and ranges are not understood"],
    ['^1', "'^1' excludes, and exclusions are not understood"],
    ['1.0', "'1.0' is not a whole number"],
    ['all', "'all' is not a whole number"],
    ['4611686018427387904', "'4611686018427387904' is too large"],
  ])('ignores the whole of %j: %s', (text, ignored) => {
    expect(parseVmMask(text)).toEqual({ masks: [], ignored });
  });

  it('says nothing of a mask that is not there', () => {
    expect(parseVmMask(undefined)).toEqual({ masks: [], ignored: null });
  });

  it('one bad item anywhere empties it, whatever the others are', () => {
    const good = fc.array(fc.array(fc.integer({ min: -5, max: 300 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });
    const bad = fc.constantFrom('', ' ', '1 ', '1-2', '^1', 'x', '1.5', '0x', '_1');
    fc.assert(
      fc.property(good, bad, fc.nat(), fc.nat(), (parts, item, part, at) => {
        expect(parseVmMask(parts.map((cpus) => cpus.join(',')).join(';')).masks).toEqual(parts);
        const spoilt = parts.map((cpus) => cpus.map(String));
        const where = spoilt[part % spoilt.length]!;
        where.splice(at % (where.length + 1), 0, item);
        const read = parseVmMask(spoilt.map((cpus) => cpus.join(',')).join(';'));
        expect(read.masks).toEqual([]);
        expect(read.ignored).not.toBeNull();
      }),
      { seed: SEED },
    );
  });

  it("splits the host's mask at commas only", () => {
    expect(parseHostMask('0,1')).toEqual({ masks: [[0, 1]], ignored: null });
    expect(parseHostMask('0;1').masks).toEqual([]);
    expect(parseHostMask('0;1').ignored).not.toBeNull();
  });
});

describe('both masks together', () => {
  it.each([
    { vm: [], host: [], merged: [] },
    { vm: [], host: [[4, 5]], merged: [[4, 5]] },
    { vm: [[1, 2], [3]], host: [], merged: [[1, 2], [3]] },
    { vm: [[5, 1, 4]], host: [[4, 5]], merged: [[5, 4]] },
    { vm: [[1]], host: [[4, 5]], merged: [[]] },
  ])('$vm and the host $host give $merged', ({ vm, host, merged }) => {
    expect(mergeMasks(vm, host)).toEqual(merged);
  });
});

describe('the mask of each vCPU', () => {
  it('gives vCPUs past the list the first mask, and drops what is surplus', () => {
    expect(masksOfVcpus([[1], [2]], 4, 8)).toEqual([[1], [2], [1], [1]]);
    expect(masksOfVcpus([[1], [2], [3]], 2, 8)).toEqual([[1], [2]]);
  });
  it('drops CPUs that the host has not, down to none', () => {
    expect(masksOfVcpus([[-1, 7, 8, 7]], 1, 8)).toEqual([[7]]);
    expect(masksOfVcpus([[]], 2, 8)).toEqual([[], []]);
    expect(masksOfVcpus([[99]], 1, 8)).toEqual([[]]);
    expect(masksOfVcpus([[0]], 1, 8)).toEqual([[0]]);
  });
  it('puts CPUs in the order of their numbers, each once', () => {
    expect(masksOfVcpus([[11, 2, 11, 100]], 1, 128)).toEqual([[2, 11, 100]]);
  });
  it('is of as many vCPUs as there are', () => {
    expect(masksOfVcpus([[1]], 0, 8)).toEqual([]);
  });
});

describe('weight and cap', () => {
  it('are 256 and 0 unless said otherwise in an OCaml integer', () => {
    expect(parsePriority({})).toEqual({ weight: 256, cap: 0, ignored: [] });
    expect(parsePriority({ weight: '0x80', cap: '50' })).toEqual({ weight: 128, cap: 50, ignored: [] });
    expect(parsePriority({ weight: '128 ', cap: '' })).toEqual({ weight: 256, cap: 0, ignored: ['weight', 'cap'] });
  });
});

describe('the hard affinity that a start sets', () => {
  it.each([
    // xapi_xenops.ml 1115-1185: both masks, then vCPUs past the list get the first part.
    ['1,2;3', '2,3', [[2], [3], [2]]],
    [undefined, '2,9', [[2], [2], [2]]],
    ['1;2', undefined, [[1], [2], [1]]],
    ['1;2', '1, 2', [[1], [2], [1]]],
    ['1', '2', [[], [], []]],
    ['1-3', undefined, null],
    [undefined, undefined, null],
  ])('VM %j, host %j', (vm, host, expected) => {
    expect(hardMasks({ vm, host }, 3, 8)).toEqual(expected);
  });
});
