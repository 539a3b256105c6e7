// Hosts whose CPUs are not all online: smt=off, maxcpus=, CPUs taken offline, and tables of CPUs
// with gaps.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { xlInfo } from './support/xl-info.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-parked-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** Two nodes of four cores with two threads each; the threads of a core follow each other. */
const CPUS = Array.from({ length: 16 }, (_, cpu) => [Math.floor(cpu / 2) % 4, Math.floor(cpu / 8), Math.floor(cpu / 8)] as const);
const listing = (nrCpus: number) =>
  xlInfo({
    host: 'box',
    nrCpus,
    totalMib: 16_384,
    cpus: CPUS,
    nodes: [
      [8192, 6000, '10,21'],
      [8192, 7000, '21,10'],
    ],
  });
const POOL = (cpus: string) => `\nName               CPU list\nPool-0             ${cpus}\n`;
const VMS = file('vms.yaml', 'vms: [{ name: a, vcpus: 2, memory: 1GiB }, { name: b, vcpus: 2, memory: 1GiB }]');
const HOSTS = {
  'smt=off': listing(8) + POOL('0,2,4,6,8,10,12,14'),
  'smt=off, as the counts say': `${listing(8)}\n`,
  'maxcpus=6': listing(6) + POOL('0,1,2,3,4,5'),
  'two CPUs offline': listing(14) + POOL('0,1,2,3,6,7,8,9,10,11,12,13,14,15'),
};
const PROFILES = ['xapi-25.6', 'xapi-25.39', 'xapi-26.3', 'xl'];

interface Planned {
  readonly vms: readonly { readonly failure: { readonly message: string } | null; readonly onOneNode: boolean | null }[];
}

describe.each(Object.entries(HOSTS))('%s', (name, text) => {
  const path = file(`${name.replaceAll(/\W/g, '-')}.txt`, text);
  it.each(PROFILES.flatMap((profile) => ['--host', '--from'].map((option) => [profile, option])))(
    'VMs start under %s by %s, each on one node',
    (profile, option) => {
      const { out } = xennuma(['plan', option, path, '--vms', VMS, '--profile', profile, '--policy', 'best_effort', '--json']);
      const { vms } = JSON.parse(out) as Planned;
      expect(vms.map(({ failure }) => failure)).toEqual([null, null]);
      expect(vms.map(({ onOneNode }) => onOneNode)).toEqual([true, true]);
    },
  );
});

/** Xen on AMD forgets the core of CPUs that are offline, and xl prints no row for them. */
const withoutRows = (nrCpus: number, gone: readonly number[]) =>
  listing(nrCpus)
    .split('\n')
    .filter((line) => !gone.some((cpu) => new RegExp(`^ *${cpu}: +\\d+ +\\d+ +[01]$`).test(line)))
    .join('\n');

describe.each([
  ['smt=off', [1, 3, 5, 7, 9, 11, 13]],
  ['two CPUs offline', [4, 5]],
])('a table without the rows of offline CPUs: %s', (name, gone) => {
  const path = file(`amd-${name.replaceAll(/\W/g, '-')}.txt`, `${withoutRows(16 - gone.length, gone)}\n`);
  it.each(PROFILES.flatMap((profile) => ['--host', '--from'].map((option) => [profile, option])))(
    'VMs start under %s by %s, because Xen keeps the nodes of those CPUs',
    (profile, option) => {
      const { out } = xennuma(['plan', option, path, '--vms', VMS, '--profile', profile, '--policy', 'best_effort', '--json']);
      const { vms } = JSON.parse(out) as Planned;
      expect(vms.map(({ failure, onOneNode }) => [failure, onOneNode])).toEqual([
        [null, true],
        [null, true],
      ]);
    },
  );
  it('show says that their nodes are a guess', () => {
    expect(xennuma(['show', '--host', path]).out.replace(/\s+/g, ' ')).toContain(
      `xl lists no CPUs ${gone.length === 2 ? '4-5' : gone.join(',')}: they count as offline`,
    );
  });
});

describe('a table of CPUs with gaps between two nodes', () => {
  const gaps = file('gaps.txt', `${withoutRows(14, [7, 8])}${POOL('0,1,2,3,4,5,6,9,10,11,12,13,14,15')}`);
  it('fails as xapi would, and the failure names the CPUs', () => {
    const { out } = xennuma(['plan', '--host', gaps, '--vms', VMS, '--policy', 'best_effort', '--json']);
    const { vms } = JSON.parse(out) as Planned;
    expect(vms[0]!.failure!.message).toMatch(/Invalid_argument\("index out of bounds"\).* here CPUs 7-8$/);
  });

  it('makes compare recommend no policy for profiles whose planner fails there', () => {
    const { code, out } = xennuma(['compare', '--host', gaps, '--vms', VMS, '--json']);
    const result = JSON.parse(out) as { recommendation: unknown; warnings: { code: string; text: string }[] };
    expect(code).toBe(0);
    expect(result.recommendation).toBeNull();
    expect(result.warnings.map((one) => one.code)).toContain('cpus-without-node');
    expect(result.warnings.map(({ text }) => text).join(' ')).toContain('CPUs 7-8 have no node');
  });
});
