// Long runs of one kind of character, as a file that is none of ours has them. Work that grows with
// the square of their length would take minutes here, and the test's time limit ends it.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { detectAndRead } from './detect.js';
import { detectAndReadVms } from './detect-vms.js';

const LENGTH = 200_000;
const UNITS = [
  ...[' ', '\n', '\r', '\r\n', '\t', '\u00a0', ' \n', 'a', '0', ',', ':', '-', '(', '[', '{', '"', "'", '<', '> ', '# ', '- ', '| '],
  ...['node ', 'NUMA ', 'NUMA 0:', 'NUMA node0 CPU(s): ', 'a: ', '1,', '1-', '0 ', '(XEN) ', 'a=1;', '<a ', '&amp;'],
];
const HOST = { name: '', source: '', nodes: [], cpus: [], distances: [], notes: [] };

describe.each(UNITS)('a run of %j', (unit) => {
  const texts = [unit.repeat(LENGTH / unit.length), `NUMA 0:${unit.repeat(LENGTH / unit.length)}`].map((run) => ({
    file: 'f',
    text: `${run}x\n`,
  }));

  it('is refused as a host and as VMs', () => {
    for (const input of texts) {
      expect(() => detectAndRead([input])).toThrow(InputError);
      expect(() => detectAndReadVms([input], HOST)).toThrow(InputError);
    }
  });
});

it('lines that are indented further and further are refused', () => {
  const text = Array.from({ length: 3000 }, (_, at) => `${' '.repeat(at)}a:`).join('\n');
  expect(() => detectAndRead([{ file: 'f', text }])).toThrow(InputError);
  expect(() => detectAndReadVms([{ file: 'f', text }], HOST)).toThrow(InputError);
});
