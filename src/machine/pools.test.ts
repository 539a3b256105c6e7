import { describe, expect, it } from 'vitest';
import { coresOf, xlInfo } from '../../test/support/xl-info.js';
import { numaSplit } from './pools.js';
import { detectAndRead } from './readers/detect.js';
import { readPoolConfig } from './readers/xl/pool-config.js';
import { asXenSees } from './xen-sees.js';

const read = (...texts: string[]) => asXenSees(detectAndRead(texts.map((text, at) => ({ file: `in-${at}`, text }))));
const NODES = 'nodes: [{ memory: 4GiB, cpus: "0-3" }, { memory: 4GiB }, { memory: 4GiB, cpus: "4,6-8" }]';
const poolsOf = (text: string) => (read(`${NODES}\npools: ${text}`).pools ?? []).map(({ name, cpus }) => `${name} ${cpus.join()}`);

describe('pools of a host file', () => {
  it.each([
    ['[]', ['Pool-0 0,1,2,3,4,6,7,8']],
    ['[{ name: fast, cpus: "6-8" }]', ['Pool-0 0,1,2,3,4', 'fast 6,7,8']],
    ['[{ name: b, cpus: [6] }, { name: a, cpus: "0-1" }]', ['a 0,1', 'b 6']],
    ['[{ name: none, cpus: [] }]', ['Pool-0 0,1,2,3,4,6,7,8', 'none ']],
  ])('%s', (text, expected) => {
    expect(poolsOf(text)).toStrictEqual(expected);
  });

  it.each([
    ['[{ name: a, cpus: "5" }]', "pool 'a': the host has no CPU 5"],
    ['[{ name: a, cpus: "1" }, { name: b, cpus: "1-2" }]', "CPU 1 is in pools 'a' and 'b'"],
    ['[{ name: a, cpus: "1" }, { name: a, cpus: "2" }]', "pool 'a' is given twice"],
    ['[{ name: Pool-0, cpus: "1" }]', 'Pool-0 lacks CPU 0'],
    ['[{ name: a, cpus: "3-1" }]', 'expected CPUs such as'],
    ['[{ name: a, cpus: "1", sched: rtds }]', "got 'sched'"],
  ])('%s is refused', (text, message) => expect(() => poolsOf(text)).toThrow(message));
});

describe('pools beside xl info -n', () => {
  const info = xlInfo({
    totalMib: 8192,
    cpus: coresOf(2, 2),
    nodes: [
      [4096, 2048, '10,21'],
      [4096, 1024, '21,10'],
    ],
  });
  it('come from `xl cpupool-list -c`', () => {
    const list = 'Name               CPU list\nPool-0             0,1\nfast pool          2,3\n';
    expect(read(info, list).pools).toStrictEqual([
      { name: 'Pool-0', cpus: [0, 1] },
      { name: 'fast pool', cpus: [2, 3] },
    ]);
    expect(read(list, info).pools).toStrictEqual(read(info, list).pools);
  });
  it('are none where all CPUs are in Pool-0', () =>
    expect(read(info, 'Name               CPU list\nPool-0             0,1,2,3\n').pools).toBeUndefined());
});

it("numa-split makes a pool of each node that has CPUs, by Xen's number", () => {
  // Xen numbers nodes with CPUs first.
  expect(numaSplit(read(NODES))).toStrictEqual([
    { name: 'Pool-node0', cpus: [0, 1, 2, 3] },
    { name: 'Pool-node1', cpus: [4, 6, 7, 8] },
  ]);
});

describe('xlcpupool.cfg', () => {
  const host = read(NODES);
  const config = (text: string) => readPoolConfig({ file: '/etc/xen/side.cfg', text }, host);
  it.each([
    ['name = "a"\nsched = "credit2"\nnodes = ["1"]', { name: 'a', cpus: [4, 6, 7, 8], scheduler: 'credit2' }],
    ['nodes = ["0", "1"]', { name: 'side.cfg', cpus: [0, 1, 2, 3, 4, 6, 7, 8] }],
    ['name = "b"\ncpus = ["1", "3"]', { name: 'b', cpus: [1, 3] }],
    ['name = "c"\ncpus = "1-3,^2"', { name: 'c', cpus: [1, 3] }],
    // nodes wins; a node that is no list is ignored with a warning, as xl does.
    ['name = "d"\ncpus = "1"\nnodes = ["1"]', { name: 'd', cpus: [4, 6, 7, 8] }],
    ['name = "e"\ncpus = "1"\nnodes = "1"', { name: 'e', cpus: [1] }],
    ['name = "f"', { name: 'f', cpus: [] }],
  ])('%j', (text, expected) => expect(config(text)).toStrictEqual(expected));
  it.each([
    ['cpus = "5"', 'cpu 5 illegal or not free'],
    ['cpus = ["9"]', 'cpu 9 illegal or not free'],
    ['nodes = ["2"]', 'no free cpu found'],
    ['cpus = "1-"', "'1-' names no CPUs"],
    ['sched = "rtds"', "expected credit or credit2, got 'rtds'"],
    ['vcpus = 4', "got 'vcpus'"],
    ['name = side', 'xl takes no word without quotes'],
  ])('%j is refused', (text, message) => expect(() => config(text)).toThrow(message));
});
