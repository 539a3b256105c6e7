// Virtual NUMA in bytes on a real Xen: its contract, and random inputs to which the embedded Xen
// answers the same. XENNUMA_SEED=N tries others.
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { Random } from '../../src/base/random.js';
import { openLibxencall } from '../../src/xenctrl/doors/libxencall-door.js';
import { bootedXen } from '../support/booted-xen.js';
import { randomVnuma, type VnumaCase, type VnumaGuest, vnumaContract, withVnumaGuest } from '../support/vnuma-contract.js';

const CASES = 300;
/** The emulated machine's serial line is slow. */
const PRINTED_EVERY = 20;
const door = await openLibxencall();

vnumaContract('libxencall', () => door);

test(`${CASES} random inputs have the same answer here and on the embedded Xen, and are kept alike`, () => {
  const random = new Random(Number(process.env.XENNUMA_SEED ?? 1));
  const counts = { vnodes: 33, vcpus: 4, ranges: 171 };
  const answers = ({ set, xen, domid, printed }: VnumaGuest, one: VnumaCase, shows: boolean) => ({
    set: set(one),
    get: xen.getVnuma(domid, counts),
    printed: shows ? printed() : [],
  });
  const seen = new Set<number>();
  withVnumaGuest(door, (real) =>
    withVnumaGuest(bootedXen(4, 2).door, (embedded) => {
      for (let index = 0; index < CASES; index++) {
        const one = randomVnuma(random);
        const shows = index % PRINTED_EVERY === 0;
        const [expected, answer] = [answers(real, one, shows), answers(embedded, one, shows)];
        // The input is written out for a difference alone: that takes longer than the calls.
        if (!isDeepStrictEqual(answer, expected)) expect({ index, one, ...answer }).toEqual({ index, one, ...expected });
        seen.add(expected.set);
      }
    }),
  );
  // Taken, E2BIG, EFAULT and EINVAL.
  expect([...seen].sort((a, b) => b - a)).toEqual([0, -7, -14, -22]);
});
