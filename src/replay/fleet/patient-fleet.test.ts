// The fleet that puts starts and stops off, beside one that does each at once.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { GIB, MIB } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import { HostQueues } from './host-queues.js';
import { hostType } from './host-type.js';
import { type Flavour, LightFleet, type LightVm } from './light-fleet.js';
import { PatientFleet } from './patient-fleet.js';
import { replayPolicy } from './policies.js';

const HOSTS = 3;
const VMS = 400;
const host: Host = {
  name: 'four',
  source: 'test',
  nodes: [0, 1, 2, 3].map((id) => ({ id, memoryBytes: 6 * GIB, freeBytes: 6 * GIB })),
  cpus: Array.from({ length: 16 }, (_, id) => ({ id, node: id >> 2, core: id, socket: id >> 3 })),
  distances: [0, 1, 2, 3].map((a) => [0, 1, 2, 3].map((b) => (a === b ? 10 : 20))),
  notes: [],
};

describe('a fleet that puts off starts and stops, beside one that does not', () => {
  it.each(['xapi-25.6', 'xapi-25.39/prio_mem_only', 'xapi-26.1', 'xapi-26.3', 'any', 'xl', 'tight'])('%s', (name) => {
    const policy = replayPolicy(name);
    const random = new Random(5 + name.length);
    const sizes = Array.from({ length: VMS }, () => [random.pick([1, 2, 4, 8]), random.between(64, 7000) * MIB] as const);
    const prompt = new LightFleet(hostType(host), policy, HOSTS);
    const flavours = sizes.map(([vcpus, memoryBytes]) => prompt.flavour(vcpus, memoryBytes));
    const patient = new PatientFleet(hostType(host), policy, HOSTS, { vms: VMS, flavours: (vm) => flavours[vm]! });
    const running = new Map<number, LightVm>();
    const started = new Map<number, LightVm>();
    let failed = 0;
    for (let vm = 0; vm < VMS; vm++) {
      const at = random.below(HOSTS);
      const beside = prompt.start(at, flavours[vm]!);
      expect(patient.start(at, vm), `VM ${vm}`).toBe(beside !== null);
      if (beside === null) failed++;
      else {
        running.set(vm, beside);
        started.set(vm, beside);
      }
      if (running.size > 0 && random.chance(60)) {
        const leaver = random.pick([...running.keys()]);
        prompt.stop(running.get(leaver)!);
        patient.stop(running.get(leaver)!.host, leaver);
        running.delete(leaver);
      }
      if (!random.chance(3) && vm < VMS - 1) continue;
      patient.settle();
      for (const [known, { pages, allPages, affinity }] of started) expect(patient.vm(known)).toMatchObject({ pages, allPages, affinity });
      const free = (fleet: { freePages(host: number, node: number): number }) =>
        Array.from({ length: HOSTS * 4 }, (_, of) => fleet.freePages(of >> 2, of & 3));
      expect(free(patient), `after VM ${vm}`).toEqual(free(prompt));
    }
    // Hosts are full at times, and not always.
    expect(failed).toBeGreaterThan(VMS / 20);
    expect(failed).toBeLessThan(VMS / 2);
  });
});

describe('what a start takes', () => {
  it.each(['xapi-25.6', 'xapi-26.1', 'xapi-26.3', 'any', 'xl', 'tight'])(
    '%s: its pages, and it cannot fail with its safe pages',
    (name) => {
      const random = new Random(3);
      const one = { ...host, nodes: [{ id: 0, memoryBytes: 6 * GIB, freeBytes: 6 * GIB }], distances: [[10]], cpus: host.cpus.slice(0, 4) };
      const ofNode = (pages: number): Host => ({ ...one, nodes: [{ id: 0, memoryBytes: 6 * GIB, freeBytes: pages * 4096 }] });
      for (let round = 0; round < 40; round++) {
        const flavourOf = (fleet: LightFleet): Flavour => fleet.flavour(vcpus, memoryBytes);
        const [vcpus, memoryBytes] = [random.between(1, 32), random.between(2, 2000) * MIB];
        const { safePages, pages } = flavourOf(new LightFleet(hostType(one), replayPolicy(name), 1));
        const fleet = new LightFleet(hostType(ofNode(safePages)), replayPolicy(name), 1);
        expect(fleet.hostFree(0)).toBe(safePages);
        expect(fleet.start(0, flavourOf(fleet))).not.toBeNull();
        expect(fleet.hostFree(0)).toBe(safePages - pages);
        const tooSmall = new LightFleet(hostType(ofNode(pages - 1)), replayPolicy(name), 1);
        expect(tooSmall.start(0, flavourOf(tooSmall))).toBeNull();
      }
    },
  );
});

it('queues give each host its own items, oldest first, and once', () => {
  const queues = new HostQueues(3);
  const seen: string[] = [];
  const drain = (at: number) => queues.drain(at, (item) => seen.push(`${at}: ${item}`));
  for (let item = 0; item < 10_000; item++) queues.push(item % 2, item);
  expect(queues.size).toBe(10_000);
  expect([drain(2), drain(1)]).toEqual([0, 5000]);
  expect(seen.slice(0, 3)).toEqual(['1: 1', '1: 3', '1: 5']);
  queues.push(1, -7);
  seen.length = 0;
  queues.drainAll(drain);
  expect(seen.filter((line) => line.startsWith('1'))).toEqual(['1: -7']);
  expect(seen.filter((line) => line.startsWith('0'))).toEqual(Array.from({ length: 5000 }, (_, at) => `0: ${2 * at}`));
  expect([queues.size, drain(0), drain(1)]).toEqual([0, 0, 0]);
});
