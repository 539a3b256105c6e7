import { expect, it } from 'vitest';
import { harmless } from '../base/safe-text.js';
import { makePrinter } from './print.js';

const HOSTILE = 'web\u001b[2J\u009b1mx\u202ey';
/** Whatever a terminal would act on, but for the line end. */
const controls = (text: string) => [...text].filter((char) => char !== '\n' && harmless(char) !== char);
const printed = (form: 'full' | 'minimal' | 'json') => {
  let out = '';
  const printer = makePrinter(form, (text) => (out += text));
  printer.table([[{ name: 'name-label', mark: ' ( RW)', value: HOSTILE, json: HOSTILE }]]);
  printer.list([HOSTILE]);
  printer.flush();
  return out;
};

it.each(['full', 'minimal'] as const)('%s: control and bidi characters do not reach the terminal', (form) => {
  // ESC, C1's CSI and the right-to-left override, each as '?'.
  expect(printed(form)).toContain('web?[2J?1mx?y');
  expect(controls(printed(form))).toEqual([]);
});

it('json keeps the value, escaped', () => {
  expect(controls(printed('json'))).toEqual([]);
  expect(JSON.parse(printed('json'))).toEqual([{ 'name-label': HOSTILE }, HOSTILE]);
});

it('lines of a description stay lines', () => {
  let out = '';
  makePrinter('full', (text) => (out += text)).list(['one\ntwo\tthree\rfour']);
  expect(out).toBe('one\ntwo\tthree?four\n');
});

it('names line up by what a terminal shows', () => {
  let out = '';
  const record = [
    { name: 'uuid', mark: '', value: 'u', json: 'u' },
    { name: '\u8868', mark: '', value: 'v', json: 'v' },
  ];
  makePrinter('full', (text) => (out += text)).table([record]);
  // Two columns for the wide character, six blanks before it.
  expect(out).toBe('uuid    : u\n      \u8868: v\n\n\n');
});
