// Host rules over light maps, compared with replay's for the same arrivals.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { HostChooser } from '../../replay/choose/choosers.js';
import type { HostType } from '../../replay/fleet/host-type.js';
import { FleetChooser, partsOn, type RoomOfHost } from './chooser.js';
import { Shards } from './shards.js';

describe('local-fit', () => {
  it('chooses as replay does, for 2,000 arrivals and departures on equal hosts', () => {
    const [hosts, nodes, nodeMib, cores] = [40, 4, 1000, 8];
    const random = new Random(3);
    const free = Array.from({ length: hosts }, () => Array<number>(nodes).fill(nodeMib));
    const vcpus = Array.from({ length: hosts }, () => Array<number>(nodes).fill(0));
    const type = { nodes, cores: Array<number>(nodes).fill(cores), freeMib: nodes * nodeMib } as unknown as HostType;
    const figures = {
      freePages: (host: number, node: number) => free[host]![node]! * 256,
      vcpus: (host: number, node: number) => vcpus[host]![node]!,
    };
    const replay = new HostChooser('local-fit', type, hosts, figures, 1);
    const room = (host: number): RoomOfHost => ({ freeMib: free[host]!, vcpus: vcpus[host]!, cores: type.cores });
    const fleet = new FleetChooser('local-fit', new Map(free.map((_, host) => [`h${host}`, room(host)])));
    const running: { host: number; parts: readonly (readonly [number, number])[]; count: number; mib: number }[] = [];
    let placed = 0;
    const change = (vm: (typeof running)[number], sign: number) => {
      for (const [node, mib] of vm.parts) {
        free[vm.host]![node]! -= sign * mib;
        vcpus[vm.host]![node]! += (sign * vm.count * mib) / vm.mib;
      }
      replay.changed(vm.host, sign * vm.mib);
      fleet.changed(`h${vm.host}`, room(vm.host));
    };
    for (let step = 0; step < 2000; step++) {
      if (running.length > 0 && random.chance(35)) {
        change(running.splice(random.below(running.length), 1)[0]!, -1);
        continue;
      }
      const [count, mib] = [random.between(1, 8), random.between(20, 700)];
      const chosen = replay.choose(count, mib);
      const choice = fleet.choose(count, mib);
      expect(choice?.host ?? null, `step ${step}`).toBe(chosen < 0 ? null : `h${chosen}`);
      if (choice === null) continue;
      placed++;
      const vm = { host: chosen, parts: choice.parts, count, mib };
      running.push(vm);
      change(vm, 1);
    }
    expect(placed).toBeGreaterThan(500);
  });
});

describe('nodes of a VM', () => {
  it('one node where one holds it: the fullest, or with spread the emptiest', () => {
    expect(partsOn([100, 40, 60], 40, false)).toEqual([[1, 40]]);
    expect(partsOn([100, 40, 60], 40, true)).toEqual([[0, 40]]);
  });

  it('as few nodes as hold it, filled evenly', () => {
    expect(partsOn([100, 100, 100, 100], 150, false)).toEqual([
      [0, 75],
      [1, 75],
    ]);
    expect(partsOn([100, 30, 10], 125, false)).toEqual([
      [0, 95],
      [1, 30],
    ]);
  });
});

it('pack fills a host before the next, spread takes the emptiest; both only what is allowed', () => {
  const room = (mib: number): RoomOfHost => ({ freeMib: [mib], vcpus: [0], cores: [4] });
  const hosts = new Map([
    ['a', room(50)],
    ['b', room(90)],
    ['c', room(70)],
  ]);
  expect(new FleetChooser('pack', hosts).choose(1, 60)?.host).toBe('c');
  expect(new FleetChooser('spread', hosts).choose(1, 60)?.host).toBe('b');
  expect(new FleetChooser('pack', hosts).choose(1, 60, (host) => host !== 'c')?.host).toBe('b');
  expect(new FleetChooser('pack', hosts).choose(1, 91)).toBeNull();
  expect(new FleetChooser('spread', new Map()).choose(1, 1)).toBeNull();
});

it('each host is of one live placer, and a placer that goes leaves its hosts to the others', () => {
  const names = ['p.a', 'p.b', 'p.c'];
  const shards = names.map((name) => new Shards(name));
  const hosts = Array.from({ length: 300 }, (_, at) => `h${at}`);
  for (const one of shards) for (const name of names) one.heard(name, 0);
  const before = hosts.map((host) => shards.map((one) => one.mine(host)));
  for (const owners of before) expect(owners.filter(Boolean)).toHaveLength(1);
  for (const one of shards.slice(0, 2)) {
    for (const name of names.slice(0, 2)) one.heard(name, 50_000);
    one.expire(50_000);
  }
  for (const [at, host] of hosts.entries()) {
    const now = shards.slice(0, 2).map((one) => one.mine(host));
    expect(now.filter(Boolean)).toHaveLength(1);
    if (!before[at]![2]) expect(now).toEqual(before[at]!.slice(0, 2));
  }
});

it('a placer with any number of processes keeps no host from another placer', () => {
  const hosts = Array.from({ length: 300 }, (_, at) => `h${at}`);
  const own = new Shards('p.own');
  const mine = () => hosts.filter((host) => own.mine(host)).length;
  own.heard('p.own', 0);
  for (let at = 0; at < 5000; at++) own.heard(`greedy.${at}`, 0);
  // One of 65 that count, not of 5,001.
  expect(mine()).toBeGreaterThan(0);
  own.expire(60_000);
  own.heard('other.1', 60_000);
  expect(mine()).toBeGreaterThan(100);
  expect(mine()).toBeLessThan(200);
});
