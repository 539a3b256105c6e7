// docs/flowchart.md: fresh, and true in both directions. Each file and test that it names is there
// and names the box or edge by its id.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EDGES, NODES } from '../src/flow/chart.js';
import { EDGE_GUIDE, NODE_GUIDE } from '../src/flow/chart-guide.js';
import { renderGuide } from '../src/flow/render/guide.js';
import { renderFlowSvg } from '../src/flow/render/svg.js';
import { root } from './xennuma.js';

const read = (name: string) => readFileSync(join(root, name), 'utf8');

describe('docs/flowchart.md', () => {
  it('matches the data of the chart, and so does its picture; npm run docs generates them', () => {
    expect(read('docs/flowchart.md')).toBe(renderGuide('pictures/flowchart.svg'));
    expect(read('docs/pictures/flowchart.svg')).toBe(renderFlowSvg(null));
  });

  it('has a row for each of the 21 boxes and 28 edges', () => {
    const rows = read('docs/flowchart.md')
      .split('\n')
      .filter((line) => /^\| (<a id=|\[)/.test(line));
    expect(rows).toHaveLength(21 + 28);
    for (const { id } of [...NODES, ...EDGES])
      expect(
        rows.filter((row) => row.includes(`\`${id}\``)),
        id,
      ).toHaveLength(1);
  });
});

describe.each([...Object.entries(NODE_GUIDE), ...Object.entries(EDGE_GUIDE)])('%s', (id, { what, source, file, test }) => {
  it('is named by the file that does it and by the test that takes it', () => {
    expect(read(file)).toContain(`'${id}'`);
    expect(read(test)).toContain(`'${id}'`);
    expect(test).toMatch(/^(src\/.*\.test\.ts|test\/.*\.ts)$/);
  });

  it('describes the action in a sentence, and links to lines of xen-api, Xen or xenguest at a commit', () => {
    expect(what).toMatch(/^[A-Za-z].*[.?]$/);
    expect(source).toMatch(
      /^https:\/\/github\.com\/(xapi-project\/xen-api|xen-project\/xen|xenserver\/xen\.pg)\/blob\/[0-9a-f]{8,40}\/\S+#L\d+(-L\d+)?$/,
    );
  });
});
