// Every row was produced by the toplevel of OCaml 4.13.1 (int_of_string on a 64-bit machine).
import { describe, expect, it } from 'vitest';
import { ocamlIntOfString } from './ocaml-int.js';

const READ: [string, bigint][] = [
  ['0', 0n],
  ['01', 1n],
  ['+1', 1n],
  ['-1', -1n],
  ['-0', 0n],
  ['1_0', 10n],
  ['1_', 1n],
  ['1__0', 10n],
  ['0x1F', 31n],
  ['0X1f', 31n],
  ['0x0_0', 0n],
  ['0b11', 3n],
  ['0o17', 15n],
  ['0u3', 3n],
  ['0U3', 3n],
  ['-0x1', -1n],
  ['+0x1', 1n],
  ['-0u5', -5n],
  ['4611686018427387903', 4611686018427387903n],
  ['-4611686018427387904', -4611686018427387904n],
  ['0x3fffffffffffffff', 4611686018427387903n],
  ['0x4000000000000000', -4611686018427387904n],
  ['0x7fffffffffffffff', -1n],
  ['0x7fffffffffffffff_', -1n],
  ['0u4611686018427387904', -4611686018427387904n],
  ['0u9223372036854775807', -1n],
  ['0o777777777777777777777', -1n],
  [`0b${'1'.repeat(63)}`, -1n],
  ['-0x7fffffffffffffff', 1n],
  ['-0x4000000000000000', -4611686018427387904n],
];

const REFUSED = [
  '',
  '-',
  '+',
  '--1',
  '+-1',
  '1+1',
  '_1',
  '0x',
  '0u',
  '0b',
  '0b2',
  '0o8',
  '0x_1',
  '0x1g',
  '00x1',
  '0_x1',
  '1.0',
  '1e3',
  '1-3',
  '^1',
  ' 1',
  '1 ',
  '1\t',
  '1\0',
  '१',
  '4611686018427387904',
  '-4611686018427387905',
  '0x8000000000000000',
  '0xffffffffffffffff',
  '0u9223372036854775808',
  '18446744073709551616',
  '0x1_0000_0000_0000_0000',
];

describe("OCaml's int_of_string", () => {
  it.each(READ)('reads %j as %s', (text, value) => {
    expect(ocamlIntOfString(text)).toEqual({ ok: true, value });
  });
  it.each(REFUSED)('refuses %j', (text) => {
    expect(ocamlIntOfString(text).ok).toBe(false);
  });
  it('tells a number that is too large from what is none', () => {
    expect(ocamlIntOfString('4611686018427387904')).toEqual({ ok: false, reason: 'too large' });
    expect(ocamlIntOfString('abc')).toEqual({ ok: false, reason: 'not a number' });
  });
});
