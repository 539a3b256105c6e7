// Long runs of one kind of character, alone and behind the beginning of a listing, as a damaged or
// hostile text has them. Work that grows with the square of their length would take minutes here.
import { describe, expect, it } from 'vitest';
import { oneIn } from '../../../test/support/cases.js';
import { InputError } from '../../base/errors.js';
import { readCapture } from './captured-host.js';

const LENGTH = 100_000;
const UNITS = [
  ...[' ', '\n', '\r', '\t', '\u00a0', ' \n', 'a', '0', ',', ':', '-', '(', '[', '"', '<', '> ', '# ', '| ', '/', '1/ '],
  ...['node ', 'NUMA ', 'a: ', '1,', '0 ', '(XEN) ', '&amp;', '=\n', '=20', '--b\n', 'uuid ( RO) : ', ' -b---- ', '10:00 '],
  'Content-Type: multipart/alternative; boundary="b"\n',
];
const BEGINNINGS = [
  '',
  'nr_cpus                : 8\nnr_nodes               : 1\nnuma_info              :\n',
  'Name                                        ID   Mem VCPUs\tState\tTime(s)\n',
  'Content-Type: multipart/alternative; boundary="b"\n\n--b\nContent-Type: text/plain\n\n',
  'uuid ( RO)           : 1\n',
  'Content-Transfer-Encoding: base64\n\n',
  'xen_commandline        : a ',
];

describe.each(oneIn(6, UNITS))('a run of %j', (unit) => {
  it('is refused, whatever listing begins before it', () => {
    for (const beginning of BEGINNINGS) {
      const text = `${beginning}${unit.repeat(LENGTH / unit.length)}x\n`;
      expect(() => readCapture([{ file: 'f', text }])).toThrow(InputError);
    }
  });
});
