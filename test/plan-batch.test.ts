// `xennuma plan` of many VMs, in a batch, and as xl, as a user runs them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { xennuma } from './xennuma.js';

let folder: string;
let words: string[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-batch-'));
  const host = {
    name: 'two',
    nodes: [
      { memory: '16GiB', used: '2GiB', cpus: '0-3' },
      { memory: '16GiB', used: '4608MiB', cpus: '4-7' },
    ],
    distances: [
      [10, 20],
      [20, 10],
    ],
  };
  const vms = [
    ['small-1', '5GiB'],
    ['small-2', '7GiB'],
    ['large', '11GiB'],
  ].map(([name, memory]) => ({ name, vcpus: 1, memory }));
  writeFileSync(join(folder, 'host.json'), JSON.stringify(host));
  writeFileSync(join(folder, 'vms.json'), JSON.stringify({ vms }));
  words = ['plan', '--host', join(folder, 'host.json'), '--vms', join(folder, 'vms.json'), '--policy', 'tight', '--profile', 'xapi-26.3'];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly vms: readonly { readonly name: string; readonly onOneNode: boolean | null }[];
}
const onOneNode = (out: string) => (JSON.parse(out) as Answer).vms.filter((vm) => vm.onOneNode === true).length;

describe('--batch', () => {
  it('puts all on one node each where the given order does not', () => {
    expect(onOneNode(xennuma([...words, '--json']).out)).toBe(2);
    expect(onOneNode(xennuma([...words, '--batch', '--json']).out)).toBe(3);
  });

  it('needs policy tight, and one VM after the other', () => {
    expect(xennuma([...words.slice(0, 5), '--batch']).err).toContain('--policy tight');
    expect(xennuma([...words, '--batch', '--parallel'])).toMatchObject({ code: 2 });
    expect(xennuma([...words, '--parallel']).code).toBe(0);
  });
});

it('--as xl: a soft affinity for each VM that was placed', () => {
  const { code, out } = xennuma([...words, '--batch', '--as', 'xl']);
  expect(code).toBe(0);
  expect(out.trim().split('\n')).toEqual([
    '# small-1: node 0',
    'cpus_soft = "0-3"',
    '# small-2: node 0',
    'cpus_soft = "0-3"',
    '# large: node 1',
    'cpus_soft = "4-7"',
  ]);
  expect(xennuma([...words.map((word) => (word === 'tight' ? 'any' : word)), '--as', 'xl']).out).toContain('# large: not placed');
});

describe('plan of many VMs', () => {
  const many =
    'vms: [{ name: web, count: 210, vcpus: 1, memory: 256MiB }, { name: wide, vcpus: 4, memory: 70GiB }, { name: huge, vcpus: 1, memory: 9TiB }]';
  const EPYC = ['--host', 'examples/hosts/epyc-7763-nps4.yaml'];
  const planned = (...words: string[]) =>
    xennuma(['plan', ...EPYC, '--vms', '-', '--policy', 'best_effort', ...words], { input: many, env: { COLUMNS: '100' } });
  const rowsOf = (out: string) => out.split('\n').filter((line) => /^(?:web-\d+|wide|huge) .* (?:ok|FAILED)$/.test(line));

  it('begins with the nodes and the totals, without rows', () => {
    const { code, out } = planned();
    expect(code).toBe(1);
    expect(rowsOf(out)).toEqual([]);
    const nodes = out.split('\n').flatMap((line) => /^ *(\d+) +(\d+) +(\d+) +(\d+) /.exec(line)?.slice(1).map(Number) ?? []);
    const sums = [1, 2].map((column) => nodes.filter((_, at) => at % 4 === column).reduce((sum, value) => sum + value, 0));
    const { totals, vms } = JSON.parse(planned('--json').out) as {
      totals: { running: number; onOneNode: number; failed: number };
      vms: { pagesByNode: number[] }[];
    };
    expect(sums).toEqual([vms.flatMap(({ pagesByNode }) => pagesByNode.filter((pages) => pages > 0)).length, totals.onOneNode]);
    expect(totals).toMatchObject({ running: 211, failed: 1 });
    expect(out).toContain('211 VMs running');
    expect(out).toContain('--rows all');
  });

  it('has the rows on demand', () => {
    expect(rowsOf(planned('--rows', 'all').out)).toHaveLength(212);
    expect(rowsOf(planned('--rows', 'failed').out)).toEqual([expect.stringMatching(/^huge .*FAILED$/)]);
    const { vms } = JSON.parse(planned('--json').out) as { vms: { name: string; onOneNode: boolean | null }[] };
    const spread = vms.filter(({ onOneNode }) => onOneNode === false).map(({ name }) => name);
    expect(rowsOf(planned('--rows', 'spread').out).map((row) => row.split(' ')[0])).toEqual(spread);
    expect(rowsOf(planned('--rows', 'none').out)).toEqual([]);
    expect(planned('--rows', 'some')).toMatchObject({ code: 2, err: expect.stringContaining('all, spread, failed, none') });
  });

  it('is a table where there are few, and without rows where they are not wanted', () => {
    const few = (...words: string[]) =>
      xennuma(['plan', ...EPYC, '--vms', 'examples/vms/dozen.yaml', '--policy', 'best_effort', ...words]).out;
    expect(few()).toBe(few('--rows', 'all'));
    expect(few('--rows', 'none')).not.toMatch(/^web-1 /m);
    expect(few('--rows', 'spread')).toMatch(/^warehouse /m);
  });
});
