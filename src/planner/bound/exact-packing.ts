// The best packing of a small host as an integer program: how many VMs of each kind each node
// holds. The text is in the LP format that solvers read. The answer is checked here in whole
// numbers, so that only its being the best rests on the solver.
import { type Packing, vmKinds } from './packing-bound.js';

/** Larger programs are not tried: the bound is near enough, and a search could take minutes. */
export const MOST_EXACT = { nodes: 16, vms: 30 } as const;

/**
 * Solves a program to its proved optimum.
 * @returns the values of its variables, or null when the solver found no proof within its budget
 */
export type SolveProgram = (program: string) => ReadonlyMap<string, number> | null;

export interface ExactPacking {
  /** What the VMs on one node are worth together. */
  readonly value: number;
  /** By VM: its node; null = it is on no single node. */
  readonly nodes: readonly (number | null)[];
}

/** @returns null when the packing is too large, or the solver has no answer that holds */
export function exactPacking(packing: Packing, solve: SolveProgram): ExactPacking | null {
  const { capacity, vms } = packing;
  if (capacity.length > MOST_EXACT.nodes || vms.length > MOST_EXACT.vms) return null;
  const program = programOf(packing);
  if (program === null) return { value: 0, nodes: vms.map(() => null) };
  const values = solve(program);
  return values === null ? null : packed(packing, values);
}

const variable = (kind: number, node: number) => `x${kind}_${node}`;

/** null when no VM fits on any node. */
function programOf({ capacity, vms }: Packing): string | null {
  const { kinds } = vmKinds(vms);
  const fits = kinds.map(({ size, nodes }) =>
    capacity.flatMap((room, node) => (size <= room && (nodes === null || nodes.includes(node)) ? [node] : [])),
  );
  // Small numbers: a solver's tolerance is meant for them.
  const worth = divided(kinds.map(({ value }) => value));
  const goal = kinds.flatMap((_, kind) => fits[kind]!.map((node) => `${worth[kind]} ${variable(kind, node)}`));
  if (goal.length === 0) return null;
  const counts = kinds.flatMap(({ count }, kind) =>
    fits[kind]!.length === 0 ? [] : [`k${kind}: ${fits[kind]!.map((node) => variable(kind, node)).join('\n + ')} <= ${count}`],
  );
  const rooms = capacity.flatMap((room, node) => {
    const held = kinds.flatMap(({ size }, kind) => (fits[kind]!.includes(node) ? [`${size} ${variable(kind, node)}`] : []));
    return held.length === 0 ? [] : [`n${node}: ${held.join('\n + ')} <= ${room}`];
  });
  const names = kinds.flatMap((_, kind) => fits[kind]!.map((node) => variable(kind, node)));
  return ['Maximize', `obj: ${goal.join('\n + ')}`, 'Subject To', ...counts, ...rooms, 'General', ...names, 'End', ''].join('\n');
}

function packed({ capacity, vms }: Packing, values: ReadonlyMap<string, number>): ExactPacking | null {
  const { kindOf } = vmKinds(vms);
  const left = new Map([...values].map(([name, value]) => [name, Math.round(value)]));
  const room = [...capacity];
  let value = 0;
  const nodes = vms.map((vm, at) => {
    const node = capacity.findIndex((_, one) => (left.get(variable(kindOf[at]!, one)) ?? 0) > 0);
    if (node < 0) return null;
    const name = variable(kindOf[at]!, node);
    left.set(name, left.get(name)! - 1);
    room[node] = room[node]! - vm.size;
    value += vm.value;
    return node;
  });
  return room.every((rest) => rest >= 0) ? { value, nodes } : null;
}

function divided(values: readonly number[]): number[] {
  const common = values.reduce((a, b) => divisor(a, b), 0);
  return common === 0 ? [...values] : values.map((value) => value / common);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
