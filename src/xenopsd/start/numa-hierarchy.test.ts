// Cores of a node that spans two sockets, which number their cores alike.
import { expect, it } from 'vitest';
import { GIB } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { machineHost, plannerHost } from './numa-hierarchy.js';

const HOST: Host = {
  name: 'two sockets on each node',
  source: 'test',
  nodes: [0, 1].map((id) => ({ id, memoryBytes: 4 * GIB, freeBytes: 4 * GIB })),
  // Two sockets a node, two cores of two threads each.
  cpus: Array.from({ length: 16 }, (_, id) => ({ id, node: id >> 3, socket: id >> 2, core: (id >> 1) & 1 })),
  distances: [
    [10, 20],
    [20, 10],
  ],
  notes: [],
};

it("xenopsd's planner takes cores of one number for one core, the machine has one in each socket", async () => {
  const { xc } = await embeddedHost(HOST);
  expect(plannerHost(xc).nodeCores).toEqual([2, 2]);
  expect(machineHost(xc).nodeCores).toEqual([4, 4]);
  expect(machineHost(xc)).toEqual({ ...plannerHost(xc), nodeCores: [4, 4] });
});

it("CPUs that are offline keep their node for xenopsd's planner, up to the last that is online", async () => {
  const parked = (id: number) => id % 2 === 1;
  const offlineCpus = HOST.cpus.filter(({ id }) => parked(id));
  const { xc } = await embeddedHost({ ...HOST, cpus: HOST.cpus.filter(({ id }) => !parked(id)), offlineCpus });
  expect(xc.physInfo().onlineCpus).toBe(8);
  expect(xc.cpupoolList()[0]!.cpus).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
  expect(plannerHost(xc).cpuToNode).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
  // Plans of our own leave them out.
  const NONE = 0xffffffff;
  expect(machineHost(xc).cpuToNode).toEqual([0, NONE, 0, NONE, 0, NONE, 0, NONE, 1, NONE, 1, NONE, 1, NONE, 1]);
  xc.cpuOnline(1);
  expect(xc.cpupoolList()[0]!.cpus).toEqual([0, 1, 2, 4, 6, 8, 10, 12, 14]);
});
