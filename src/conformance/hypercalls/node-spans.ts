// The frames of each node, as debug key 'u' prints them. They give the node of a machine frame.

const NODE = /NODE(\d+) start->(\d+) size->(\d+) free->\d+/g;

/**
 * Index = node: [first frame, one past the last); a node without memory has none, or an empty span.
 */
export function readNodeSpans(dump: string): readonly (readonly [number, number] | undefined)[] {
  const spans: [number, number][] = [];
  for (const [, node, start, size] of dump.matchAll(NODE)) spans[Number(node)] = [Number(start), Number(start) + Number(size)];
  return spans;
}
