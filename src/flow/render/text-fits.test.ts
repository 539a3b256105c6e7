// No text of the picture leaves its shape, measured in DejaVu Sans, whatever the values of a run
// are.
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { maskedRun, placedRun } from '../../../test/support/flow-records.js';
import { EDGES, NODES } from '../chart.js';
import { type FlowEntry, FlowRecord } from '../record.js';
import { NOTE_SCHEMAS } from '../schema/notes.js';
import { SURPRISES } from '../surprises.js';
import { DECISION_SLANT, NODE_PLACES, PANEL, PICTURE } from './layout.js';
import { renderFlowSvg } from './svg.js';
import { textWidth } from './text-width.js';

interface Drawn {
  /** Name of the enclosing group: data-node, or the class. */
  readonly group: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly x: number;
  readonly y: number;
  readonly text: string;
  /** Width of the rectangle before it in its group; NaN without one. */
  readonly rect: number;
}

function textsOf(svg: string): Drawn[] {
  const texts: Drawn[] = [];
  const groups: { attributes: Record<string, string>; rect: number }[] = [{ attributes: {}, rect: Number.NaN }];
  let open: Omit<Drawn, 'text'> | null = null;
  let text = '';
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    const given = attributes as Record<string, string>;
    if (name === 'g') groups.push({ attributes: given, rect: Number.NaN });
    if (name === 'rect') groups.at(-1)!.rect = Number(given.width);
    if (name !== 'text') return;
    const { attributes: group, rect } = groups.at(-1)!;
    open = { group, rect, kind: given.class ?? '', x: Number(given.x), y: Number(given.y) };
    text = '';
  });
  parser.on('text', (part) => {
    text += part;
  });
  parser.on('closetag', ({ name }) => {
    if (name === 'g') groups.pop();
    if (name === 'text') texts.push({ ...open!, text });
  });
  parser.write(svg).close();
  return texts;
}

/** Every box with values far too long for it, every note and every surprise. */
function longRun(): FlowRecord {
  const mask = Array.from({ length: 64 }, (_, index) => index * 64).join(',');
  const values = { requested: mask, WIDE: 'WWWW@@@@'.repeat(40), '\u6771\u4eac': '\u6771\u4eac'.repeat(40) };
  const entries = [
    ...NODES.map(({ id }) => ({ kind: 'node', node: id, values })),
    ...EDGES.flatMap(({ id }) => Array.from({ length: 99 }, () => ({ kind: 'edge', edge: id, inferred: false }))),
    ...Object.keys(NOTE_SCHEMAS).map((topic) => ({ kind: 'note', topic, values })),
    ...Object.keys(SURPRISES).map((code) => ({ kind: 'surprise', code, values })),
  ];
  return new FlowRecord(`start ${'W'.repeat(200)}`, entries as unknown as FlowEntry[]);
}

describe.each([
  ['the chart alone', null],
  ['a placed VM', placedRun(8192)],
  ['a pinned VM', maskedRun()],
  ['a run with values that are too long everywhere', longRun()],
] as const)('%s', (_, record) => {
  const texts = textsOf(renderFlowSvg(record));

  it('keeps the text of each box inside its outline', () => {
    const inBoxes = texts.filter(({ group }) => group['data-node'] !== undefined);
    expect(new Set(inBoxes.map(({ group }) => group['data-node'])).size).toBe(NODES.length);
    for (const { group, kind, y, text } of inBoxes) {
      const node = NODES.find(({ id }) => id === group['data-node'])!;
      const place = NODE_PLACES[node.id];
      const [top, bottom] = kind === 'values' ? [y - 8, y + 2] : [y - 9, y + 3];
      const [upper, lower] = [place.y - place.height / 2, place.y + place.height / 2];
      expect([top >= upper, bottom <= lower], `${node.id}: ${text}`).toEqual([true, true]);
      // A hexagon's sides come in by DECISION_SLANT from its middle to its flat top.
      const off = Math.max(Math.abs(top - place.y), Math.abs(bottom - place.y));
      const slant = node.decision ? (DECISION_SLANT * off) / (place.height / 2) : 0;
      const width = kind === 'values' ? columnsOf(text) * 6.02 : textWidth(text, 11.6);
      expect(width, `${node.id}: ${text}`).toBeLessThanOrEqual(place.width - 2 * slant);
    }
  });

  it('keeps each label inside its frame, the panel and the title inside theirs', () => {
    const labels = texts.filter(({ group }) => (group.class ?? '').startsWith('label'));
    expect(labels.length).toBeGreaterThan(10);
    for (const { text, rect } of labels) expect(textWidth(text, 11, 'bold'), text).toBeLessThanOrEqual(rect - 8);
    const inPanel = texts.filter(({ kind, x, y }) => (kind === 'say' || kind === 'warn') && x >= PANEL.left && y <= PANEL.bottom);
    expect(inPanel.length).toBeGreaterThan(0);
    for (const { text, kind, x, y } of inPanel) {
      expect(x + textWidth(text, 12, kind === 'warn' ? 'bold' : 'normal'), text).toBeLessThanOrEqual(PANEL.right);
      expect(y, text).toBeLessThanOrEqual(PANEL.bottom - 4);
    }
    const [head] = texts.filter(({ kind }) => kind === 'head');
    expect(head!.x + textWidth(head!.text, 22, 'bold')).toBeLessThanOrEqual(PICTURE.width);
  });
});

function columnsOf(text: string): number {
  return [...text].reduce((sum, character) => sum + (character.codePointAt(0)! > 0x2e80 ? 2 : 1), 0);
}
