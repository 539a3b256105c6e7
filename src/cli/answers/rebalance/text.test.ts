// What the text of a plan says of its worth.
import { expect, it } from 'vitest';
import type { RebalanceAnswer } from './schema.js';
import { rebalanceText } from './text.js';

const totals = (onOneNode: number, meanDistance: number) => ({
  ...{ vms: 2, onOneNode, bytesOnOneNode: 0 },
  ...{ meanDistance, worstDistance: 12, remoteBytes: 0 },
});
const figures = { onOneNode: false, meanDistance: 11.1, worstDistance: 12, remoteBytes: 0 };

function textOf(before: ReturnType<typeof totals>, after: ReturnType<typeof totals>): string {
  const answer: RebalanceAnswer = {
    ...{ command: 'rebalance', version: '0', host: 'h', hypervisor: 'test' },
    ...{ limits: { maxMoves: null, maxBytes: null }, freeMoves: [], exact: true, left: [], bound: null, notes: [] },
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
