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

describe('a table of CPUs with gaps', () => {
  const gaps = file('gaps.txt', `${listing(14).replace(/^ {2}4:.*\n^ {2}5:.*\n/m, '')}${POOL('0,1,2,3,6,7,8,9,10,11,12,13,14,15')}`);
  it('fails as xapi would, and the failure names the CPUs', () => {
    const { out } = xennuma(['plan', '--host', gaps, '--vms', VMS, '--policy', 'best_effort', '--json']);
    const { vms } = JSON.parse(out) as Planned;
    expect(vms[0]!.failure!.message).toMatch(/Invalid_argument\("index out of bounds"\).* here CPUs 4-5$/);
  });

  it('makes compare recommend no policy for profiles whose planner fails there', () => {
    const { code, out } = xennuma(['compare', '--host', gaps, '--vms', VMS, '--json']);
    const result = JSON.parse(out) as { recommendation: unknown; warnings: { code: string; text: string }[] };
    expect(code).toBe(0);
    expect(result.recommendation).toBeNull();
    expect(result.warnings.map((one) => one.code)).toContain('cpus-without-node');
    expect(result.warnings.map(({ text }) => text).join(' ')).toContain('CPUs 4-5 have no node');
  });
});
