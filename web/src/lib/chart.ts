// Words and shapes of the chart: its layout is the one of the pictures (src/flow/render/layout.ts).
import { EDGES, NODES } from '../../../src/flow/chart.js';
import { EDGE_ROUTES } from '../../../src/flow/render/layout.js';

const LABELS = new Map<string, string>(NODES.map(({ id, label }) => [id, label]));

const SOURCES = new Map<string, string | null>(NODES.map(({ id, source }) => [id, source]));

/** The source that the chart links; null = none. */
export const boxSource = (id: string): string | null => SOURCES.get(id) ?? null;

export const boxLabel = (id: string): string => LABELS.get(id) ?? id;

/** The answer that an edge stands for, such as "best_effort"; the box that it leads to where it has none. */
export function edgeAnswer(place: number): string {
  const edge = EDGES[place];
  if (edge === undefined) return '';
  return edge.label === '' ? boxLabel(edge.to) : edge.label;
}

/** Orthogonal legs. */
export const edgePath = (id: (typeof EDGES)[number]['id']): string =>
  EDGE_ROUTES[id].points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join(' ');
