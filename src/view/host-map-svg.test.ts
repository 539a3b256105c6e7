// The SVG picture of a host is well-formed, complete and to scale; hostile names are harmless, and
// the largest machines stay within the size limit.
import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/cases.js';
import { anyHost, domain, dozenHost, idleHost, largestHost, twoNodeHost, withDomains } from '../../test/support/host-maps.js';
import type { HostMap } from '../map/host-map.js';
import { renderHostMapSvg } from './host-map-svg.js';

interface Element {
  readonly name: string;
  readonly attributes: Record<string, string>;
  text: string;
}
/** All elements with their own text; throws when the XML is not well-formed. */
function elementsOf(svg: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    const element = { name, attributes: attributes as Record<string, string>, text: '' };
    elements.push(element);
    open.push(element);
  });
  parser.on('text', (text) => {
    if (open.length > 0) open.at(-1)!.text += text;
  });
  parser.on('closetag', () => open.pop());
  parser.write(svg).close();
  return elements;
}
const titles = (elements: readonly Element[]) => elements.filter(({ name }) => name === 'title').map(({ text }) => text);

describe('a host with a dozen VMs', () => {
  const svg = renderHostMapSvg(dozenHost());
  const elements = elementsOf(svg);
  it('has a title and a description for screen readers', () => {
    expect(elements[0]!.attributes).toMatchObject({ role: 'img' });
    expect(elements[0]!.attributes['aria-label']).toMatch(/lab-8n.*8 nodes, 64 CPUs \(1 offline\).*12 VMs, 8 on one node/);
  });
  it('shows every VM, every CPU and every node', () => {
    const texts = elements.filter(({ name }) => name === 'text').map(({ text }) => text);
    for (const { name } of dozenHost().domains) expect(texts).toContain(name);
    for (let node = 0; node < 8; node++) expect(texts).toContain(`Node ${node}`);
    for (let cpu = 0; cpu < 64; cpu++) expect(titles(elements).filter((text) => text.startsWith(`CPU ${cpu},`))).toHaveLength(1);
    expect(titles(elements)).toContain('CPU 63, core 31, socket 1, offline: warehouse'.replace(': warehouse', ''));
  });
  it('hatches remote memory and says it in words', () => {
    expect(titles(elements)).toContain('desktop: 4 GiB, remote');
    expect(titles(elements)).toContain('legacy: 7 GiB, remote');
    expect(titles(elements).filter((text) => text.endsWith(', remote'))).toHaveLength(2);
    // One in the legend, one in a bar and one in the table for each of the two VMs.
    expect(elements.filter(({ attributes }) => (attributes.class ?? '').split(' ')[0] === 'remote')).toHaveLength(5);
  });
  it('has no script and no external reference', () => {
    expect(elements.some(({ name }) => ['script', 'image', 'use', 'foreignObject', 'a'].includes(name))).toBe(false);
    expect(svg.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|data:|@import/);
  });
  it('gives a VM one colour, on CPUs, memory and in the table', () => {
    const fills = new Set(elements.filter(({ attributes }) => attributes.class === 'vm').map(({ attributes }) => attributes.fill));
    expect(fills.size).toBe(12);
  });
});

it('bars are to scale: a node with a quarter of the memory has a bar a quarter as high, filled by its parts', () => {
  const host = idleHost({ nodes: 2, cpusPerNode: 4, nodeGib: 64 });
  const map = {
    ...host,
    nodes: host.nodes.map((node, at) => (at === 1 ? { ...node, memoryBytes: 2 ** 34, freePages: 2 ** 22 - 2 ** 20 } : node)),
  };
  const elements = elementsOf(renderHostMapSvg(map));
  const frames = elements.filter(({ attributes }) => attributes.class === 'frame' && attributes.rx === undefined);
  const [large, small] = frames.map(({ attributes }) => Number(attributes.height));
  expect(small! / large!).toBeCloseTo(0.25, 2);
  const isPart = ({ attributes }: Element) =>
    ['dom0', 'xen', 'free'].includes(attributes.class ?? '') && attributes.x === frames[0]!.attributes.x && attributes.rx === undefined;
  const filled = elements.filter(isPart).reduce((sum, { attributes }) => sum + Number(attributes.height), 0);
  expect(Math.abs(filled - large! - small!)).toBeLessThan(1);
});

it('markup in names stays text', () => {
  const host = idleHost({ nodes: 1, cpusPerNode: 2, nodeGib: 8 });
  const name = `</text><script>alert("1")</script>&'\u0000\u202e`;
  const elements = elementsOf(
    renderHostMapSvg({ ...withDomains(host, [domain(1, name, 1, [0, 1], [0], { 0: 1 }, 1)]), name, hypervisor: name }),
  );
  expect(elements.some((element) => element.name === 'script')).toBe(false);
  expect(titles(elements).some((text) => text.includes('<script>'))).toBe(true);
});

it('64 nodes, 4096 CPUs and 1,000 VMs stay below 5 MB', () => {
  const svg = renderHostMapSvg(largestHost(1000));
  expect(Buffer.byteLength(svg)).toBeLessThan(5_000_000);
  const elements = elementsOf(svg);
  expect(titles(elements).filter((text) => text.startsWith('CPU '))).toHaveLength(4096);
  expect(elements.some(({ text }) => text.startsWith('and 901 more domains'))).toBe(true);
});

it('VMs on every node of a large machine stay below 5 MB too', () => {
  const host = idleHost({ nodes: 64, cpusPerNode: 64, nodeGib: 256 });
  const all = host.cpus.map((cpu) => cpu!.id);
  const everywhere = Object.fromEntries(all.slice(0, 64).map((node) => [node, 0.05]));
  const spread = withDomains(
    host,
    all.slice(1, 1001).map((domid) => domain(domid, `a-name-as-long-as-they-come-${domid}`, 8, all, all, everywhere, 64)),
  );
  expect(Buffer.byteLength(renderHostMapSvg(spread))).toBeLessThan(5_000_000);
});

it('nothing is drawn outside the picture', () => {
  for (const map of [
    dozenHost(),
    twoNodeHost(),
    idleHost({ nodes: 1, cpusPerNode: 1, nodeGib: 1 }),
    idleHost({ nodes: 1, cpusPerNode: 4096, nodeGib: 64 }),
  ]) {
    const [page] = elementsOf(renderHostMapSvg(map));
    expect(Number(page!.attributes.width)).toBeGreaterThan(0);
    expect(rightMost(map)).toBeLessThanOrEqual(Number(page!.attributes.width));
  }
});

/** Right edge of the cards' contents, from the translations and boxes. */
function rightMost(map: HostMap): number {
  const svg = renderHostMapSvg(map);
  const cards = [...svg.matchAll(/<g transform="translate\(([\d.]+) [\d.]+\)"><rect class="card" width="([\d.]+)"/g)];
  // Without a card there would be nothing to measure.
  expect(cards).toHaveLength(map.nodes.length);
  return Math.max(...cards.map(([, x, width]) => Number(x) + Number(width)));
}

it('any host, any names: well-formed, never an error', () => {
  fc.assert(
    fc.property(anyHost, (map) => {
      expect(elementsOf(renderHostMapSvg(map)).length).toBeGreaterThan(10);
    }),
    { seed: 23, numRuns: cases(10, 30) },
  );
});
