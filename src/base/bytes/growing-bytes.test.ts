import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GrowingBytes } from './growing-bytes.js';

it('holds the pieces in their order, whatever leaves between them', () => {
  const step = fc.record({ piece: fc.uint8Array({ maxLength: 3000 }), drop: fc.nat(3000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const bytes = new GrowingBytes(8000);
      let model = Buffer.alloc(0);
      for (const { piece, drop } of steps) {
        const fits = model.length + piece.length <= 8000;
        expect(bytes.add(piece)).toBe(fits);
        if (fits) model = Buffer.concat([model, piece]);
        expect(bytes.view().equals(model)).toBe(true);
        bytes.drop(drop);
        model = model.subarray(Math.min(drop, model.length));
        expect(bytes.length).toBe(model.length);
        expect(bytes.capacity).toBeLessThanOrEqual(8000);
      }
    }),
  );
});

it('says before how large its buffer will be', () => {
  const bytes = new GrowingBytes(4096);
  for (let piece = 0; piece < 4096; piece++) {
    const capacity = bytes.capacityFor(1);
    bytes.add(Buffer.from('a'));
    expect(bytes.capacity).toBe(capacity);
  }
  expect(bytes.capacityFor(1)).toBeGreaterThan(4096);
});
