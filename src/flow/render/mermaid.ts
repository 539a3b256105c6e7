// The chart as Mermaid source, with the chart's own ids and our own labels. With a record, the path
// taken is highlighted.

import { harmless } from '../../base/safe-text.js';
import { EDGES, NODES, SUBGRAPHS, type SubgraphId } from '../chart.js';
import { edgeText, tally } from '../path.js';
import type { FlowRecord } from '../record.js';

/** Mermaid flowchart; `record` null = the chart alone. */
export function renderFlowMermaid(record: FlowRecord | null): string {
  const taken = record === null ? null : tally(record);
  const lines = record === null ? ['flowchart TD'] : [`%% ${harmless(record.title).replace(/[{}%]/g, ' ')}`, 'flowchart TD'];
  for (const { id } of SUBGRAPHS.filter(({ parent }) => parent === null)) lines.push(...subgraph(id, '  '));
  for (const node of NODES) if (node.subgraph === null) lines.push(`  ${shape(node)}`);
  for (const edge of EDGES) {
    const text = edgeText(edge, taken);
    const arrow = arrowOf(edge);
    lines.push(`  ${edge.from} ${arrow}${text === '' ? '' : `|${quote(text)}|`} ${edge.to}`);
  }
  for (const node of NODES) if (node.source !== null) lines.push(`  click ${node.id} "${node.source}" _blank`);
  lines.push('  classDef decision fill:#fffbeb,stroke:#b45309,color:#0f172a', `  class ${ids((node) => node.decision)} decision`);
  if (taken !== null) {
    const visited = ids((node) => taken.nodes.has(node.id));
    lines.push('  classDef taken fill:#dbeafe,stroke:#1d4ed8,stroke-width:3px,color:#0f172a');
    if (visited !== '') lines.push(`  class ${visited} taken`);
    const indexes = (inferred: boolean) => EDGES.flatMap(({ id }, index) => (taken.edges.get(id)?.inferred === inferred ? [index] : []));
    const seen = indexes(false);
    const inferred = indexes(true);
    if (seen.length > 0) lines.push(`  linkStyle ${seen.join(',')} stroke:#1d4ed8,stroke-width:4px`);
    if (inferred.length > 0) lines.push(`  linkStyle ${inferred.join(',')} stroke:#1d4ed8,stroke-width:4px,stroke-dasharray:6 4`);
  }
  return `${lines.join('\n')}\n`;
}

type Node = (typeof NODES)[number];

function arrowOf({ both, thick }: (typeof EDGES)[number]): string {
  if (both) return '<-->';
  return thick ? '==>' : '-->';
}

function ids(want: (node: Node) => boolean): string {
  return NODES.filter(want)
    .map(({ id }) => id)
    .join(',');
}

function subgraph(id: SubgraphId, indent: string): string[] {
  const self = SUBGRAPHS.find((one) => one.id === id)!;
  return [
    `${indent}subgraph ${id}[${quote(self.label)}]`,
    ...SUBGRAPHS.filter(({ parent }) => parent === id).flatMap((inner) => subgraph(inner.id, `${indent}  `)),
    ...NODES.filter((node) => node.subgraph === id).map((node) => `${indent}  ${shape(node)}`),
    `${indent}end`,
  ];
}

function shape({ id, label, decision }: Node): string {
  if (id === 'domain_node_affinity') return `${id}[(${quote(label)})]`;
  return decision ? `${id}{{${quote(label)}}}` : `${id}(${quote(label)})`;
}

/** Quoted text; Mermaid's own escapes are #name; and #number;. */
function quote(text: string): string {
  return `"${text.replace(/["#]/g, (char) => `#${char.charCodeAt(0)};`)}"`;
}
