// Warnings of a list of masks: each from both sides.
import { expect, it } from 'vitest';
import { listWarnings } from './warnings.js';

it('CPUs past the host are named once, ascending, of the vCPUs that there are', () => {
  expect(
    listWarnings(
      [
        [9, 0],
        [-1, 9],
      ],
      2,
      8,
    ),
  ).toContainEqual({ code: 'cpus-beyond-host', values: { cpus: [-1, 9], pcpus: 8 } });
  expect(listWarnings([[0], [9]], 1, 8).map(({ code }) => code)).toEqual(['masks-surplus']);
  expect(listWarnings([[7]], 1, 8)).toEqual([]);
});

it('more masks than vCPUs, and fewer but more than one', () => {
  const masks = (count: number) => Array.from({ length: count }, () => [0]);
  expect(listWarnings(masks(3), 2, 8)).toEqual([{ code: 'masks-surplus', values: { given: 3, vcpus: 2 } }]);
  expect(listWarnings(masks(2), 2, 8)).toEqual([]);
  expect(listWarnings(masks(2), 3, 8)).toEqual([{ code: 'first-mask-reused', values: { given: 2, vcpus: 3 } }]);
  // One mask is for all.
  expect(listWarnings(masks(1), 3, 8)).toEqual([]);
});

it('vCPUs that are left without a CPU', () => {
  expect(listWarnings([[0], [9]], 2, 8)).toContainEqual({ code: 'empty-mask', values: { vcpus: [1] } });
  expect(listWarnings([[0], [9, 1]], 2, 8).map(({ code }) => code)).toEqual(['cpus-beyond-host']);
});
