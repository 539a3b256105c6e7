// The integer program of a packing and the check of its answer, with solvers made up for it.
// test/milp.test.ts has the real one.
import { expect, it } from 'vitest';
import { exactPacking, type SolveProgram } from './exact-packing.js';

const vm = (size: number, nodes?: number[]) => ({ size, value: 2 * size, ...(nodes === undefined ? {} : { nodes }) });

function programOf(packing: Parameters<typeof exactPacking>[0]): string[] {
  let program = '';
  exactPacking(packing, (text) => {
    program = text;
    return null;
  });
  return program.replaceAll('\n +', ' +').split('\n');
}

it('has a variable for each kind of VM and node that it fits', () => {
  expect(programOf({ capacity: [4, 9], vms: [vm(5), vm(5), vm(3, [0]), vm(20)] })).toEqual([
    ...['Maximize', 'obj: 5 x0_1 + 3 x1_0', 'Subject To', 'k0: x0_1 <= 2', 'k1: x1_0 <= 1', 'n0: 3 x1_0 <= 4', 'n1: 5 x0_1 <= 9'],
    ...['General', 'x0_1', 'x1_0', 'End', ''],
  ]);
});

it('gives each VM its node, rounds what a solver calls whole, and counts its worth itself', () => {
  const solve: SolveProgram = () => new Map([['x0_0', 0.9999999], ['x0_1', 1.0000001]]); // biome-ignore format: short
  expect(exactPacking({ capacity: [5, 5], vms: [vm(5), vm(5), vm(5)] }, solve)).toEqual({ value: 20, nodes: [0, 1, null] });
});

it('refuses an answer that overfills a node', () => {
  expect(exactPacking({ capacity: [9], vms: [vm(5), vm(5)] }, () => new Map([['x0_0', 2]]))).toBeNull();
  expect(exactPacking({ capacity: [10], vms: [vm(5), vm(5)] }, () => new Map([['x0_0', 2]]))?.value).toBe(20);
});

it('needs no solver where nothing fits', () => {
  const never: SolveProgram = () => {
    throw new Error('asked');
  };
  expect(exactPacking({ capacity: [4], vms: [vm(5)] }, never)).toEqual({ value: 0, nodes: [null] });
  expect(exactPacking({ capacity: [], vms: [] }, never)).toEqual({ value: 0, nodes: [] });
});
