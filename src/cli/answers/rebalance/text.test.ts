// What the text of a plan says of its worth.
import { expect, it } from 'vitest';
import type { RebalanceAnswer } from './schema.js';
import { rebalanceText } from './text.js';

const totals = (onOneNode: number, meanDistance: number) => ({
  ...{ vms: 2, onOneNode, bytesOnOneNode: 0 },
  ...{ meanDistance, worstDistance: 12, remoteBytes: 0 },
});
const figures = { onOneNode: false, meanDistance: 11.1, worstDistance: 12, remoteBytes: 0 };

function textOf(before: ReturnType<typeof totals>, after: ReturnType<typeof totals>, bound: RebalanceAnswer['bound'] = null): string {
  const answer: RebalanceAnswer = {
    ...{ command: 'rebalance', version: '0', host: 'h', hypervisor: 'test' },
    ...{ limits: { maxMoves: null, maxBytes: null }, freeMoves: [], exact: true, left: [], bound, notes: [] },
    migrations: [
      {
        ...{ domid: 1, name: 'a', nodes: [0], cpus: '0', before: figures, after: figures },
        ...{ bytes: 4096, bytesBefore: [0, 4096], bytesAfter: [4096, 0], makesRoom: false, commands: [] },
      },
    ],
    ...{ before, afterFreeMoves: before, after },
  };
  return rebalanceText(answer).join(' ').replaceAll(/\s+/g, ' ');
}

it('calls migrations hardly worth it that gain less than 2 % and put no VM onto one node', () => {
  expect(textOf(totals(1, 11.1), totals(1, 11))).toContain('They are hardly worth it');
  expect(textOf(totals(1, 10), totals(1, 9.81))).toContain('They are hardly worth it');
  expect(textOf(totals(1, 10), totals(1, 9.79))).not.toContain('hardly worth it');
  expect(textOf(totals(1, 11.1), totals(2, 11))).not.toContain('hardly worth it');
});

it('tells a bound from what packings reach, and measures the gap to the nearer of both', () => {
  const bound = (best: NonNullable<RebalanceAnswer['bound']>['best']) =>
    textOf(totals(0, 12), totals(0, 11), { onOneNode: 2, bytesOnOneNode: 8192, best });
  const atMost = 'at most 2 of 2 VMs, and VMs with 8 KiB could be on one node.';
  expect(bound(null)).toContain(`${atMost} The plan ends with 0 and 0 B: a gap of at most 2 and 8 KiB.`);
  expect(bound({ onOneNode: 2, bytesOnOneNode: 8192 })).toContain(`${atMost} HiGHS found packings that reach this. The plan ends with 0`);
  const less = bound({ onOneNode: 1, bytesOnOneNode: 4096 });
  expect(less).toContain(
    `${atMost} By HiGHS, the best packings have 1 and 4 KiB. The plan ends with 0 and 0 B: a gap of at most 1 and 4 KiB.`,
  );
  expect(textOf(totals(0, 12), totals(0, 11), { onOneNode: 1, bytesOnOneNode: 1, best: { onOneNode: 0, bytesOnOneNode: 0 } })).toContain(
    'The plan reaches it.',
  );
});
