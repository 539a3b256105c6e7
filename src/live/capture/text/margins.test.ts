// Line numbers on lines of their own and time stamps at the ends of lines: the text reads as it
// does without them.
import { describe, expect, it } from 'vitest';
import { read } from '../../../../test/support/read-paste.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';
import { withoutLineNumbers, withoutTrailingStamps } from './margins.js';

const PLAIN = [
  '$ xl info -n',
  twoNodesInfo({ tail: { version: '#1 SMP Mon Jan 9 12:11:22 UTC 2023' } }),
  '',
  '$ xl list -n',
  twoNodesList('win 10 (2)'),
  '',
  '$ xl vcpu-list',
  twoNodesVcpus('win 10 (2)'),
  '',
  '$ xl dmesg',
  TWO_NODES_DUMP,
].join('\n');
const time = (at: number) => `12:${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`;
const each = (form: (line: string, at: number) => string) => PLAIN.split('\n').map(form).join('\n');

describe('time stamps at the ends of lines', () => {
  it.each<[string, (line: string, at: number) => string]>([
    ['a time', (line, at) => `${line} ${time(at)}`],
    ['a time in brackets', (line, at) => `${line}  [${time(at)}]`],
    ['date and time', (line, at) => `${line}    2024-05-01 ${time(at)}`],
    ['ISO with a zone', (line, at) => `${line} 2024-05-01T${time(at)}.123Z`],
    ['a clock of twelve hours', (line) => `${line}   (9:41 AM)`],
    ['behind a bar', (line, at) => `${line.padEnd(100)} | ${time(at)}`],
    ['date of syslog', (line, at) => `${line}  May  1 ${time(at)}`],
    ['not on empty lines', (line, at) => (line === '' ? '' : `${line} ${time(at)}`)],
  ])('%s', (_, form) => {
    expect(read(each(form))).toEqual(read(PLAIN));
  });

  it('are left where few lines have them', () => {
    const lines = [...new Array(9).fill('a line'), 'built Mon Jan 9 12:11:22', 'at 12:00', 'at 12:01'];
    expect(withoutTrailingStamps(lines)).toEqual(lines);
  });
});

describe('line numbers on lines of their own', () => {
  it.each<[string, (line: string, at: number) => string]>([
    ['before each line', (line, at) => `${at + 1}\n${line}`],
    ['behind each line', (line, at) => `${line}\n${at + 1}`],
    ['padded, from a later line on', (line, at) => `  ${at + 411}  \n${line}`],
  ])('%s', (_, form) => {
    expect(read(each(form))).toEqual(read(PLAIN));
  });

  it('keep the numbers of the other lines in the file', () => {
    expect(withoutLineNumbers(['1', 'a', '2', 'b', '3', 'c', '4', 'd'])).toEqual({ lines: ['a', 'b', 'c', 'd'], numbers: [2, 4, 6, 8] });
  });

  it.each([
    ['fewer than four', ['1', 'a', '2', 'b', '3', 'c']],
    ['with a gap', ['1', 'a', '2', 'b', '4', 'c', '5', 'd']],
    ['few among many lines', [...new Array(20).fill('a'), '1', '2', '3', '4']],
  ])('are lines of the text: %s', (_, lines) => {
    expect(withoutLineNumbers(lines).lines).toEqual(lines);
  });
});

it('a figure between two arrows is that figure', () => {
  const pointed = twoNodesInfo({}).replace('8192       1024      10,21', '-> 8192 <-   1024      10,21  <- is off');
  expect(pointed).toContain('-> 8192 <-');
  expect(read(pointed)).toEqual(read(twoNodesInfo({})));
});

describe("debug key 'u' alone", () => {
  const dump = `(XEN) NODE0 start->0 size->2097152 free->262144
(XEN) NODE1 start->2359296 size->2097152 free->786432
(XEN) CPU0...3 -> NODE0
(XEN) CPU4...7 -> NODE1
${TWO_NODES_DUMP}`;
  it('tells what nodes span, so that memory which nobody has may be a hole', () => {
    const live = read(dump);
    expect(live).toMatchObject({ map: { holesUnknown: true, domains: [{ domid: 0 }, { domid: 7 }] } });
    expect((live as Exclude<typeof live, string>).notes.join('\n')).toMatch(/Sizes of nodes include holes/);
    expect(read(`${dump}\ntotal_memory           : 16000`)).not.toHaveProperty('map.holesUnknown');
  });
  it('lists the domains, without their vCPUs', () => {
    const live = read(dump);
    expect((live as Exclude<typeof live, string>).notes.join('\n')).toMatch(/The vCPUs of the domains in the dump are not known/);
  });
});
