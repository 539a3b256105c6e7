// The heap of a fleet beside a plain one: lists of blocks, the newest taken first, and buddies
// found by looking through them.
import { expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { MAX_ORDER } from '../../xen/heap/free-heap.js';
import { FleetHeap } from './fleet-heap.js';
import { Runs } from './frames.js';

const zoneOf = (mfn: number) => 32 - Math.clz32(mfn);

class PlainHeap {
  /** By zone and order: first frames, the newest last. */
  readonly #lists = new Map<string, number[]>();

  free(start: number, end: number): void {
    for (let from = start; from < end; ) {
      let order = Math.min(MAX_ORDER, 31 - Math.clz32(end - from), 31 - Math.clz32(from & -from));
      let mfn = from;
      from += 2 ** order;
      for (; order < MAX_ORDER; order++) {
        const buddy = mfn ^ (2 ** order);
        const list = this.#list(zoneOf(buddy), order);
        const at = list.indexOf(buddy);
        if (at < 0) break;
        list.splice(at, 1);
        mfn = Math.min(mfn, buddy);
      }
      this.#list(zoneOf(mfn), order).push(mfn);
    }
  }

  /** One extent. @returns its first frame, or null */
  take(order: number): number | null {
    for (let zone = 31; zone > 0; zone--) {
      for (let its = order; its <= MAX_ORDER; its++) {
        let mfn = this.#list(zone, its).pop();
        if (mfn === undefined) continue;
        // The lower half stays free each time.
        for (let half = its - 1; half >= order; half--) {
          this.#list(zoneOf(mfn), half).push(mfn);
          mfn += 2 ** half;
        }
        return mfn;
      }
    }
    return null;
  }

  #list(zone: number, order: number): number[] {
    const key = `${zone}/${order}`;
    const list = this.#lists.get(key) ?? [];
    this.#lists.set(key, list);
    return list;
  }
}

it('takes and frees the same frames as plain lists do, also when memory lies in many pieces', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = new Random(seed);
    const [start, end] = [random.between(1, 3000), random.between(9000, 30_000)];
    const heap = new FleetHeap({ nodes: [{ freeRanges: [[start, end]] }], dmaZone: 0 }, 2);
    const plain = new PlainHeap();
    plain.free(start, end);
    const held: { first: number; order: number }[] = [];
    let pages = end - start;
    const into = new Runs();
    for (let step = 0; step < 5000; step++) {
      // Mostly takes at first, then as many frees, of single pages above all.
      if (held.length > 0 && random.chance(step < 3000 ? 30 : 55)) {
        const at = random.below(held.length);
        const { first, order } = held[at]!;
        held[at] = held.at(-1)!;
        held.pop();
        plain.free(first, first + 2 ** order);
        heap.free(1, 0, Int32Array.of(first, 2 ** order), 0, 2);
        pages += 2 ** order;
      } else {
        const order = random.chance(85) ? 0 : random.below(7);
        into.clear();
        const got = heap.take(1, 0, order, 1, 1, into);
        const first = plain.take(order);
        const taken = got === 1 ? into.words[0]! : null;
        // A call of expect for each step would take longer than the steps.
        if (taken !== first) expect(taken, `seed ${seed} step ${step}`).toBe(first);
        if (first === null) continue;
        held.push({ first, order });
        pages -= 2 ** order;
      }
    }
    expect(heap.freePages[1]).toBe(pages);
    expect(heap.freePages[0]).toBe(end - start);
  }
});
