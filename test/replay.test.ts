// `xennuma replay` as a user runs it: formats, lists, threads, errors.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replaySchema } from '../src/cli/answers/replay-schema.js';
import { xennuma } from './xennuma.js';

let folder: string;
let csv: string;
const MACHINE = ['--nodes', '2', '--cores', '8', '--memory', '32GiB', '--hosts', '2'];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-replay-'));
  csv = join(folder, 'trace.csv');
  writeFileSync(csv, 'time,vcpus,memory,duration\n0,2,4GiB,1h\n60,4,24GiB,\n90,1,1GiB,30m\n');
  const azure = {
    'v9.dev.txt': '300 a,b,|,\n600 b,|,\n',
    'v9.dev.c900.txt': '300 U1,C2,|,\n600 U0,|,\n',
    'flav_map.txt': '1,1.75 a\n4,7 b\n',
    'v9.interval_map.txt': '0 0\n300 1\n600 2\n',
  };
  for (const [name, text] of Object.entries(azure)) writeFileSync(join(folder, `${name}.gz`), gzipSync(text));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('answers', () => {
  it('a table, with the settings that all replays share above it', () => {
    const { code, out } = xennuma(['replay', csv, ...MACHINE], { env: { COLUMNS: '200' } });
    expect(code).toBe(0);
    expect(out).toMatch(/3 VMs over 1\.0 hours, at most 3 VMs, 7 vCPUs, 29 GiB at once/);
    expect(out).toMatch(/Hosts of 2 nodes, 8 cores, 32 GiB for guests; chosen by random, 2 hosts, scale 1, seed 1/);
    expect(out).toMatch(/^policy +one node +remote/m);
    for (const policy of ['xapi-26.3', 'xl', 'tight']) expect(out).toMatch(new RegExp(`^${policy} .* 0$`, 'm'));
  });

  it('JSON as its schema says, the same on one thread and on several', () => {
    const words = [
      'replay',
      csv,
      ...MACHINE,
      '--policy',
      'any,tight',
      '--choose',
      'random,best-fit',
      '--seed',
      '1,2',
      '--moments',
      '2',
      '--json',
    ];
    const one = xennuma([...words, '--jobs', '1']);
    expect([one.code, one.err]).toEqual([0, '']);
    const answer = replaySchema.parse(JSON.parse(one.out));
    expect(answer.runs).toHaveLength(8);
    expect(answer.runs.map(({ policy, choose, seed }) => `${choose} ${policy} ${seed}`).slice(0, 3)).toEqual([
      'random any 1',
      'random any 2',
      'random tight 1',
    ]);
    expect(answer.runs.every(({ started, overTime }) => started === 3 && overTime.length === 2)).toBe(true);
    expect(xennuma([...words, '--jobs', '3']).out).toBe(one.out);
  });

  it('CSV: a line for each replay, or for each replay and moment', () => {
    const words = ['replay', csv, ...MACHINE, '--hosts', '1,2', '--policy', 'tight', '--csv', '--moments', '3'];
    const lines = xennuma(words).out.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^policy,hosts,choose,scale,seed,vms,started,/);
    expect(lines[1]).toMatch(/^tight,1,random,1,1,3,3,0,0,/);
    const moments = xennuma([...words, '--over-time'])
      .out.trim()
      .split('\n');
    expect(moments).toHaveLength(7);
    expect(moments[0]).toMatch(/^policy,hosts,choose,scale,seed,seconds,vms,failed,/);
  });

  it('a picture: a plot for each figure with a line for each replay', () => {
    const words = ['replay', csv, ...MACHINE, '--hosts', '1,2', '--policy', 'tight,xl', '--moments', '4'];
    const { out } = xennuma([...words, '--svg', '-']);
    expect(out.startsWith('<svg ')).toBe(true);
    // Six figures, four replays, four moments each.
    const lines = [...out.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) => points!.split(' '));
    expect(lines).toHaveLength(24);
    expect(lines.every((points) => points.length === 4 && points.every((point) => /^-?[\d.]+,-?[\d.]+$/.test(point)))).toBe(true);
    for (const name of ['tight, 1 hosts', 'xl, 2 hosts', 'failed starts', 'mean distance']) expect(out).toContain(name);
    const file = join(folder, 'plots.svg');
    expect(xennuma([...words, '--svg', file]).out).toMatch(/^policy|one node/m);
    expect(readFileSync(file, 'utf8')).toBe(out);
  });

  it('a picture needs a name that ends in .svg, moments, and its own output', () => {
    const words = ['replay', csv, ...MACHINE, '--hosts', '1'];
    expect(xennuma([...words, '--svg', 'a.png'])).toMatchObject({ code: 2 });
    expect(xennuma([...words, '--svg', '-', '--moments', '0']).err).toContain('--moments 0');
    expect(xennuma([...words, '--svg', '-', '--json']).err).toContain('--json');
  });

  it('the Azure format from the file of arrivals, compressed by gzip', () => {
    const { code, out, err } = xennuma(['replay', join(folder, 'v9.dev.txt.gz'), ...MACHINE, '--json', '--scale', '2']);
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out).trace).toMatchObject({ vms: 3, seconds: 600, peak: { vms: 3, vcpus: 9 } });
  });

  it('a generated trace, and the beginning of one', () => {
    const words = ['replay', '--generate', '300', '--first', '200', ...MACHINE, '--policy', 'tight', '--json'];
    const first = xennuma(words);
    expect(JSON.parse(first.out).runs[0].vms).toBe(200);
    expect(xennuma(words).out).toBe(first.out);
    expect(xennuma([...words, '--seed', '2']).out).not.toBe(first.out);
  });

  it('hosts from a description', () => {
    const { code, out } = xennuma(['replay', csv, '--host', 'examples/hosts/epyc-7763-nps4.yaml', '--hosts', '1', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out).host).toMatchObject({ name: 'epyc-7763-nps4', nodes: 8, cpus: 256 });
  });
});

describe('refusals', () => {
  it.each([
    [['nowhere.csv', '--nodes', '2', '--hosts', '1'], /nowhere\.csv: there is no such file/],
    [['README.md', '--nodes', '2', '--hosts', '1'], /README\.md: is no trace; expected a CSV file/],
    [['examples', '--nodes', '2', '--hosts', '1'], /examples: expected a file, got a directory/],
    [['--nodes', '2', '--hosts', '1'], /expected a trace, got none; name its file, or give --generate/],
    [['CSV', '--generate', '3', '--nodes', '2', '--hosts', '1'], /expected a trace or --generate, got both/],
    [['CSV', '--hosts', '1'], /expected a host, got none; give --host FILE, or --nodes N/],
    [['CSV', '--nodes', '2'], /--hosts/],
    [['CSV', '--nodes', '2', '--host', 'examples/hosts/two-nodes.yaml', '--hosts', '1'], /expected --host or --nodes, got both/],
    [['CSV', '--nodes', '3', '--hosts', '1'], /64 cores cannot be divided by 3 nodes; choose --cores/],
    [['CSV', '--nodes', '2', '--hosts', '0'], /--hosts.*whole number from 1/],
    [['CSV', '--nodes', '2', '--hosts', '1', '--policy', 'best'], /--policy.*choose tight, any, a profile/],
    [
      ['CSV', '--nodes', '2', '--hosts', '1', '--choose', 'first'],
      /--choose.*unknown 'first': expected one of random, best-fit, local-fit/,
    ],
    [['CSV', '--nodes', '2', '--hosts', '1', '--scale', '0'], /--scale.*factor/],
    [['CSV', '--nodes', '2', '--hosts', '1', '--scale', '40'], /160 vCPUs at scale 40/],
    [['CSV', '--nodes', '2', '--hosts', '1', '--memory', '32'], /--memory.*a size with its unit/],
    [['CSV', '--nodes', '2', '--hosts', '1', '--json', '--csv'], /expected --json or --csv, got both/],
    [['CSV', '--nodes', '2', '--hosts', '1', '--over-time'], /--over-time needs --csv/],
  ])('%j', (words, message) => {
    const { code, out, err } = xennuma(['replay', ...words.map((word) => (word === 'CSV' ? csv : word))]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('a bad line is named', () => {
    const bad = join(folder, 'bad.csv');
    writeFileSync(bad, 'time,vcpus,memory,duration\n0,2,4GiB,1h\n60,4,24,\n');
    expect(xennuma(['replay', bad, ...MACHINE]).err).toMatch(/bad\.csv:3: memory '24'; expected a size with its unit/);
    const alone = join(folder, 'alone');
    writeFileSync(alone, '300 a,|,\n');
    expect(xennuma(['replay', join(folder, 'flav_map.txt.gz'), alone, ...MACHINE]).err).toMatch(/does not match|lines of durations/);
  });
});
