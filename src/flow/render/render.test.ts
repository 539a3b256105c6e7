// The three renderings are complete, well-formed, safe with hostile names, and within the width.
import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { maskedRun, placedRun } from '../../../test/support/flow-records.js';
import { textColumns } from '../../base/columns.js';
import { escapeXml } from '../../base/safe-text.js';
import { EDGES, NODES, SUBGRAPHS } from '../chart.js';
import { type FlowEntry, FlowRecord, type FlowValue } from '../record.js';
import { SURPRISES } from '../surprises.js';
import { FLOW_FORMATS, renderFlow } from './render.js';
import { renderFlowText } from './text.js';

interface Tag {
  readonly name: string;
  readonly attributes: Record<string, string>;
}
/** Opening tags of an XML text; throws when it is not well-formed. */
function tagsOf(xml: string): Tag[] {
  const tags: Tag[] = [];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => tags.push({ name, attributes: attributes as Record<string, string> }));
  parser.write(xml).close();
  return tags;
}
const classed = (tags: readonly Tag[], name: string) => tags.filter(({ attributes }) => (attributes.class ?? '').split(' ').includes(name));

describe('SVG', () => {
  it('draws every node and edge of the chart, with the links to their sources and no other external reference', () => {
    const svg = renderFlow(null, 'svg');
    const tags = tagsOf(svg);
    expect(tags.flatMap(({ attributes }) => attributes['data-node'] ?? []).sort()).toEqual(NODES.map(({ id }) => id).sort());
    expect(tags.flatMap(({ attributes }) => attributes['data-edge'] ?? []).sort()).toEqual(EDGES.map(({ id }) => id).sort());
    expect(tags.filter(({ name }) => name === 'a').map(({ attributes }) => attributes.href)).toEqual(
      NODES.flatMap(({ source }) => source ?? []),
    );
    expect(tags.some(({ name }) => ['script', 'image', 'foreignObject', 'use', 'iframe'].includes(name))).toBe(false);
    expect(tags[0]!.attributes).toMatchObject({ role: 'img' });
    expect(tags[0]!.attributes['aria-label']).toContain('21 steps');
    for (const { label } of SUBGRAPHS) expect(svg).toContain(label.replace("'", '&#39;'));
  });
  it('highlights exactly the path taken, counts it, and dashes what is inferred', () => {
    const run = placedRun(4);
    const svg = renderFlow(run, 'svg');
    const edges = tagsOf(svg).filter(({ attributes }) => attributes['data-edge'] !== undefined);
    expect(
      classed(edges, 'taken')
        .map(({ attributes }) => attributes['data-edge'])
        .sort(),
    ).toEqual([...run.edgesTaken()].sort());
    expect(classed(edges, 'inferred')).toHaveLength(0);
    expect(svg).toContain('XEN_DOMCTL_setvcpuaffinity \u00d78');
    expect(svg).toContain(escapeXml(SURPRISES.ratchet.title));
    const inferred = tagsOf(renderFlow(placedRun(4, true), 'svg')).filter(({ attributes }) => attributes['data-edge'] !== undefined);
    expect(classed(inferred, 'inferred')).toHaveLength(5);
  });
});

describe('Mermaid', () => {
  it('has 21 vertices, 28 edges, 6 boxes and a link for each source', () => {
    const lines = renderFlow(null, 'mmd').split('\n');
    expect(lines[0]).toBe('flowchart TD');
    const ids = lines.flatMap((line) => /^\s*([^\s({[]+)(?:\(|\{\{|\[\()"/.exec(line)?.[1] ?? []).filter((id) => id !== 'click');
    expect(ids.sort()).toEqual(NODES.map(({ id }) => id).sort());
    expect(lines.filter((line) => / (==>|-->|<-->)/.test(line))).toHaveLength(28);
    expect(lines.filter((line) => line.trim().startsWith('subgraph '))).toHaveLength(6);
    expect(lines.filter((line) => line.trim() === 'end')).toHaveLength(6);
    expect(lines.filter((line) => line.trim().startsWith('click '))).toHaveLength(NODES.filter(({ source }) => source !== null).length);
  });
  it('nests the two functions in Xen', () => {
    const lines = renderFlow(null, 'mmd').split('\n');
    const depth = (name: string) => /^ */.exec(lines.find((line) => line.trim().startsWith(`subgraph ${name}[`))!)![0].length;
    expect([depth('xen'), depth('domain_update_node_affinity'), depth('domain_set_node_affinity'), depth('xenguest')]).toEqual([
      2, 4, 4, 2,
    ]);
  });
  it('styles the edges taken by their index', () => {
    const run = maskedRun();
    const style = /linkStyle ([\d,]+) /.exec(renderFlow(run, 'mmd'))![1]!.split(',').map(Number);
    expect(style.map((index) => EDGES[index]!.id).sort()).toEqual([...run.edgesTaken()].sort());
  });
});

describe('text', () => {
  it('shows the path in order, once for all vCPUs', () => {
    const text = renderFlow(placedRun(4), 'txt');
    const order = [
      'xenopsd VM.create',
      'policy: best_effort',
      'NUMA placement: choose',
      'ratchet',
      '4 times',
      'xc_vcpu_setaffinity(SOFT)',
      'Start xenguest',
      'xc_vcpu_setaffinity(HARD)',
      '* populated',
    ];
    const places = order.map((word) => text.indexOf(word));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(-1);
    expect(text.split('xc_vcpu_setaffinity(SOFT)')).toHaveLength(2);
    expect(renderFlow(placedRun(4, true), 'txt')).toContain('(inferred)');
  });
  it('without a record is the whole chart', () => {
    const text = renderFlow(null, 'txt');
    for (const { label } of [...NODES, ...SUBGRAPHS]) expect(text).toContain(label);
    expect(text.match(/(->|=>) /g)!.length).toBeGreaterThanOrEqual(28);
  });
  it('colours only when asked', () => {
    expect(renderFlowText(placedRun(), { color: false, width: 80 })).not.toContain('\u001b');
    expect(renderFlowText(placedRun(), { color: true, width: 80 })).toContain('\u001b[');
  });
});

it('any title and any values are harmless in each format', () => {
  const value: fc.Arbitrary<FlowValue> = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(null),
    fc.array(fc.integer()),
    fc.boolean(),
  );
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string({ unit: 'binary' }), value),
      fc.integer({ min: 40, max: 140 }),
      (title, values, width) => {
        // No code writes such values, but a rendering must survive them.
        const entries = [
          { kind: 'node', node: 'numa_placement', values },
          { kind: 'note', topic: 'landed', values },
          { kind: 'surprise', code: 'ratchet', values },
        ] as unknown as FlowEntry[];
        const record = new FlowRecord(title, entries);
        tagsOf(renderFlow(record, 'svg'));
        const mermaid = renderFlow(record, 'mmd');
        expect(mermaid.split('\n').length).toBe(renderFlow(new FlowRecord('t'), 'mmd').split('\n').length + 1);
        for (const line of renderFlowText(record, { color: false, width }).split('\n')) {
          expect(textColumns(line)).toBeLessThanOrEqual(width);
          expect(line).not.toMatch(/\p{Cc}/u);
        }
      },
    ),
    { seed: 5, numRuns: cases(40, 150) },
  );
});

it('markup in a title stays text', () => {
  const record = new FlowRecord('<script>alert(1)</script> & "x" \u001b[31m');
  for (const format of FLOW_FORMATS) expect(renderFlow(record, format)).not.toContain('\u001b');
  expect(tagsOf(renderFlow(record, 'svg')).some(({ name }) => name === 'script')).toBe(false);
});
