// What a plan for a host must say of the host's description.
import { expect, it } from 'vitest';
import { xlInfo } from '../../../test/support/xl-info.js';
import { cautions } from './cautions.js';
import { detectAndRead } from './detect.js';

const NUMACTL = 'available: 2 nodes (0-1)\nnode 0 cpus: 0 1\nnode 0 size: 4096 MB\nnode 1 cpus: 2 3\nnode 1 size: 4096 MB\n';
const read = (text: string) => detectAndRead([{ file: 'host.txt', text }]);

it('distances that are assumed, and that numactl may have run in a dom0', () => {
  expect(cautions(read(NUMACTL))).toEqual([
    expect.stringMatching(/^numactl describes the system that it ran in\./),
    expect.stringMatching(/^The source has no distances; 10 and 20 are assumed/),
  ]);
});

it('nothing of a whole listing', () => {
  const cpus = [0, 1, 2, 3].map((cpu) => [cpu % 2, cpu >> 1, cpu >> 1] as const);
  const host = read(
    xlInfo({
      nrCpus: 4,
      cpus,
      totalMib: 8192,
      nodes: [
        [4096, 4000, '10,21'],
        [4096, 4000, '21,10'],
      ],
    }),
  );
  expect(cautions(host)).toEqual([]);
});
