import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GuestFrames } from './guest-frames.js';

describe('frames of a guest', () => {
  test('memory cannot be promised where there is some', () => {
    const frames = new GuestFrames();
    frames.map(3, 1);
    expect(frames.promise(3, 1)).toBe('refused');
    expect(frames.promise(4, 4)).toBe('marked');
    expect(frames.promised).toBe(4);
  });

  test('an extent is promised in aligned parts, up to the first with memory in it', () => {
    const frames = new GuestFrames();
    frames.map(11, 1);
    // 6-7, 8-9, then 10-11, which frame 11 forbids as a whole.
    expect(frames.promise(6, 8)).toBe('refused');
    expect(frames.promised).toBe(4);
  });

  test('promised again counts once; memory takes the promise away', () => {
    const frames = new GuestFrames();
    frames.promise(0, 512);
    frames.promise(0, 1024);
    expect(frames.promised).toBe(1024);
    frames.map(100, 8);
    expect(frames.promised).toBe(1016);
  });

  test('the last frame of a p2m of four levels, and the first beyond', () => {
    const frames = new GuestFrames();
    expect(frames.promise(2 ** 36 - 1, 1)).toBe('marked');
    expect(frames.promise(2 ** 36, 1)).toBe('refused');
    expect(frames.map(2 ** 36, 1)).toBe(false);
    expect(frames.promised).toBe(1);
    expect(frames.map(2 ** 36 - 4, 8)).toBe(false);
    expect(frames.promised).toBe(0);
    expect(frames.promise(2 ** 36 - 4, 1)).toBe('refused');
    expect(frames.promise(2 ** 36 - 5, 1)).toBe('marked');
  });

  test('a promise beyond the last frame breaks the domain, unless the part is a single frame', () => {
    const frames = new GuestFrames();
    expect(frames.promise(2 ** 36 - 2, 4)).toBe('broken');
    expect(frames.promised).toBe(2);
    expect(frames.promise(2 ** 36 - 3, 4)).toBe('refused');
    expect(frames.promised).toBe(3);
    expect(frames.promise(2 ** 37, 512)).toBe('broken');
    expect(frames.promise(2 ** 36 - 5, 32)).toBe('refused');
  });

  test('as a frame by frame account says', () => {
    const change = fc.record({ start: fc.nat(200), pages: fc.nat(6).map((order) => 2 ** order), map: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const frames = new GuestFrames();
        const account = new Map<number, 'ram' | 'promised'>();
        for (const { start, pages, map } of changes) {
          if (map) {
            frames.map(start, pages);
            for (let frame = start; frame < start + pages; frame++) account.set(frame, 'ram');
          } else expect(frames.promise(start, pages)).toBe(promiseInAccount(account, start, start + pages) ? 'marked' : 'refused');
          expect(frames.promised).toBe([...account.values()].filter((kind) => kind === 'promised').length);
        }
      }),
      { seed: 41, numRuns: 300 },
    );
  });
});

function promiseInAccount(account: Map<number, 'ram' | 'promised'>, start: number, end: number): boolean {
  let size = 1;
  while (start % (2 * size) === 0 && start + 2 * size <= end) size *= 2;
  for (let from = start; from < end; from += size) {
    for (let frame = from; frame < from + size; frame++) if (account.get(frame) === 'ram') return false;
    for (let frame = from; frame < from + size; frame++) account.set(frame, 'promised');
  }
  return true;
}
