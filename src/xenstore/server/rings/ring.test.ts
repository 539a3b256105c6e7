// Both sides of a ring, and what a hostile other side can do to its indices.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../../base/units.js';
import { BrokenRing, Ring } from './ring.js';

const RING = 1024;

/** The domain's side, written anew from the header's words. */
class Guest {
  readonly page = new ArrayBuffer(PAGE_BYTES);
  readonly words = new Uint32Array(this.page);
  readonly bytes = new Uint8Array(this.page);

  start(requests: number, replies: number): void {
    this.words.fill(requests, 512, 514);
    this.words.fill(replies, 514, 516);
  }

  write(data: Uint8Array): void {
    for (const byte of data) this.bytes[this.words[513]!++ % RING] = byte;
  }

  read(): number[] {
    const read: number[] = [];
    while (this.words[514] !== this.words[515]) read.push(this.bytes[RING + (this.words[514]!++ % RING)]!);
    return read;
  }
}

describe('a ring', () => {
  it('carries bytes both ways, wherever its indices stand', () => {
    const chunk = fc.uint8Array({ maxLength: 700 });
    const index = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(index, index, fc.array(fc.tuple(chunk, chunk), { maxLength: 8 }), (requests, replies, steps) => {
        const guest = new Guest();
        guest.start(requests, replies);
        const ring = new Ring(guest.page);
        const taken = new Uint8Array(RING);
        for (const [ask, answer] of steps) {
          guest.write(ask);
          expect(ring.take(taken)).toBe(ask.length);
          expect([...taken.subarray(0, ask.length)]).toEqual([...ask]);
          expect(ring.put(answer)).toBe(answer.length);
          expect(guest.read()).toEqual([...answer]);
        }
      }),
      { seed: 516, numRuns: 200 },
    );
  });

  it('writes what fits, and the rest when the domain has read', () => {
    const guest = new Guest();
    const ring = new Ring(guest.page);
    const answer = Uint8Array.from({ length: 1500 }, (_, at) => at & 0xff);
    expect(ring.put(answer)).toBe(RING);
    expect(ring.put(answer.subarray(RING))).toBe(0);
    const read = guest.read();
    expect(ring.put(answer.subarray(RING))).toBe(476);
    expect([...read, ...guest.read()]).toEqual([...answer]);
  });

  it.each([RING + 1, 2 ** 31, 2 ** 32 - 1])('is broken when its indices are %d bytes apart, and nothing is written', (apart) => {
    const guest = new Guest();
    const ring = new Ring(guest.page);
    guest.words[513] = apart;
    expect(() => ring.take(new Uint8Array(RING))).toThrow(BrokenRing);
    guest.words[514] = -apart;
    const before = guest.bytes.slice();
    expect(() => ring.put(new Uint8Array(10))).toThrow(BrokenRing);
    expect(guest.bytes).toEqual(before);
  });

  it('says that it is connected', () => {
    const guest = new Guest();
    guest.words[517] = 1;
    new Ring(guest.page);
    expect(guest.words[517]).toBe(0);
  });
});
