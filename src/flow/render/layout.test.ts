// Rules of the picture: everything has a place, nothing covers anything else, and lines are
// straight and connect their nodes.
import { describe, expect, it } from 'vitest';
import { EDGES, NODES, SUBGRAPHS, type SubgraphId } from '../chart.js';
import { EDGE_ROUTES, edgeLabelSize, NODE_PLACES, PANEL, PICTURE, SUBGRAPH_BOXES } from './layout.js';

interface Area {
  readonly name: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}
const nodes: Area[] = NODES.map(({ id }) => {
  const { x, y, width, height } = NODE_PLACES[id];
  return { name: id, left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 };
});
/**
 * Steps taken once for a VM may repeat a few times after reboots; steps taken for each vCPU and
 * call may repeat thousands of times.
 */
const ONCE_A_VM = new Set<string>(['VM.create', 'VM.build']);
const labels: Area[] = EDGES.map(({ id, label, from }) => {
  const [x, y] = EDGE_ROUTES[id].label;
  const perVm = ONCE_A_VM.has(NODES.find((node) => node.id === from)!.subgraph ?? '') && label !== 'the placement as soft affinity';
  const { width, height } = edgeLabelSize(`${label} ${perVm ? '' : '\u00d79999'}`.trim() || '\u00d79');
  return { name: id, left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 };
});
const legs = EDGES.flatMap(({ id, from, to }) =>
  EDGE_ROUTES[id].points.slice(1).map(([x2, y2], index) => {
    const [x1, y1] = EDGE_ROUTES[id].points[index]!;
    return { id, from, to, x1, y1, x2, y2 };
  }),
);
const meet = (a: Area, b: Area, gap = 0) =>
  a.left < b.right + gap && b.left < a.right + gap && a.top < b.bottom + gap && b.top < a.bottom + gap;
const within = (inner: Area, outer: Omit<Area, 'name'>) =>
  inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;

describe('places', () => {
  it('has 21 nodes, 28 edges and 6 boxes, all within the picture', () => {
    expect([nodes.length, Object.keys(EDGE_ROUTES).length, Object.keys(SUBGRAPH_BOXES).length]).toEqual([21, 28, 6]);
    const page = { left: 0, top: 0, right: PICTURE.width, bottom: PICTURE.height };
    for (const area of [...nodes, ...labels]) expect(within(area, page), area.name).toBe(true);
    for (const { id, x1, y1, x2, y2 } of legs)
      for (const [x, y] of [
        [x1, y1],
        [x2, y2],
      ] as const)
        expect(x > 0 && x < page.right && y > 0 && y < page.bottom, id).toBe(true);
  });
  it('no two nodes touch, none touches the panel', () => {
    nodes.forEach((a, index) => {
      for (const b of nodes.slice(index + 1)) expect(meet(a, b, 20), `${a.name} and ${b.name}`).toBe(false);
      expect(meet(a, { name: 'panel', ...PANEL }), a.name).toBe(false);
    });
  });
  it('each box holds its own nodes and inner boxes, and touches no others', () => {
    const inside = (id: SubgraphId | null, box: SubgraphId): boolean => {
      if (id === null) return false;
      return id === box || inside(SUBGRAPHS.find((one) => one.id === id)!.parent, box);
    };
    for (const { id, parent } of SUBGRAPHS) {
      const box = SUBGRAPH_BOXES[id];
      NODES.forEach((node, index) => {
        const area = nodes[index]!;
        if (inside(node.subgraph, id)) expect(within(area, box), `${node.id} in ${id}`).toBe(true);
        else expect(meet(area, { name: id, ...box }), `${node.id} and ${id}`).toBe(false);
      });
      if (parent !== null) expect(within({ name: id, ...box }, SUBGRAPH_BOXES[parent])).toBe(true);
    }
  });
});

describe('lines', () => {
  it('are horizontal or vertical, and go from border to border of their nodes', () => {
    for (const { id, x1, y1, x2, y2 } of legs) expect(x1 === x2 || y1 === y2, id).toBe(true);
    for (const { id, from, to } of EDGES) {
      const { points } = EDGE_ROUTES[id];
      for (const [name, [x, y]] of [
        [from, points[0]!],
        [to, points.at(-1)!],
      ] as const) {
        const node = nodes.find((one) => one.name === name)!;
        const gapX = Math.min(Math.abs(x - node.left), Math.abs(x - node.right));
        const gapY = Math.min(Math.abs(y - node.top), Math.abs(y - node.bottom));
        const inRange = x >= node.left && x <= node.right && y >= node.top && y <= node.bottom;
        // The slanted sides of a hexagon stand up to 6 within its frame at the heights in use.
        expect(inRange && Math.min(gapX, gapY) < 6.01, `${id} at ${name}`).toBe(true);
      }
    }
  });
  it('pass through no node', () => {
    for (const leg of legs) {
      const area = {
        name: leg.id,
        left: Math.min(leg.x1, leg.x2),
        right: Math.max(leg.x1, leg.x2),
        top: Math.min(leg.y1, leg.y2),
        bottom: Math.max(leg.y1, leg.y2),
      };
      for (const node of nodes) {
        const gap = node.name === leg.from || node.name === leg.to ? -6.01 : 8;
        expect(meet(area, node, gap), `${leg.id} and ${node.name}`).toBe(false);
      }
    }
  });
  it('never cross or run together', () => {
    legs.forEach((a, index) => {
      for (const b of legs.slice(index + 1)) {
        if (a.id === b.id) continue;
        const apart =
          Math.max(a.x1, a.x2) < Math.min(b.x1, b.x2) ||
          Math.max(b.x1, b.x2) < Math.min(a.x1, a.x2) ||
          Math.max(a.y1, a.y2) < Math.min(b.y1, b.y2) ||
          Math.max(b.y1, b.y2) < Math.min(a.y1, a.y2);
        expect(apart, `${a.id} and ${b.id}`).toBe(true);
      }
    });
  });
});

describe('labels', () => {
  it('are on their own line', () => {
    for (const { id } of EDGES) {
      const [x, y] = EDGE_ROUTES[id].label;
      const on = legs.some(
        (leg) =>
          leg.id === id &&
          x >= Math.min(leg.x1, leg.x2) &&
          x <= Math.max(leg.x1, leg.x2) &&
          y >= Math.min(leg.y1, leg.y2) &&
          y <= Math.max(leg.y1, leg.y2),
      );
      expect(on, id).toBe(true);
    }
  });
  it('cover no node, no other label, no other line, and not the panel', () => {
    labels.forEach((a, index) => {
      for (const node of nodes) expect(meet(a, node), `${a.name} and ${node.name}`).toBe(false);
      for (const b of labels.slice(index + 1)) expect(meet(a, b), `${a.name} and ${b.name}`).toBe(false);
      expect(meet(a, { name: 'panel', ...PANEL }), a.name).toBe(false);
      for (const leg of legs) {
        if (leg.id === a.name) continue;
        const line = {
          name: leg.id,
          left: Math.min(leg.x1, leg.x2),
          right: Math.max(leg.x1, leg.x2),
          top: Math.min(leg.y1, leg.y2),
          bottom: Math.max(leg.y1, leg.y2),
        };
        expect(meet(a, line), `${a.name} and the line ${leg.id}`).toBe(false);
      }
    });
  });
});
