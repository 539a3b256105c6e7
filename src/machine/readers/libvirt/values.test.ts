// Sizes and CPU sets of libvirt (src/util: virScaleInteger, virBitmapParse).
import { expect, it } from 'vitest';
import { looksLikeCapabilities } from './capabilities.js';
import { parseCpuSet, parseMemoryBytes } from './values.js';

it.each([
  ['1', undefined, 1024],
  ['1', '', 1024],
  [' 7 ', 'b', 7],
  ['7', 'bytes', 7],
  ['7', 'Byte', 7],
  ['2', 'k', 2048],
  ['2', 'KiB', 2048],
  ['2', 'KB', 2000],
  ['3', 'M', 3 * 1024 ** 2],
  ['3', 'MB', 3e6],
  ['4', 'GiB', 4 * 1024 ** 3],
  ['4', 'tb', 4e12],
  ['1', 'PiB', 1024 ** 5],
  ['1', 'e', 1024 ** 6],
  ['1', 'zib', undefined],
  ['1', 'kbit', undefined],
  ['1', 'x', undefined],
  ['-1', 'k', undefined],
  ['1.5', 'k', undefined],
  ['', 'k', undefined],
  ['1 2', 'k', undefined],
  ['12345678901234567890', 'k', undefined],
] as const)('the size %j %j is %j bytes', (text, unit, bytes) => expect(parseMemoryBytes(text, unit)).toBe(bytes));

it.each([
  ['5,0-1', [0, 1, 5]],
  ['10,9', [9, 10]],
  ['0-3,^2,8', [0, 1, 3, 8]],
  ['^2,0-3', [0, 1, 2, 3]],
  [' 1 - 2 , ^ 1 ', [2]],
  ['16383', [16_383]],
  ['16384', undefined],
  ['3-1', undefined],
  ['2-2', [2]],
  ['^0-1', undefined],
  ['0,^0', undefined],
  ['', undefined],
  ['0,', undefined],
  ['x', undefined],
  ['1-', undefined],
] as const)('the set %j is %j', (text, members) => expect(parseCpuSet(text)).toStrictEqual(members));

it('a set may name 16 times as many numbers as there can be, and not one more', () => {
  const all = Array<string>(16).fill('0-16383').join();
  expect(parseCpuSet(all)).toHaveLength(16_384);
  expect(parseCpuSet(`${all},0`)).toBeUndefined();
});

it.each([
  ['<capabilities>', true],
  ["<capabilities xmlns='x'>", true],
  ["\uFEFF\n <?xml version='1.0'?><capabilities\n>", true],
  ['<capabilitiesX>', false],
  ['x <capabilities>', false],
  [`<a>${' '.repeat(70_000)}<capabilities>`, false],
])('%j is a text of virsh capabilities: %s', (text, is) => expect(looksLikeCapabilities(text)).toBe(is));
