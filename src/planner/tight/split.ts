// What each node of a plan holds of the VM: vCPUs as evenly as the nodes' room allows, memory with
// them.
import type { NodeRoom } from './capacity.js';
import type { NodeShare } from './request.js';

/**
 * A plan in which every vCPU has its share of the memory beside it. The nodes' room for vCPUs must
 * sum up to those of the VM.
 */
export function balancedSplit(nodes: readonly number[], room: NodeRoom, vcpus: number, memoryBytes: number): NodeShare[] {
  const held = evenly(nodes, (node) => room.vcpus[node]!, vcpus);
  return memoryBeside(nodes, held, room, vcpus, memoryBytes);
}

/** A plan whose nodes have CPUs and memory enough together, not each for its vCPUs. */
export function unbalancedSplit(nodes: readonly number[], room: NodeRoom, vcpus: number, memoryBytes: number): NodeShare[] {
  const held = evenly(nodes, (node) => room.cpus[node]!, vcpus);
  return memoryBeside(nodes, held, room, vcpus, memoryBytes);
}

/** Equal parts; what does not divide goes to the first of them. */
export function equalSplit(nodes: readonly number[], _: NodeRoom, vcpus: number, memoryBytes: number): NodeShare[] {
  const part = (whole: number, at: number) => Math.floor(whole / nodes.length) + (at < whole % nodes.length ? 1 : 0);
  return nodes.map((node, at) => ({ node, vcpus: part(vcpus, at), memoryBytes: part(memoryBytes, at) }));
}

/**
 * `wanted` units over the nodes, as evenly as their room allows: the smallest first, so that the
 * others share what it can't take.
 */
function evenly(nodes: readonly number[], roomOf: (node: number) => number, wanted: number): Map<number, number> {
  const held = new Map<number, number>();
  let rest = wanted;
  const smallestFirst = [...nodes].sort((a, b) => roomOf(a) - roomOf(b) || a - b);
  smallestFirst.forEach((node, done) => {
    const share = Math.min(roomOf(node), Math.ceil(rest / (nodes.length - done)));
    held.set(node, share);
    rest -= share;
  });
  return held;
}

/**
 * Memory in proportion to the vCPUs; what a node can't take, by rounding or for want of memory,
 * goes to the others.
 */
function memoryBeside(
  nodes: readonly number[],
  held: ReadonlyMap<number, number>,
  room: NodeRoom,
  vcpus: number,
  memoryBytes: number,
): NodeShare[] {
  const bytes = new Map<number, number>();
  let rest = memoryBytes;
  for (const node of nodes) {
    const share = vcpus === 0 ? 0 : Math.min(rest, room.memoryBytes[node]!, Math.floor((memoryBytes * held.get(node)!) / vcpus));
    bytes.set(node, share);
    rest -= share;
  }
  for (const node of nodes) {
    const more = Math.min(rest, room.memoryBytes[node]! - bytes.get(node)!);
    bytes.set(node, bytes.get(node)! + more);
    rest -= more;
  }
  return nodes.map((node) => ({ node, vcpus: held.get(node)!, memoryBytes: bytes.get(node)! }));
}
