// CPU pools of described hosts, from the command's side: where `pool=` puts a VM under profile xl.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-pools-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const HOST = 'nodes: [{ memory: 8GiB, cpus: "0-3" }, { memory: 8GiB, cpus: "4-7" }]\ndistances: [[10, 21], [21, 10]]';
const vms = (pool: string) => `vms: [{ name: a, vcpus: 2, memory: 1GiB${pool === '' ? '' : `, pool: ${pool}`} }]`;

interface Planned {
  readonly vms: readonly { readonly pagesByNode: readonly number[]; readonly failure: { readonly message: string } | null }[];
}

/** The nodes of VM a, or the message of its failure. */
function nodesOf(pool: string, hostText: string, ...words: string[]): string {
  const host = file('host.yaml', hostText);
  const { code, out, err } = xennuma(['plan', '--host', host, '--vms', '-', '--profile', 'xl', '--json', ...words], { input: vms(pool) });
  if (code === 2) return err;
  const [vm] = (JSON.parse(out) as Planned).vms;
  return vm!.failure?.message ?? vm!.pagesByNode.flatMap((pages, node) => (pages > 0 ? [node] : [])).join();
}

describe('the pool of a VM decides its nodes', () => {
  const config = file('side.cfg', 'name = "side"\ncpus = "4-7"\n');
  it.each([
    ['', '0'],
    ['Pool-node0', '0'],
    ['Pool-node1', '1'],
    // Pool-0 has another name from then on.
    ['Pool-0', "pool 'Pool-0' is not there; the host has pools Pool-node0, Pool-node1"],
  ])('numa-split, pool %j: %s', (pool, nodes) => expect(nodesOf(pool, HOST, '--cpupools', 'numa-split')).toBe(nodes));
  it.each([
    ['', '0'],
    ['Pool-0', '0'],
    ['side', '1'],
    ['1', '1'],
  ])('xlcpupool.cfg, pool %j: node %s', (pool, nodes) => expect(nodesOf(pool, HOST, '--cpupools', config)).toBe(nodes));
  it('in the host file', () => expect(nodesOf('fast', `${HOST}\npools: [{ name: fast, cpus: "4-7" }]`)).toBe('1'));
  it.each([
    [['--cpupools', 'numa-split', config], 'expected numa-split or configs of pools, got both'],
    [['--cpupools', file('all.cfg', 'name = "all"\nnodes = ["7"]')], 'no free cpu found'],
    [['--cpupools', join(folder, 'none.cfg')], 'none.cfg'],
  ])('%j is refused', (words, message) => expect(nodesOf('', HOST, ...words)).toContain(message));
  it('from two places is refused', () => {
    expect(nodesOf('', `${HOST}\npools: []`, '--cpupools', 'numa-split')).toContain('got both');
  });
});

describe('a scenario that describes its host itself', () => {
  const scenario = (host: string, more = '') =>
    `host:\n  ${host.replaceAll('\n', '\n  ')}\nprofile: xl\n${more}${vms('side')}\nevents:\n  - start: a\n    expect: { nodes: 1 }\n`;
  it.each([
    ['with pools', scenario(`${HOST}\npools: [{ name: side, cpus: "4-7" }]`)],
    ['with cpupools', scenario(HOST, 'cpupools: side.cfg\n')],
  ])('%s: a VM in one of them', (_, text) => {
    const { code, out } = xennuma(['run', file('scenario.yaml', text)]);
    expect({ code, held: out.includes('1 of 1 expectations held') }).toEqual({ code: 0, held: true });
  });
  it.each([
    ['memory: 8GiB, cpus: "0-3"', 'memory: 8GiB, cpsu: "0-3"', "got 'cpsu'; did you mean 'cpus'?"],
    ['memory: 8GiB, cpus: "0-3"', 'memory: 8, cpus: "0-3"', 'scenario.yaml:2: host.nodes[0].memory: expected'],
    ['"4-7"', '"0-3"', 'scenario.yaml:2: host.nodes[1].cpus: CPU 0 is given twice'],
    ['[10, 21]', '[10, 9]', 'scenario.yaml:3: host.distances'],
  ])('an error in it has its line and path: %s', (before, after, message) => {
    const { code, err } = xennuma(['run', file('scenario.yaml', scenario(HOST).replace(before, after))]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

it('a host that is neither a path nor a description is refused', () => {
  const { code, err } = xennuma(['run', file('scenario.yaml', 'host: 7\nevents: [{ start: a }]')]);
  expect(code).toBe(2);
  expect(err).toContain('scenario.yaml:1: host: expected the path of a file, a list of paths, or a host as in a host file, got 7');
});

it.each([
  [['show', '--scenario', 'examples/scenarios/chart.yaml', '--cpupools', 'numa-split'], 'expected --scenario or --cpupools, got both'],
  [['explain', 'a', '--scenario', 'examples/scenarios/chart.yaml', '--xen', '4.18'], 'expected --scenario or --xen, got both'],
  [['plan', '--pool', 'https://a', '--cpupools', 'numa-split'], '--cpupools'],
  [['compare', '--from', 'paste.txt', '--vms', 'a', '--cpupools', 'numa-split'], 'expected --from or --cpupools, got both'],
  [['plan', '--on', 'xen', '--vms', 'a', '--cpupools', 'numa-split'], 'expected --on or --cpupools, got both'],
])('%j is refused', (words, message) => {
  const { code, err } = xennuma(words);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

const report = new URL('../../shared/reports/pool-xl.scenario.yaml', import.meta.url);
it.skipIf(!existsSync(report))('pool-xl.scenario.yaml: a VM of Pool-0 gets a node of its CPUs, and is local', () => {
  const { code, out } = xennuma(['run', report.pathname, '--json']);
  expect(code).toBe(0);
  const [vm] = (JSON.parse(out) as { vms: { pagesByNode: number[]; onOneNode: boolean; remotePages: number }[] }).vms;
  expect(vm!.pagesByNode[1]).toBe(0);
  expect(vm).toMatchObject({ onOneNode: true, remotePages: 0 });
});
