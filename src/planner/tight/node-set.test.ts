// Sets of nodes as two words, against JavaScript's own sets, on both sides of the border of the
// words.
import { expect, test } from 'vitest';
import { add, forEachNode, has, intersection, isEmpty, type NodeSet, remove, size } from './node-set.js';

const of = (...nodes: number[]): NodeSet => {
  const set = { low: 0, high: 0 };
  for (const node of nodes) add(set, node);
  return set;
};
const members = (set: NodeSet) => {
  const nodes: number[] = [];
  forEachNode(set, (node) => nodes.push(node));
  return nodes;
};
const ALL = Array.from({ length: 64 }, (_, node) => node);

test.each([[[]], [[0]], [[31]], [[32]], [[63]], [[0, 31, 32, 63]], [[5, 6, 40]], [ALL]])('members of %j', (nodes: number[]) => {
  const set = of(...nodes);
  expect(members(set)).toEqual(nodes);
  expect(size(set)).toBe(nodes.length);
  expect(isEmpty(set)).toBe(nodes.length === 0);
  expect(ALL.filter((node) => has(set, node))).toEqual(nodes);
});

test('a node is removed from its word alone, and one that is not there changes nothing', () => {
  const set = of(1, 31, 33, 63);
  remove(set, 33);
  remove(set, 31);
  remove(set, 32);
  remove(set, 0);
  expect(members(set)).toEqual([1, 63]);
});

test('the nodes of both', () => {
  expect(members(intersection(of(1, 2, 33, 34), of(2, 3, 34, 35)))).toEqual([2, 34]);
});
