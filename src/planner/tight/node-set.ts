// Sets of up to 64 nodes as two 32-bit words: what the inner loops of the search add, remove and
// walk.

export interface NodeSet {
  low: number;
  high: number;
}

export function has(set: NodeSet, node: number): boolean {
  return ((node < 32 ? set.low >>> node : set.high >>> (node - 32)) & 1) === 1;
}

export function add(set: NodeSet, node: number): void {
  if (node < 32) set.low |= 1 << node;
  else set.high |= 1 << (node - 32);
}

export function remove(set: NodeSet, node: number): void {
  if (node < 32) set.low &= ~(1 << node);
  else set.high &= ~(1 << (node - 32));
}

export function intersection(a: NodeSet, b: NodeSet): NodeSet {
  return { low: a.low & b.low, high: a.high & b.high };
}

export function isEmpty(set: NodeSet): boolean {
  return (set.low | set.high) === 0;
}

export function size({ low, high }: NodeSet): number {
  return bits(low) + bits(high);
}

export function forEachNode(set: NodeSet, visit: (node: number) => void): void {
  for (let rest = set.low; rest !== 0; rest &= rest - 1) visit(31 - Math.clz32(rest & -rest));
  for (let rest = set.high; rest !== 0; rest &= rest - 1) visit(63 - Math.clz32(rest & -rest));
}

function bits(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
