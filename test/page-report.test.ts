// `--html` of the commands that find something: the page opens on it, and says what --json says.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import type { PageData } from '../src/page/page-data.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HOST = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml'];

function written(...words: string[]): { data: PageData; answer: ReturnType<typeof JSON.parse>; code: number | null } {
  const file = join(folder, 'page.html');
  const { code, out, err } = xennuma([...words, '--json', '--html', file]);
  expect(err).toMatch(/^wrote .*page\.html \(/);
  const html = readFileSync(file, 'utf8');
  const plain = /id="xennuma-data">(.*?)<\/script>/s.exec(html)?.[1];
  const packed = /id="xennuma-packed">([^<]*)</.exec(html)?.[1] ?? '';
  return { data: JSON.parse(plain ?? inflateRawSync(Buffer.from(packed, 'base64')).toString()), answer: JSON.parse(out), code };
}

const rowsOf = ({ report }: PageData, table = 0) => report!.tables[table]!.rows.map((row) => row.map(({ text }) => text));
const marked = ({ report }: PageData, table = 0) => report!.tables[table]!.rows.map((row) => row.map((cell) => cell.marked === true));

it('verify: a row for each domain, with the drift that --json has marked', () => {
  const { data, answer, code } = written('verify', '--scenario', 'examples/scenarios/drift.yaml');
  expect(code).toBe(1);
  expect(data).toMatchObject({ view: 'view=report', kind: 'embedded' });
  expect(data.hosts).toHaveLength(1);
  const drifts = new Map(answer.domains.map(({ name, drifts: found }: { name: string; drifts: { text: string }[] }) => [name, found]));
  expect(
    rowsOf(data)
      .map(([name]) => name)
      .sort(),
  ).toEqual([...drifts.keys()].sort());
  for (const [index, row] of rowsOf(data).entries()) {
    const found = drifts.get(row[0]!) as { text: string }[];
    for (const { text } of found) expect(row.at(-1)).toContain(text);
    expect(marked(data)[index]!.at(-1)).toBe(found.length > 0);
  }
});

it('compare: the figures of each policy, marked where they differ from the first, with the bound', () => {
  const { data, answer } = written('compare', ...HOST, '--profiles', 'xapi-25.6', '--policies', 'any,best_effort', '--bound');
  const [any, best] = answer.rows;
  expect(any.totals.onOneNode).not.toBe(best.totals.onOneNode);
  expect(rowsOf(data).map((row) => row.slice(0, 4))).toEqual([
    ['xapi-25.6', 'any', `${any.totals.onOneNode} of 12`, String(any.bound.onOneNode)],
    ['xapi-25.6', 'best_effort', `${best.totals.onOneNode} of 12`, String(best.bound.onOneNode)],
  ]);
  expect(marked(data)[0]).not.toContain(true);
  expect(marked(data)[1]!.slice(0, 3)).toEqual([false, false, true]);
  expect(data.report!.bars[0]).toMatchObject({ most: 12, bars: [{ value: any.totals.onOneNode, bound: any.bound.onOneNode }, {}] });
  // Each row's host is one of the page's.
  expect(data.hosts).toHaveLength(2);
});

it('rebalance: every command of the answer, in its order, and the figures before and after', () => {
  const { data, answer } = written('rebalance', '--scenario', 'examples/scenarios/scattered.yaml');
  const free = answer.freeMoves.map(({ command }: { command: string }) => command);
  const lines = answer.migrations.flatMap(({ commands }: { commands: string[] }) => commands);
  expect(free.length + lines.length).toBeGreaterThan(0);
  expect(data.report!.commands.map(({ text }) => text)).toEqual([...free, ...lines]);
  const { before, after } = answer;
  expect(rowsOf(data)[0]).toEqual([
    'VMs on one node',
    `${before.onOneNode} of ${before.vms}`,
    expect.any(String),
    `${after.onOneNode} of ${after.vms}`,
  ]);
});

it('replay: a row and a line for each replay, with the values of --json', () => {
  const words = ['--generate', '60', '--nodes', '2', '--hosts', '3', '--policy', 'xapi-26.3,tight', '--moments', '5'];
  const { data, answer } = written('replay', ...words);
  expect(data).toMatchObject({ view: 'view=report', hosts: [] });
  expect(rowsOf(data).map(([policy]) => policy)).toEqual(answer.runs.map(({ policy }: { policy: string }) => policy));
  const plot = data.report!.plots.find(({ title }) => title === 'memory of VMs on one node')!;
  expect(plot.lines).toHaveLength(2);
  for (const [index, { points }] of plot.lines.entries()) {
    type Moment = { seconds: number; oneNode: number | null };
    const wanted = (answer.runs[index].overTime as Moment[]).flatMap(({ seconds, oneNode }) =>
      oneNode === null ? [] : [[seconds, oneNode]],
    );
    expect(points).toEqual(wanted);
  }
});

it.each([
  ['verify', '--scenario', 'examples/scenarios/drift.yaml'],
  ['compare', ...HOST],
  ['rebalance', ...HOST],
  ['replay', '--generate', '9', '--nodes', '2', '--hosts', '1'],
])('%s refuses a file of another kind before it works', (...words) => {
  const { code, err } = xennuma([...words, '--html', join(folder, 'page.htm')]);
  expect(code).toBe(2);
  expect(err).toContain('end the name in .html');
});
