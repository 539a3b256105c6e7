// Cores and sockets of hosts whose tables have none: from the counts of lscpu and `xl info`, or not
// known, but never invented. A listing of numactl that is cut, or taken in a dom0.
import { describe, expect, it } from 'vitest';
import { readCapture } from '../src/live/capture/captured-host.js';
import type { Host } from '../src/machine/model.js';
import { detectAndRead } from '../src/machine/readers/detect.js';
import { renderHostMapText } from '../src/view/host-map-text.js';
import { embeddedHost } from '../src/xenopsd/hosts/embedded-host.js';
import { snapshotOf } from '../src/xenopsd/hosts/snapshot.js';
import { xlInfo } from './support/xl-info.js';

/** Two nodes of one socket, as Linux numbers four cores of two threads. */
const NUMACTL = `available: 2 nodes (0-1)
node 0 cpus: 0 1 4 5
node 0 size: 8000 MB
node 0 free: 4000 MB
node 1 cpus: 2 3 6 7
node 1 size: 8000 MB
node 1 free: 3000 MB
node distances:
node   0   1
  0:  10  12
  1:  12  10
`;
const LSCPU = (threads: number, cores: number, sockets: number) => `CPU(s):                          8
Thread(s) per core:              ${threads}
Core(s) per socket:              ${cores}
Socket(s):                       ${sockets}
NUMA node(s):                    2
NUMA node0 CPU(s):               0,1,4,5
NUMA node1 CPU(s):               2,3,6,7
`;
const pair = (numactl: string, lscpu: string) =>
  detectAndRead([
    { file: 'n.txt', text: numactl },
    { file: 'l.txt', text: lscpu },
  ]);
const one = (text: string) => detectAndRead([{ file: 'n.txt', text }]);
const places = ({ cpus }: Host) => cpus.map(({ core, socket }) => [core, socket]);
const shown = async (host: Host) => renderHostMapText(snapshotOf(await embeddedHost(host), new Map()), { width: 100, color: false });

describe('counts of lscpu', () => {
  it('two threads of a core that Linux numbers apart', async () => {
    const host = pair(NUMACTL, LSCPU(2, 4, 1));
    expect(places(host)).toEqual([0, 1, 2, 3, 0, 1, 2, 3].map((core) => [core, 0]));
    expect(host.notes.join('\n')).toMatch(/from the counts of lscpu; the CPUs that share a core are inferred/);
    expect(await shown(host)).toContain('node 1   CPUs 2-3,6-7, 2 cores, 2 threads each, socket 0');
  });
  it('in the same text, at prompts', () =>
    expect(places(one(`# numactl -H\n${NUMACTL}# lscpu\n${LSCPU(2, 4, 1)}`))).toEqual(places(pair(NUMACTL, LSCPU(2, 4, 1)))));
  it('one thread a core, and a socket a node', () =>
    expect(places(pair(NUMACTL, LSCPU(1, 4, 2)))).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
      [2, 0],
      [3, 0],
      [2, 1],
      [3, 1],
    ]));
  it.each([
    ['of another machine', LSCPU(2, 8, 1)],
    ['more sockets than nodes', LSCPU(1, 2, 4)],
    ['threads that no node can hold', LSCPU(8, 1, 1)],
    ['none', LSCPU(2, 4, 1).replace(/Thread.*\n/, '')],
  ])('%s: not known, and not shown', async (_, lscpu) => {
    const host = pair(NUMACTL, lscpu);
    expect(places(host)).toEqual(new Array(8).fill([null, null]));
    expect(host.notes.join('\n')).toMatch(/Cores and sockets are not known; add `lscpu -p`/);
    const picture = await shown(host);
    expect(picture).toContain('node 0   CPUs 0-1,4-5, cores not known');
    expect(picture).not.toMatch(/socket|\d cores/);
  });
});

describe('counts of `xl info` without -n', () => {
  const info = xlInfo({ host: 'alpha', totalMib: 16_384, cpus: [], nodes: [], more: { cores_per_socket: 2, threads_per_core: 2 } })
    .replace(/nr_cpus.*/, 'nr_cpus                : 8\nmax_cpu_id             : 7')
    .replace(/nr_nodes.*/, 'nr_nodes               : 2')
    .replace(/cpu_topology[\s\S]*/, '');
  const dump = `(XEN) NODE0 start->0 size->2097152 free->262144
(XEN) NODE1 start->2097152 size->2097152 free->786432
(XEN) CPU0...3 -> NODE0
(XEN) CPU4...7 -> NODE1
`;
  const live = (text: string) => readCapture([{ file: 'p.txt', text }]).live;
  it('threads side by side, as Xen numbers them', () => {
    const { map, notes } = live(info + dump);
    expect(map.cpus.map((cpu) => [cpu?.core, cpu?.socket])).toEqual([0, 0, 1, 1, 0, 0, 1, 1].map((core, cpu) => [core, cpu < 4 ? 0 : 1]));
    expect(notes.join('\n')).toMatch(/from the counts of xl info; the CPUs that share a core are inferred/);
    expect(renderHostMapText(map, { width: 100, color: false })).toContain('CPUs 0-3, 2 cores, 2 threads each, socket 0');
  });
  it('without counts: not known', () => {
    const { map, notes } = live(info.replaceAll(/(?:cores|threads)_per.*\n/g, '') + dump);
    expect(notes.join('\n')).toMatch(/Cores and sockets are not known: `xl info -n` prints them/);
    expect(renderHostMapText(map, { width: 100, color: false })).toContain('CPUs 0-3, cores not known\n');
  });
});

describe('a listing of numactl', () => {
  it('that is cut before the free memory of its last node: none of it counts as free', () => {
    const host = one(NUMACTL.replace(/node 1 free[\s\S]*/, ''));
    expect(host.nodes.map(({ freeBytes }) => freeBytes / 2 ** 20)).toEqual([4000, 0]);
    expect(host.notes.join('\n')).toMatch(/The free memory of node 1 is not known, because the listing is cut off.*take it again/);
  });
  it('without any free memory: all of it counts as free', () =>
    expect(one(NUMACTL.replaceAll(/node . free.*\n/g, '')).nodes.map(({ freeBytes }) => freeBytes / 2 ** 20)).toEqual([8000, 8000]));
  it('says whose view it is', () => expect(one(NUMACTL).notes.join('\n')).toMatch(/In a dom0 that is Domain-0 alone, not the host/));
});
