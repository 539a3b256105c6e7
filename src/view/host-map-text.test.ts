// The picture of a host for terminals: its contents, its scale, its width on any host, and hostile
// names.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/cases.js';
import {
  anyHost,
  domain,
  dozenHost,
  GIB_PAGES,
  idleHost,
  largestHost,
  range,
  twoNodeHost,
  withDomains,
} from '../../test/support/host-maps.js';
import { textColumns } from '../base/columns.js';
import { UNREACHABLE } from '../machine/model.js';
import { hostFigures } from '../map/figures.js';
import type { HostMap } from '../map/host-map.js';
import { renderHostMapText } from './host-map-text.js';
import { packItems } from './palette.js';
import { nodeSegments, shareCells } from './segments.js';

const plain = (map: HostMap, width = 80) => renderHostMapText(map, { width, color: false });
/** The bars, without their frame. */
const bars = (text: string) => text.split('\n').flatMap((line) => /\[([^\]]+)\]/.exec(line)?.[1] ?? []);

describe('a host with a dozen VMs', () => {
  const text = plain(dozenHost());
  it('fits 80 columns and names every VM', () => {
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const { name } of dozenHost().domains) expect(text).toContain(name);
  });
  it('shows nodes, CPUs, threads, offline CPUs and free memory', () => {
    expect(text).toContain('8 nodes, 64 CPUs (1 offline), 512 GiB');
    expect(text).toMatch(/^node 7\s+CPUs 56-63, 4 cores, 2 threads each, socket 1, offline 63$/m);
    expect(text).toMatch(/64 GiB, 11 GiB free$/m);
  });
  it('marks remote memory by lower case in the bar and by a sign in words, in the table too', () => {
    // desktop is the ninth VM, legacy the eleventh: I and K.
    expect(bars(text)[3]).toContain('i');
    expect(bars(text)[4]).toContain('k');
    expect(text).toContain('i! desktop 4 GiB');
    expect(text).toMatch(/legacy .*n4! 7 GiB/);
    expect(bars(text)[1]).not.toMatch(/[a-z]/);
  });
  it('draws memory to scale: half of a node is half of its bar', () => {
    const bar = bars(text)[4]!;
    expect(bar.match(/E/g)!.length / bar.length).toBeCloseTo(32 / 64, 1);
  });
  it('shows the nodes that vCPUs prefer', () => {
    expect(text).toMatch(/vCPUs prefer it: {2}A x4 {2}D x4/);
  });
});

describe('where the size of Domain-0 is an assumption', () => {
  const known = twoNodeHost();
  const map: HostMap = { ...known, domain0Assumed: true };
  const sumOf = (node: number) => {
    const figures = hostFigures(known);
    return (known.domains[0]!.pages[node] ?? 0) + figures.nodes[node]!.xenPages;
  };
  it('one part of each bar is the sum of it and Xen, the rest is as it was', () => {
    for (const node of known.nodes.keys()) {
      const own = nodeSegments(map, hostFigures(map), node, 8);
      expect(own.some(({ kind }) => kind === 'dom0')).toBe(false);
      expect(own.find(({ kind }) => kind === 'xen')?.pages ?? 0).toBe(sumOf(node));
      const others = (segments: typeof own) => segments.filter(({ kind }) => kind !== 'dom0' && kind !== 'xen');
      expect(others(own)).toEqual(others(nodeSegments(known, hostFigures(known), node, 8)));
    }
  });
  it.each([40, 80])('no size of Domain-0 or of Xen alone, at %i columns', (width) => {
    const text = plain(map, width).replaceAll(/\s+/g, ' ');
    expect(text).toContain('= Domain-0 and Xen');
    expect(text).not.toMatch(/0 Domain-0 \d|= Xen/);
    expect(text).toMatch(/Domain-0 .*not known/);
  });
});

it('draws nodes to scale with each other', () => {
  const host = idleHost({ nodes: 2, cpusPerNode: 2, nodeGib: 64 });
  const uneven = {
    ...host,
    nodes: host.nodes.map((node, at) => (at === 1 ? { ...node, memoryBytes: 16 * 2 ** 30, freePages: 15 * GIB_PAGES } : node)),
  };
  const [large, small] = bars(plain(uneven, 120));
  expect(small!.length / large!.length).toBeCloseTo(0.25, 1);
});

it('a node without CPUs, one without memory, an unreachable distance, a VM without memory', () => {
  const host = idleHost({ nodes: 3, cpusPerNode: 2, nodeGib: 8 });
  const odd: HostMap = {
    ...host,
    nodes: host.nodes.map((node, at) => (at === 2 ? { ...node, memoryBytes: 0, freePages: 0 } : node)),
    cpus: host.cpus.map((cpu) => (cpu!.node === 1 ? null : cpu)),
    distances: [
      [10, UNREACHABLE, 20],
      [UNREACHABLE, 10, 20],
      [20, 20, 10],
    ],
  };
  const text = plain(withDomains(odd, [domain(1, 'far', 1, [0], [0], { 1: 2 }, 3), domain(2, 'empty', 1, [0], [0], {}, 3)]), 100);
  expect(text).toMatch(/^node 1\s+no CPUs$/m);
  expect(text).toMatch(/far .*unreachable$/m);
  expect(text).toMatch(/empty .*none +- +-$/m);
});

it('a host without VMs says so', () => {
  expect(plain(idleHost({ nodes: 1, cpusPerNode: 1, nodeGib: 4 }))).toContain('no VMs');
});

it('64 nodes, 4096 CPUs and 1,000 VMs: two lines a node, and the table ends with the number of VMs left out', () => {
  const text = plain(largestHost(1000), 100);
  const lines = text.split('\n');
  expect(lines.length).toBeLessThan(64 * 2 + 90);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  expect(text).toContain('and 937 more domains');
  expect(text).toMatch(/# \d+ others/);
});

it('colours only repeat what signs say', () => {
  const colored = renderHostMapText(twoNodeHost(), { width: 80, color: true });
  expect(colored).toContain('\u001b[');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with ESC
  expect(colored.replace(/\u001b\[[\d;]*m/g, '')).toBe(plain(twoNodeHost()));
});

it('with unicode it is as wide as without', () => {
  const widths = (unicode: boolean) => renderHostMapText(dozenHost(), { width: 80, color: false, unicode }).split('\n').map(textColumns);
  expect(widths(true)).toEqual(widths(false));
});

describe('masks', () => {
  const all = range(0, 8);
  const host = idleHost({ nodes: 2, cpusPerNode: 4, nodeGib: 8 });
  const vm = (masks: readonly (readonly number[])[]) =>
    withDomains(host, [
      {
        ...domain(1, 'vm', 1, all, all, { 0: 1 }, 2),
        vcpus: masks.map((hard, id) => ({ id, online: true, hard, soft: all })),
        autoNodeAffinity: false,
      },
    ]);
  it('that differ are listed for each group of vCPUs', () => {
    expect(plain(vm([[1, 2], [1, 2], [4]]), 120)).toContain('v0-1=1-2 v2=4');
  });
  it('of many kinds end with the number of the others', () => {
    expect(plain(vm(range(0, 7).map((cpu) => [cpu])), 140)).toContain('v3=3 and 3 more');
  });
  it('a node affinity set explicitly is marked', () => {
    expect(plain(vm([all]), 120)).toContain('0 explicit');
  });
});

describe('the parts', () => {
  it('the cells sum to the bar, and no part vanishes while there is room', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 100 }), (parts, cells) => {
        const shares = shareCells(parts, cells);
        const some = parts.some((part) => part > 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(some ? cells : 0);
        if (parts.filter((part) => part > 0).length <= cells) {
          parts.forEach((part, at) => {
            expect(shares[at]! > 0).toBe(part > 0);
          });
        }
      }),
      { seed: 3, numRuns: cases(80, 500) },
    );
  });
  it("a node's segments make the whole node", () => {
    const map = dozenHost();
    const figures = hostFigures(map);
    map.nodes.forEach(({ memoryBytes }, node) => {
      for (const top of [0, 1, 100]) {
        expect(nodeSegments(map, figures, node, top).reduce((sum, { pages }) => sum + pages, 0)).toBe(memoryBytes / 4096);
      }
    });
  });
  it('packed items stay within the lines, and the rest is counted', () => {
    expect(packItems(['aaaa', 'bbbb', 'cccc', 'dddd'], 22, 2, 1)).toEqual(['  aaaa  and 3 more']);
    expect(packItems(['aaaa', 'bbbb', 'cccc'], 22, 2, 1)).toEqual(['  aaaa  bbbb  cccc']);
    expect(packItems([], 20, 0, 3)).toEqual([]);
  });
});

it('any host, any names: no line too wide, no control character, never an error', () => {
  fc.assert(
    fc.property(anyHost, fc.integer({ min: 40, max: 160 }), fc.boolean(), (map, width, color) => {
      for (const line of renderHostMapText(map, { width, color }).split('\n')) {
        expect(textColumns(line)).toBeLessThanOrEqual(width);
        if (!color) expect(line).not.toMatch(/\p{Cc}/u);
      }
    }),
    { seed: 17, numRuns: 50 },
  );
});
