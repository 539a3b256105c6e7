// Kinds of input that caused trouble in public reports, as inputs of our own, and the reports
// themselves if their folder exists.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { type ListedHost, xlInfo } from '../../../test/support/xl-info.js';
import { InputError } from '../../base/errors.js';
import { MIB } from '../../base/units.js';
import { hostSummary } from '../xen-sees.js';
import { detectAndRead } from './detect.js';
import { detectAndReadVms } from './detect-vms.js';

const read = (...texts: string[]) => detectAndRead(texts.map((text, index) => ({ file: `f${index}`, text })));
/** Two nodes of two cores with two threads each: 0 and 1 share a core, 2 and 3, and so on. */
const SMT = Array.from({ length: 8 }, (_, cpu) => [Math.floor(cpu / 2) % 2, Math.floor(cpu / 4), Math.floor(cpu / 4)] as const);
const TWO = [
  [4096, 1000, '10,21'],
  [4096, 1000, '21,10'],
] as const;

describe('parked CPUs', () => {
  it('counts one thread of each core as online if the counts fit, and notes that it is a guess', () => {
    const host = read(xlInfo({ nrCpus: 4, totalMib: 8192, cpus: SMT, nodes: TWO }));
    expect(host.cpus.map(({ id }) => id)).toStrictEqual([0, 2, 4, 6]);
    expect(host.notes.join(' ')).toMatch(/4 CPUs online of 8.*CPUs 1,3,5,7.*a guess/);
    // Xen reports the node of a parked CPU, too.
    expect(host.offlineCpus?.map(({ id, node }) => [id, node])).toStrictEqual([
      [1, 0],
      [3, 0],
      [5, 1],
      [7, 1],
    ]);
  });

  it('takes the lowest numbers otherwise, as with maxcpus=', () => {
    const host = read(xlInfo({ nrCpus: 6, totalMib: 8192, cpus: SMT, nodes: TWO }));
    expect(host.cpus.map(({ id }) => id)).toStrictEqual([0, 1, 2, 3, 4, 5]);
    expect(host.notes.join(' ')).toContain('a guess');
  });

  it('takes no thread of each core where vCPUs were seen on two of one: CPU 0 is always online', () => {
    const info = xlInfo({ nrCpus: 4, totalMib: 8192, cpus: SMT, nodes: TWO });
    const seenOn = (cpu: number) => `Name ID VCPU CPU State Time(s) Affinity (Hard / Soft)\nDomain-0 0 0 ${cpu} r-- 4.0 all / all\n`;
    const online = (cpu: number) => read(info, seenOn(cpu)).cpus.map(({ id }) => id);
    // CPU 1 shares its core with CPU 0.
    expect(online(1)).toStrictEqual([0, 1, 2, 3]);
    expect(online(3)).toStrictEqual([0, 3, 4, 6]);
    expect(online(7)).toStrictEqual([0, 2, 4, 7]);
  });

  it("believes debug key 'u', which lists online CPUs only", () => {
    const dump = '(XEN) CPU0...2 -> NODE0\n(XEN) CPU4...6 -> NODE1\n';
    const host = read(xlInfo({ nrCpus: 6, totalMib: 8192, cpus: SMT, nodes: TWO }), dump);
    expect(host.cpus.map(({ id }) => id)).toStrictEqual([0, 1, 2, 4, 5, 6]);
    expect(host.notes.join(' ')).not.toContain('a guess');
  });

  it.each([
    ['xl cpupool-list -c', 'Name               CPU list\nPool-0             0,1,2,3\nfast   4,5\n'],
    [
      'xl vcpu-list',
      [
        'Name  ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)',
        ...[0, 1, 2, 3, 4, 5].map((cpu) => `Domain-0  0 ${cpu} ${cpu} -b- 3.1 all / all`),
      ].join('\n'),
    ],
  ])('believes %s', (_, table) => {
    const host = read(xlInfo({ nrCpus: 6, totalMib: 8192, cpus: SMT, nodes: TWO }), table);
    expect(host.cpus.map(({ id }) => id)).toStrictEqual([0, 1, 2, 3, 4, 5]);
    expect(host.notes.join(' ')).not.toContain('a guess');
  });

  it('takes the thread on which a vCPU was seen', () => {
    const table = 'Name ID VCPU CPU State Time(s) Affinity\nDomain-0  0 0 3 -b- 3.1 all / all\nDomain-0  0 1 6 -b- 3.1 all / all\n';
    const host = read(xlInfo({ nrCpus: 4, totalMib: 8192, cpus: SMT, nodes: TWO }), table);
    expect(host.cpus.map(({ id }) => id)).toStrictEqual([0, 3, 4, 6]);
  });

  it('still refuses a table that is cut', () => {
    expect(() => read(xlInfo({ nrCpus: 9, totalMib: 8192, cpus: SMT, nodes: TWO }))).toThrow(InputError);
  });
});

describe('memsize spans holes', () => {
  const total = (nodes: ListedHost['nodes'], totalMib: number) => {
    const host = read(xlInfo({ nrCpus: 8, totalMib, cpus: SMT, nodes }));
    return host.nodes.map(({ memoryBytes }) => memoryBytes / MIB);
  };
  it('subtracts a hole of the size of a device hole from node 0', () => {
    expect(
      total(
        [
          [6144, 1000, '10,21'],
          [8192, 1000, '21,10'],
        ],
        12_288,
      ),
    ).toStrictEqual([4096, 8192]);
  });
  it('subtracts a larger one from the node that spans the most', () => {
    expect(
      total(
        [
          [65_536, 1000, '10,21'],
          [1_114_112, 1000, '21,10'],
        ],
        131_072,
      ),
    ).toStrictEqual([65_536, 65_536]);
  });
  it('never leaves less than the free memory', () => {
    expect(
      total(
        [
          [8192, 8000, '10,21'],
          [8192, 1000, '21,10'],
        ],
        14_000,
      ),
    ).toStrictEqual([8000, 6000]);
  });
});

test('a host without NUMA has the distance 20 to itself', () => {
  const host = read(
    xlInfo({
      nrCpus: 2,
      totalMib: 2048,
      cpus: [
        [0, 0, 0],
        [1, 0, 0],
      ],
      nodes: [[2048, 1000, '20']],
    }),
  );
  expect(host.distances).toStrictEqual([[10]]);
});

describe('numactl', () => {
  const listing = (second: string) => `available: 2 nodes (0-1)\nnode 0 cpus: 0-3 (4)\nnode 0 size: 800 MB\nnode 0 free: 400 MB\n${second}`;
  it('reads compressed CPUs', () => {
    const host = read(listing('node 1 cpus: 4-5,8 (3)\nnode 1 size: 800 MB\nnode 1 free: 100 MB\n'));
    expect(host.cpus.map(({ id, node }) => [id, node])).toStrictEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 1],
      [5, 1],
      [8, 1],
    ]);
  });
  it('says that the memory of a node is not known', () => {
    const host = read(listing('node 1 cpus:\nnode 1 size: <not available>\nnode 1 free: <not available>\n'));
    expect(host.nodes[1]).toMatchObject({ memoryBytes: 0, freeBytes: 0 });
    expect(host.notes.join(' ')).toContain('The memory of node 1 is not known');
    expect(hostSummary(host).join('\n')).toContain('none (no memory either)');
  });
});

describe('our own form', () => {
  const host = read(xlInfo({ nrCpus: 8, totalMib: 8192, cpus: SMT, nodes: TWO }));
  const vms = (text: string) => () => detectAndReadVms([{ file: 'v.yaml', text }], host);
  it.each(['4096', '"4096"'])('requires the unit of memory: %s', (size) => {
    expect(vms(`vms:\n  - {name: a, vcpus: 1, memory: ${size}}`)).toThrow(/a size with its unit/);
  });
  it('names the field that a mistyped one resembles', () => {
    expect(vms('vms:\n  - {name: a, vcpu: 2, memory: 1GiB}')).toThrow(/got 'vcpu'; did you mean 'vcpus'\?/);
    expect(vms('vms:\n  - {name: a, vcpus: 2, memroy: 1GiB}')).toThrow(/did you mean 'memory'\?/);
  });
});

const folder = new URL('../../../../shared/reports/', import.meta.url);
describe.skipIf(!existsSync(folder))('../shared/reports (not everywhere)', () => {
  const report = (file: string) => ({ file, text: readFileSync(new URL(file, folder), 'utf8') });
  it.each([
    ['parked-smt-off.xl-info.txt', [4]],
    ['parked-two-nodes.xl-info.txt', [4, 4]],
    ['no-numa.xl-info.txt', [2]],
    ['compressed.numactl.txt', [16, 16]],
    ['size-not-available.numactl.txt', [4, 0]],
  ])('%s: online CPUs of each node', (file, counts) => {
    const { cpus, nodes } = detectAndRead([report(file)]);
    expect(nodes.map((_, node) => cpus.filter((cpu) => cpu.node === node).length)).toStrictEqual(counts);
  });
  it('spanned-hole.xl-info.txt: total_memory in all', () => {
    const { nodes } = detectAndRead([report('spanned-hole.xl-info.txt')]);
    expect(nodes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)).toBe(131_000 * MIB);
  });
});
