// Batches over light maps: never worse than in the order of their files, and better where a large
// VM would find its node taken.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { FLEET_RULES, FleetChooser, type FleetRule, type RoomOfHost } from './chooser.js';
import { roomAfter, type StormVm, stormOrder } from './storm.js';

const host = (...freeMib: number[]): RoomOfHost => ({ freeMib, vcpus: freeMib.map(() => 0), cores: freeMib.map(() => 8) });

/** Places one after the other. @returns how many have a host, and how many of them one node */
function place(
  vms: readonly StormVm[],
  order: readonly number[],
  rule: FleetRule,
  hosts: ReadonlyMap<string, RoomOfHost>,
): [number, number] {
  const rooms = new Map(hosts);
  const parts: number[] = [];
  for (const at of order) {
    const choice = new FleetChooser(rule, rooms).choose(vms[at]!.vcpus, vms[at]!.mib);
    if (choice === null) continue;
    rooms.set(choice.host, roomAfter(rooms.get(choice.host)!, choice.parts, vms[at]!.vcpus));
    parts.push(choice.parts.length);
  }
  return [parts.length, parts.filter((count) => count === 1).length];
}

describe('the order of a batch', () => {
  it('starts a large VM before the small ones that would take its node', () => {
    const hosts = new Map([['a', host(100, 100)]]);
    const vms = [50, 50, 100].map((mib) => ({ vcpus: 1, mib }));
    const order = stormOrder(vms, 'spread', hosts);
    expect(order).toEqual([2, 0, 1]);
    expect(place(vms, [0, 1, 2], 'spread', hosts)).toEqual([3, 2]);
    expect(place(vms, order, 'spread', hosts)).toEqual([3, 3]);
  });

  it('stays as in the files where nothing is gained', () => {
    const vms = [10, 20, 30].map((mib) => ({ vcpus: 1, mib }));
    expect(stormOrder(vms, 'local-fit', new Map([['a', host(100, 100)]]))).toEqual([0, 1, 2]);
    expect(stormOrder(vms, 'local-fit', new Map())).toEqual([0, 1, 2]);
  });

  it('counts hosts that VMs of a group keep from each other', () => {
    const hosts = new Map([
      ['a', host(50)],
      ['b', host(100)],
    ]);
    const vms = [40, 90].map((mib) => ({ vcpus: 1, mib, apart: 'web' }));
    expect(stormOrder(vms, 'spread', hosts)).toEqual([1, 0]);
    expect(stormOrder(vms, 'pack', hosts)).toEqual([0, 1]);
  });

  it('is never worse than the order of the files, and better in some of 300 random batches', () => {
    const random = new Random(18);
    let better = 0;
    for (let batch = 0; batch < 300; batch++) {
      const rule = FLEET_RULES[batch % FLEET_RULES.length]!;
      const nodes = random.between(1, 4);
      const hosts = new Map(
        Array.from({ length: random.between(1, 5) }, (_, at) => [
          `h${at}`,
          host(...Array.from({ length: nodes }, () => random.between(50, 200))),
        ]),
      );
      const vms = Array.from({ length: random.between(1, 20) }, () => ({ vcpus: random.between(1, 4), mib: random.between(5, 150) }));
      const order = stormOrder(vms, rule, hosts);
      expect([...order].sort((a, b) => a - b)).toEqual([...vms.keys()]);
      const given = place(vms, [...vms.keys()], rule, hosts);
      const planned = place(vms, order, rule, hosts);
      const gain = planned[0] - given[0] || planned[1] - given[1];
      expect(gain, `batch ${batch}, ${rule}`).toBeGreaterThanOrEqual(0);
      if (gain > 0) better++;
    }
    expect(better).toBeGreaterThan(30);
  });
});
