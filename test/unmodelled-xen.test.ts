// Hosts of a Xen that is older or newer than the embedded one can act as, and what a plan says that
// it rests on.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { coresOf, xlInfo } from './support/xl-info.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-unmodelled-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const VMS = file('vms.yaml', 'vms: [{ name: a, vcpus: 2, memory: 1GiB }]');
const listing = (tail: Readonly<Record<string, string>>) =>
  xlInfo({
    host: 'box',
    totalMib: 16_384,
    cpus: coresOf(2, 4),
    nodes: [
      [8192, 6000, '10,21'],
      [8192, 7000, '21,10'],
    ],
    tail,
  });
const of = (version: string) => file(`${version}.txt`, listing({ xen_version: version }));

/** XenServer 7.0 to 7.6, XCP-ng 8.0, Oracle VM, and releases of the future. */
describe.each([
  ['4.4.4OVM', '4.4', '4.13'],
  ['4.7.6-6.9.xcpng', '4.7', '4.13'],
  ['4.12.1', '4.12', '4.13'],
  ['4.23-unstable', '4.23', '4.22'],
  ['5.0.0', '5.0', '4.22'],
])('Xen %s', (version, shown, nearest) => {
  const note = `note: Xen ${shown} is not modelled: the plan acts as ${nearest}, the nearest.`;
  const commands = { plan: ['plan'], compare: ['compare', '--profiles', 'xl'], explain: ['explain', 'a'], rebalance: ['rebalance'] };
  it.each(Object.entries(commands).flatMap(([name, words]) => ['--from', '--host'].map((by) => [name, by, words] as const)))(
    'is planned for by the nearest, and %s %s says so',
    (name, by, words) => {
      if (name === 'rebalance' && by === '--from') return expect(xennuma([...words, by, of(version)]).code).toBe(0);
      const { code, out } = xennuma([...words, by, of(version), '--vms', VMS]);
      expect(out.replaceAll(/\n +/g, ' ')).toContain(note);
      expect(code).toBe(0);
    },
  );

  it('is shown as it is', () => {
    expect(xennuma(['show', '--from', of(version)]).out).toMatch(new RegExp(`, Xen ${shown.replace('.', '\\.')} \\(from listings\\)`));
  });
});

it('4.13 to 4.22 are modelled: nothing is said', () => {
  for (const version of ['4.13', '4.22']) {
    expect(xennuma(['plan', '--from', of(version), '--vms', VMS]).out).not.toMatch(/not modelled/);
  }
});

it('the version is that of xen_major and xen_minor where a listing has no xen_version', () => {
  const path = file('major.txt', listing({ xen_major: '4', xen_minor: '19', xen_extra: '.3-pre' }));
  expect(xennuma(['plan', '--from', path, '--vms', VMS]).out).toMatch(/^box, embedded Xen 4\.19: /);
});

describe('distances that are assumed', () => {
  const path = file(
    'dump.txt',
    [
      "(XEN) 'u' pressed -> dumping numa info (now = 1)",
      '(XEN) NODE0 start->0 size->2097152 free->1500000',
      '(XEN) NODE1 start->2097152 size->2097152 free->1500000',
      '(XEN) CPU0...1 -> NODE0',
      '(XEN) CPU2...3 -> NODE1',
    ].join('\n'),
  );
  it.each([
    ['plan', []],
    ['compare', ['--profiles', 'xl']],
    ['explain', ['a']],
  ])('%s says so', (command, more) => {
    for (const by of ['--from', '--host']) {
      const { out } = xennuma([command, ...more, by, path, '--vms', VMS]);
      expect(out.replaceAll(/\n +/g, ' ')).toContain('note: The source has no distances; 10 and 20 are assumed');
    }
  });
});
