// The compiler distinguishes the kinds of ids. The expected errors below are checked by the type
// check.
import { expect, test } from 'vitest';
import type { CpuId, NodeId } from './ids.js';

test('a node cannot be passed for a CPU, alone or in a list; a plain number can', () => {
  const runOn = (...cpus: readonly CpuId[]) => cpus.length;
  const node: NodeId = 3;
  const nodes: readonly NodeId[] = [node];
  const plain: number = 3;
  expect(runOn(plain)).toBe(1);
  // @ts-expect-error: a node is not a CPU
  expect(runOn(node)).toBe(1);
  // @ts-expect-error: a list of nodes is not one of CPUs
  expect(runOn(...nodes)).toBe(1);
});
