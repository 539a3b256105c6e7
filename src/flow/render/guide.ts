// docs/flowchart.md: the chart as a picture, then the action, the real source and our file for each
// box and edge.
import { EDGES, NODES, SUBGRAPHS, type SubgraphId } from '../chart.js';
import { EDGE_GUIDE, type GuideEntry, NODE_GUIDE } from '../chart-guide.js';
import { renderFlowMermaid } from './mermaid.js';

/** @param picture link to the chart as SVG */
export function renderGuide(picture: string): string {
  const labels = new Map<string, string>(NODES.map(({ id, label }) => [id, label]));
  const boxes = NODES.map(
    ({ id, subgraph }) => `| <a id="${anchor(id)}"></a>\`${id}\` | ${place(subgraph)} | ${columns(NODE_GUIDE[id])} |`,
  );
  const edges = EDGES.map(({ id, from, to, label }) => {
    const answer = label === '' ? '' : ` (${label})`;
    return `| [${labels.get(from)}](#${anchor(from)}) &rarr; [${labels.get(to)}](#${anchor(to)})${answer}<br>\`${id}\` | ${columns(EDGE_GUIDE[id])} |`;
  });
  return `# The flowchart, box by box

<!-- Made by npm run docs from src/flow/chart.ts and src/flow/chart-guide.ts. -->

The chart shows how xenopsd, xenguest and Xen decide where a VM's vCPUs run and where its memory comes from. Each of its ${NODES.length} boxes and
${EDGES.length} edges is a piece of code here, named by the same id. \`xennuma explain VM --details\` tells which of them one start took, and
\`--flow FILE.svg\` draws them. Where the chart and the real code differ, xennuma follows the code, and \`explain\` points it out.

![The flowchart from xenopsd to Xen](${picture})

## Boxes

| box | part | what happens | real source | our file | test |
|---|---|---|---|---|---|
${boxes.join('\n')}

## Edges

| edge | when it is taken | real source | our file | test |
|---|---|---|---|---|
${edges.join('\n')}

## As Mermaid

\`\`\`mermaid
${renderFlowMermaid(null).trimEnd()}
\`\`\`
`;
}

/** Ids contain characters that a link may not. */
function anchor(id: string): string {
  return `box-${id.replace(/\?$/, '-question').replaceAll('.', '-')}`;
}

function place(subgraph: SubgraphId | null): string {
  return SUBGRAPHS.find(({ id }) => id === subgraph)?.label ?? 'libxenctrl';
}

function columns({ what, source, file, test }: GuideEntry): string {
  const path = (name: string) => `[${name.replace(/^src\//, '')}](../${name})`;
  return `${what} | [${sourceLabel(source)}](${source}) | ${path(file)} | ${path(test)}`;
}

/** ".../xenopsd/xc/domain.ml#L862-L897" is "domain.ml 862-897". */
function sourceLabel(link: string): string {
  const match = /\/([^/#]+)#L(\d+)(?:-L(\d+))?$/.exec(link);
  if (match === null) return link;
  const [, file, first, last] = match;
  return `${file} ${first}${last === undefined ? '' : `-${last}`}`;
}
