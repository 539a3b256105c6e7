// Evacuation with groups that are kept apart: the rules of xapi_ha_vm_failover.ml of xen-api.
import { describe, expect, it } from 'vitest';
import { keptApart, type LeavingVm, type Sized } from './anti-affinity.js';

const vm = (ref: string, bytes: number, group: string | null = 'A'): LeavingVm => ({ ref, bytes, group });
const host = (ref: string, bytes: number): Sized => ({ ref, bytes });

/** Puts each VM on the first host that holds it. */
function pack(vms: readonly Sized[], hosts: readonly Sized[]): Map<string, string> {
  const room = new Map(hosts.map(({ ref, bytes }) => [ref, bytes]));
  const moves = new Map<string, string>();
  for (const { ref, bytes } of vms) {
    const found = [...room].find(([, free]) => free >= bytes);
    if (found === undefined) continue;
    moves.set(ref, found[0]);
    room.set(found[0], found[1] - bytes);
  }
  return moves;
}

function planned(vms: readonly LeavingVm[], hosts: readonly Sized[], here: Readonly<Record<string, number>> = {}) {
  const plan = keptApart(vms, hosts, (group, on) => here[`${group} ${on}`] ?? 0, pack);
  return plan === null ? null : Object.fromEntries([...plan].sort());
}

describe('groups that are kept apart, when their host is emptied', () => {
  it('go to the host with the fewest of their VMs, of these to the one with the least memory that holds them', () => {
    const hosts = [host('x', 10), host('y', 4), host('z', 20)];
    expect(planned([vm('a', 3), vm('b', 2), vm('c', 5)], hosts)).toEqual({ b: 'y', a: 'x', c: 'z' });
    // y has one already, and is too small for the largest.
    expect(planned([vm('a', 3), vm('b', 2), vm('c', 5)], hosts, { 'A y': 1 })).toEqual({ b: 'x', a: 'z', c: 'x' });
  });

  it('of several groups do not count for each other, but take memory from each other', () => {
    const hosts = [host('x', 5), host('y', 6)];
    expect(planned([vm('a', 3), vm('b', 4, 'B')], hosts)).toEqual({ a: 'x', b: 'y' });
    expect(planned([vm('a', 3), vm('b', 2, 'B')], hosts)).toEqual({ b: 'x', a: 'x' });
  });

  it('are on two hosts at least where the others would have no room otherwise', () => {
    const hosts = [host('x', 4), host('y', 6), host('z', 10)];
    // Spread evenly one would be on z, and the large VM nowhere.
    expect(planned([vm('a', 1), vm('b', 2), vm('large', 10, null)], hosts, { 'A x': 1 })).toEqual({ a: 'y', b: 'x', large: 'z' });
  });

  it('have no plan where not even that leaves room, or where there are none', () => {
    expect(planned([vm('a', 5), vm('b', 6)], [host('x', 5), host('y', 5)])).toBeNull();
    expect(planned([vm('a', 5, null)], [host('x', 5), host('y', 5)])).toBeNull();
  });
});
