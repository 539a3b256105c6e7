import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOSTILE_NAMES, hostMaps } from '../../test/support/random-maps.js';
import { viewOf } from '../../web/src/lib/view.js';
import { domainFigures } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { profileOf } from '../xenopsd/api/profiles.js';
import { acrossPages } from './across.js';
import { type PageHostInput, pageData } from './page-data.js';
import { daemonPage, pageFile } from './page-file.js';
import { decodeMap, encodeMap } from './page-map.js';
import type { PageRun } from './page-run.js';
import { pageTextSteps } from './page-text.js';
import { lastOf } from './steps.js';

const RULES = { profile: profileOf('xapi-25.6'), policy: 'best_effort', notes: [] } as const;
const GIB_PAGES = 262_144;

/** Two nodes of two CPUs and 8 GiB each. */
function host(...domains: MapDomain[]): HostMap {
  return {
    name: 'two',
    hypervisor: 'embedded Xen 4.17',
    nodes: [0, 1].map((id) => ({ id, memoryBytes: 8 * 2 ** 30, freePages: 4 * GIB_PAGES, claimedPages: 0 })),
    cpus: [0, 1, 2, 3].map((id) => ({ id, node: id >> 1, core: id, socket: id >> 1, online: true, pool: 0 })),
    distances: [
      [10, 20],
      [20, 10],
    ],
    domains,
  };
}

function vm(domid: number, pages: number[], soft: number[], name = `vm${domid}`): MapDomain {
  return {
    ...{ domid, name, kind: 'pvh', state: 'running', pool: 0, nodeAffinity: [0, 1], autoNodeAffinity: true, pages },
    vcpus: [{ id: 0, online: true, hard: [0, 1, 2, 3], soft }],
  };
}

describe('a map on its way to the page', () => {
  it('arrives as it was', () => {
    fc.assert(
      fc.property(hostMaps(), (map) => {
        expect(decodeMap(JSON.parse(JSON.stringify(encodeMap(map))))).toEqual(map);
      }),
    );
  });

  it('is written in steps as it would be at once', () => {
    fc.assert(
      fc.property(hostMaps(), (map) => {
        const rules = { ...RULES, uuidOf: (domid: number) => `uuid-${domid}` };
        const failed = [{ name: 'odd', run: [] }] as never;
        const input = [
          { ...rules, map },
          { ...rules, map: { ...map, poolNames: undefined }, notes: ['a note'], failed },
        ] as PageHostInput[];
        const at = '2026-01-01T00:00:00Z';
        expect(lastOf(pageTextSteps('live', '1.0', at, input))).toBe(JSON.stringify(pageData('live', '1.0', at, input)));
      }),
    );
  });

  it('is small: lists of CPUs stand once, however many vCPUs have them', () => {
    const cpus = Array.from({ length: 4096 }, (_, id) => id);
    const wide = {
      ...vm(1, [GIB_PAGES, 0], cpus),
      vcpus: Array.from({ length: 1000 }, (_, id) => ({ id, online: true, hard: cpus, soft: [...cpus] })),
    };
    expect(encodeMap(host(wide)).lists).toEqual(['0-4095']);
  });
});

it('has an icon that a browser need not draw again at each change of the address', () => {
  const [, type, body] = /<link rel="icon" href="data:([^;,]+);base64,([^"]+)">/.exec(daemonPage())!;
  expect([type, Buffer.from(body!, 'base64').subarray(1, 4).toString()]).toEqual(['image/png', 'PNG']);
});

describe('memory that is read across nodes', () => {
  const across = (domain: MapDomain) => acrossPages(domain, domainFigures(host(domain), domain));

  it('is none where vCPUs prefer the node of all memory', () => {
    expect(across(vm(1, [GIB_PAGES, 0], [0, 1]))).toBe(0);
  });

  it('is all of it where they prefer the other node', () => {
    expect(across(vm(1, [GIB_PAGES, 0], [2, 3]))).toBe(GIB_PAGES);
  });

  it('is the half where they run on both nodes alike, wherever the memory is', () => {
    expect(across(vm(1, [GIB_PAGES, 0], [0, 1, 2, 3]))).toBe(GIB_PAGES / 2);
    expect(across(vm(1, [GIB_PAGES / 4, (3 * GIB_PAGES) / 4], [0, 1, 2, 3]))).toBe(GIB_PAGES / 2);
  });

  it('is never more than there is, nor less than nothing', () => {
    fc.assert(
      fc.property(hostMaps(), (map) => {
        for (const domain of map.domains) {
          const pages = acrossPages(domain, domainFigures(map, domain));
          expect(pages).toBeGreaterThanOrEqual(0);
          expect(pages).toBeLessThanOrEqual(domain.pages.reduce((sum, count) => sum + count, 0));
        }
      }),
    );
  });
});

describe('remarks', () => {
  const remarks = (...domains: MapDomain[]) => pageData('live', '1', null, [{ map: host(...domains), ...RULES }]).hosts[0]!.remarks;

  it('name the command that lets vCPUs prefer the node of the memory, worst VM first', () => {
    const found = remarks(
      vm(0, [GIB_PAGES, 0], [0, 1, 2, 3]),
      vm(1, [GIB_PAGES, 0], [0]),
      vm(2, [0, GIB_PAGES], [0, 1, 2, 3]),
      vm(3, [GIB_PAGES, 0], [2, 3]),
    );
    expect(found.map(({ domid, commands }) => [domid, commands])).toEqual([
      [3, ['xl vcpu-pin 3 all - 0-1']],
      [2, ['xl vcpu-pin 2 all - 2-3']],
    ]);
    expect(found[0]!.reason).toBe('Its memory is on node 0, its vCPUs prefer node 1: about 1 GiB is read across nodes.');
  });

  it('have no command where affinity cannot help, and say what can', () => {
    const [spread] = remarks(vm(1, [GIB_PAGES, GIB_PAGES], [0, 1, 2, 3]));
    expect(spread!.commands).toEqual([]);
    expect(spread!.advice).toBe('Start it anew: node 0 and others have room for all of it.');
    const [wide] = remarks(vm(1, [6 * GIB_PAGES, 6 * GIB_PAGES], [0, 1, 2, 3]));
    expect(wide!.advice).toBe('No node can hold it: the largest has 8 GiB. Make it smaller, or give it virtual NUMA nodes.');
  });

  it('of a host that xe manages have the commands of a new start, and promise no room twice', () => {
    const xe = { ...RULES, withoutXl: true, uuidOf: (domid: number) => (domid === 9 ? null : `uuid-${domid}`) };
    const found = (...domains: MapDomain[]) => pageData('embedded', '1', null, [{ map: host(...domains), ...xe }]).hosts[0]!.remarks;
    const anywhere = (domid: number, pages: number) => vm(domid, [pages, pages], [0, 1, 2, 3]);
    // 4 GiB are free on each node: of 5 GiB, the half is there already.
    const [first, second, third] = found(...[1, 2, 3].map((domid) => anywhere(domid, 2.5 * GIB_PAGES)));
    expect(first).toMatchObject({
      advice: 'Start it anew on node 0, which has room for all of it: the mask keeps it there at each start.',
      commands: ['xe vm-param-set uuid=uuid-1 VCPUs-params:mask=0,1', 'xe vm-reboot uuid=uuid-1'],
    });
    expect(second!.commands).toEqual(['xe vm-param-set uuid=uuid-2 VCPUs-params:mask=2,3', 'xe vm-reboot uuid=uuid-2']);
    expect(third!.commands).toEqual([]);
    // Its own memory is given back first, so all of it fits where it is.
    expect(found(vm(1, [7.9 * GIB_PAGES, 0], [2, 3]))[0]!.commands[0]).toContain('mask=0,1');
    // Unknown to xapi; more vCPUs than CPUs of a node; a toolstack without settings.
    expect(found(anywhere(9, GIB_PAGES))[0]!.commands).toEqual([]);
    const wide = anywhere(1, GIB_PAGES);
    expect(found({ ...wide, vcpus: [0, 1, 2].map((id) => ({ ...wide.vcpus[0]!, id })) })[0]!.commands).toEqual([]);
    const xl = pageData('embedded', '1', null, [{ map: host(anywhere(1, GIB_PAGES)), ...xe, profile: profileOf('xl') }]);
    expect(xl.hosts[0]!.remarks[0]!.commands).toEqual([]);
  });

  it('of a VM that its masks hold on one node ask for a reboot only, and keep other masks', () => {
    const held = (hard: number[]) => ({ ...vm(1, [GIB_PAGES, 0], hard), vcpus: [{ id: 0, online: true, hard, soft: [0, 1, 2, 3] }] });
    const xe = { ...RULES, withoutXl: true, uuidOf: () => 'u' };
    const found = (hard: number[]) => pageData('embedded', '1', null, [{ map: host(held(hard)), ...xe }]).hosts[0]!.remarks[0]!.commands;
    expect(found([2, 3])).toEqual(['xe vm-reboot uuid=u']);
    expect(found([1, 2, 3])).toEqual(['xe vm-param-set uuid=u VCPUs-params:mask=1', 'xe vm-reboot uuid=u']);
  });

  it('say what a new start does under a hard affinity', () => {
    const held = { ...vm(1, [GIB_PAGES, 0], [2, 3]), vcpus: [{ id: 0, online: true, hard: [2, 3], soft: [0, 1, 2, 3] }] };
    expect(remarks(held)[0]!.advice).toBe('Its hard affinity holds it: started anew, it gets its memory from node 1.');
    const large = { ...held, pages: [5 * GIB_PAGES, 0] };
    expect(remarks(large)[0]!.advice).toBe('Its hard affinity holds it, and node 1 has no room for it: make room, or change its mask.');
  });

  it('are none on a host of one node', () => {
    const one: HostMap = { ...host(), nodes: host().nodes.slice(0, 1), cpus: host().cpus.slice(0, 2), distances: [[10]] };
    const map = { ...one, domains: [vm(1, [GIB_PAGES], [0, 1])] };
    expect(pageData('live', '1', null, [{ map, ...RULES }]).hosts[0]!.remarks).toEqual([]);
  });
});

describe('what the page draws', () => {
  it('can be made of 500 hosts, odd ones included, and its bars hold all of a node', () => {
    fc.assert(
      fc.property(hostMaps({ nodesMost: 16 }), (map) => {
        const data = pageData('file', '1', null, [{ map, ...RULES }]);
        const view = viewOf(data.hosts[0]!);
        expect(view.rows).toHaveLength(map.domains.length);
        expect(view.sockets.flatMap(({ nodes }) => nodes).sort((a, b) => a - b)).toEqual(map.nodes.map(({ id }) => id));
        for (const { id, memoryBytes, freePages } of map.nodes) {
          const held = freePages + map.domains.reduce((sum, { pages }) => sum + pages[id]!, 0);
          const drawn = view.segments[id]!.reduce((sum, { pages }) => sum + pages, 0);
          expect(drawn).toBe(Math.max(Math.floor(memoryBytes / 4096), held));
        }
      }),
      { numRuns: 500, seed: 17 },
    );
  });
});

describe('the page as one file', () => {
  const assets = { script: "let a='</script>';let b='<!--';", style: 'p{color:red}', worker: '', reader: '' };

  it('holds hostile names as data that no parser of HTML takes for more', () => {
    const map = host(...HOSTILE_NAMES.map((name, index) => vm(index + 1, [GIB_PAGES, 0], [0], name)));
    const text = pageFile(pageData('file', '1', null, [{ map, ...RULES }]), assets);
    const [, json] = /<script type="application\/json" id="xennuma-data">(.*?)<\/script>/s.exec(text)!;
    expect(json).not.toMatch(/[<>&\u2028\u2029]/);
    expect(JSON.parse(json!).hosts[0].map.domains.map((domain: { name: string }) => domain.name)).toEqual(HOSTILE_NAMES);
    expect(text.match(/<script/g)).toHaveLength(2);
  });

  it('packs the data of a large host', () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      vm(index + 1, [GIB_PAGES, 0], [0], HOSTILE_NAMES[index % HOSTILE_NAMES.length]),
    );
    const data = pageData('file', '1', null, [{ map: host(...many), ...RULES }]);
    const text = pageFile(data, assets);
    const [, script = ''] = /id="xennuma-packed">([A-Za-z0-9+/=]*)</.exec(text)!;
    expect(JSON.parse(inflateRawSync(Buffer.from(script, 'base64')).toString())).toEqual(JSON.parse(JSON.stringify(data)));
    expect(text.length).toBeLessThan(20_000);
  });

  it('cuts long values of runs where all of them would make it too large, and says so', () => {
    const random = fc.sample(fc.string({ minLength: 3000, maxLength: 3000, unit: 'grapheme-ascii' }), { seed: 5, numRuns: 300 });
    const run = (values: string): PageRun => ({
      ...{ title: 'start', summary: ['Here.'], sentences: [values], sources: [], edges: [] },
      steps: [{ kind: 'box', name: 'numa_placement', values, edges: [], times: 1, more: '' }],
    });
    const fileOf = (texts: string[]) => {
      const runs = [new Map(texts.map((values, vm) => [vm, [run(values)]]))];
      const text = pageFile(pageData('file', '1', null, [{ map: host(), ...RULES }]), assets, { runs });
      const [, script = ''] = /id="xennuma-runs">([^<]*)</.exec(text)!;
      return { text, read: JSON.parse(inflateRawSync(Buffer.from(script, 'base64')).toString()) as Record<string, PageRun[]>[] };
    };
    const few = fileOf(random.slice(0, 5));
    expect(few.read[0]![4]![0]!.steps[0]!.values).toBe(random[4]);
    const many = fileOf(random);
    expect(many.text.length).toBeLessThan(310_000);
    expect(many.read[0]![299]![0]!.steps[0]!.values).toMatch(/\.\.\.$/);
    expect(many.read[0]![299]![0]!.summary).toEqual(['Here.']);
  });

  it('allows its own script and style by their hashes, and no connection', () => {
    const text = pageFile(pageData('file', '1', null, [{ map: host(), ...RULES }]), assets);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)![1]!;
    const hash = (part: string) => `'sha256-${createHash('sha256').update(part, 'utf8').digest('base64')}'`;
    const script = /<script>(.*?)<\/script>/s.exec(text)![1]!;
    expect(policy).toContain(`script-src ${hash(script)};`);
    expect(policy).toContain(`style-src ${hash(/<style>(.*?)<\/style>/s.exec(text)![1]!)};`);
    expect(policy).toContain("connect-src 'none'");
    // The script's own texts are as they were.
    expect(new Function(`${script} return a + b`)()).toBe('</script><!--');
  });
});
