// The bound of packing: never below what any packing reaches, and how near it comes to the best.
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { Random } from '../../base/random.js';
import { type Packing, packingBound } from './packing-bound.js';

const boundOf = (packing: Packing) => packingBound(packing).value;

/** The best packing, by trying every node for every VM. */
function bruteForce({ capacity, vms }: Packing): number {
  const free = [...capacity];
  const visit = (at: number): number => {
    const vm = vms[at];
    if (vm === undefined) return 0;
    let best = visit(at + 1);
    for (let node = 0; node < free.length; node++) {
      if (free[node]! < vm.size || !(vm.nodes?.includes(node) ?? true)) continue;
      free[node] = free[node]! - vm.size;
      best = Math.max(best, vm.value + visit(at + 1));
      free[node] = free[node]! + vm.size;
    }
    return best;
  };
  return visit(0);
}

/** The prices together, and for each node the most that any of the contents is worth above them. */
function provedBy({ capacity, vms }: Packing, prices: readonly number[]): bigint {
  expect(prices.every((price) => Number.isSafeInteger(price) && price >= 0)).toBe(true);
  const gainOf = (node: number): bigint => {
    let best = 0n;
    for (let content = 0; content < 2 ** vms.length; content++) {
      const members = vms.flatMap((vm, at) => ((content >> at) & 1 ? [{ ...vm, gain: BigInt(vm.value - prices[at]!) }] : []));
      const fits = members.reduce((sum, { size }) => sum + size, 0) <= capacity[node]!;
      if (!fits || members.some(({ nodes }) => !(nodes?.includes(node) ?? true))) continue;
      const gain = members.reduce((sum, one) => sum + one.gain, 0n);
      if (gain > best) best = gain;
    }
    return best;
  };
  return prices.reduce((sum, price) => sum + BigInt(price), 0n) + capacity.reduce((sum, _, node) => sum + gainOf(node), 0n);
}

/** Some packing: each VM, in a random order, on a random node that has room. */
function anyPacking({ capacity, vms }: Packing, random: Random): number {
  const free = [...capacity];
  let value = 0;
  for (const vm of random.shuffled(vms)) {
    const fits = free.flatMap((room, node) => (room >= vm.size && (vm.nodes?.includes(node) ?? true) ? [node] : []));
    if (fits.length === 0) continue;
    const node = random.pick(fits);
    free[node] = free[node]! - vm.size;
    value += vm.value;
  }
  return value;
}

function randomPacking(random: Random, nodes: number, vms: number, sizes: readonly number[]): Packing {
  const most = Math.max(...sizes);
  const byCount = random.chance(50);
  return {
    capacity: Array.from({ length: nodes }, () => random.between(0, 3 * most)),
    vms: Array.from({ length: vms }, () => {
      const size = random.pick(sizes);
      return {
        size,
        value: byCount ? 2 ** 20 : size,
        ...(random.chance(20) ? { nodes: Array.from({ length: nodes }, (_, node) => node).filter(() => random.chance(50)) } : {}),
      };
    }),
  };
}

describe('the bound of packing', { timeout: 60_000 }, () => {
  it('is never below the best packing of small hosts, and mostly equal to it', () => {
    let [equal, gap] = [0, 0];
    const rounds = 600;
    for (let seed = 1; seed <= rounds; seed++) {
      const random = new Random(seed);
      const sizes = random.pick([
        [1, 2, 3, 5],
        [4, 8, 16],
        [7, 11, 13],
        [3, 1000, 2501],
      ]);
      const packing = randomPacking(random, random.between(1, 3), random.between(1, 6), sizes);
      const best = bruteForce(packing);
      const { value: bound, prices } = packingBound(packing);
      // Weak duality by hand: what the prices prove, in whole numbers of any size.
      expect({ seed, isProved: provedBy(packing, prices) <= BigInt(bound) }).toEqual({ seed, isProved: true });
      expect(Number.isSafeInteger(bound)).toBe(true);
      expect({ seed, isBound: bound >= best }).toEqual({ seed, isBound: true });
      // Values of a count are 2^20 each: a fraction of a VM is none.
      const isCount = packing.vms.every(({ value }) => value === 2 ** 20);
      const whole = isCount ? Math.floor(bound / 2 ** 20) * 2 ** 20 : bound;
      if (whole === best) equal++;
      else gap += (whole - best) / Math.max(1, best);
    }
    expect(equal).toBeGreaterThan(rounds * 0.85);
    expect(gap / rounds).toBeLessThan(0.05);
  });

  it('is never below any packing of large hosts, with sizes that are rounded and sizes that are not', () => {
    for (let seed = 1; seed <= cases(40, 150); seed++) {
      const random = new Random(seed);
      const page = random.pick([1, 262_144]);
      const odd = random.chance(50) ? random.below(5000) : 0;
      const sizes = [1, 2, 4, 8, 16].map((size) => size * page * 16 + odd);
      const packing = randomPacking(random, random.between(2, 32), random.between(10, 120), sizes);
      const bound = boundOf(packing);
      for (let tries = 0; tries < 20; tries++) expect(anyPacking(packing, random)).toBeLessThanOrEqual(bound);
    }
  });

  it('sees that VMs of 5 do not fill nodes of 8, which the sum of the memory does not see', () => {
    const vms = Array.from({ length: 6 }, () => ({ size: 5, value: 1 }));
    expect(boundOf({ capacity: [8, 8, 8, 8], vms })).toBe(4);
  });

  it('respects where a VM may be', () => {
    const vms = [0, 1, 2].map(() => ({ size: 4, value: 1, nodes: [0] }));
    expect(boundOf({ capacity: [8, 8], vms })).toBe(2);
    expect(boundOf({ capacity: [8, 8], vms: [{ size: 4, value: 1, nodes: [] }] })).toBe(0);
  });

  it('answers for nothing to pack, for nowhere to pack it, and for more than fits', () => {
    expect(boundOf({ capacity: [8], vms: [] })).toBe(0);
    expect(boundOf({ capacity: [], vms: [{ size: 1, value: 1 }] })).toBe(0);
    expect(boundOf({ capacity: [8, 3], vms: [{ size: 9, value: 5 }] })).toBe(0);
    expect(boundOf({ capacity: [8, 3], vms: [{ size: 3, value: 5 }] })).toBe(5);
  });

  it('comes within 0.5 % of a packing on 64 nodes, and within a fleet of 1,360', () => {
    // Shapes of a public trace: sizes in quarters of a GiB, and how often each occurs.
    const flavours = [
      [3, 41],
      [7, 1564],
      [14, 480],
      [28, 257],
      [56, 234],
      [224, 14],
    ] as const;
    for (const nodes of [64, 1360]) {
      const random = new Random(nodes);
      const capacity = Array.from({ length: nodes }, () => random.between(270, 384));
      const vms: { size: number; value: number }[] = [];
      for (let used = 0; used < 0.99 * capacity.reduce((sum, one) => sum + one, 0); ) {
        const size = random.weighted(flavours);
        vms.push({ size, value: size });
        used += size;
      }
      // First fit, the largest first.
      const free = [...capacity];
      let packed = 0;
      for (const { size } of [...vms].sort((a, b) => b.size - a.size)) {
        const node = free.findIndex((room) => room >= size);
        if (node < 0) continue;
        free[node] = free[node]! - size;
        packed += size;
      }
      const bound = boundOf({ capacity, vms });
      expect(bound).toBeGreaterThanOrEqual(packed);
      expect(bound / packed).toBeLessThan(1.005);
    }
  });
});
