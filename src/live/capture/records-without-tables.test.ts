// Texts whose domains are listed by xapi's tools: `xe` with chosen fields, and list_domains, which
// a status report has.
import { describe, expect, it } from 'vitest';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../test/support/two-nodes.js';
import { coresOf, xlInfo } from '../../../test/support/xl-info.js';
import { PAGES_PER_GIB } from '../../base/units.js';
import { expectedOfCapture } from '../expected-of-capture.js';
import { readArchive } from './archive/archive.js';
import { readCapture } from './captured-host.js';

const UUID = '5d1c7c0e-9b1f-4c58-8d4e-0f6a2b3c4d5e';
const HOST_UUID = '0c9f3a52-2f0d-4f4f-9a0e-1b2c3d4e5f60';
const INFO = twoNodesInfo({});
const VCPUS = twoNodesVcpus('db').replaceAll('all / 4-7', '4-5,7 / 4-7');
const read = (...texts: string[]) => readCapture([{ file: 'paste.txt', text: texts.join('\n') }]);
/** A record of `xe`, its fields aligned at the colon. */
const record = (fields: Readonly<Record<string, string>>) =>
  `${Object.entries(fields)
    .map(([name, value], at) => (at === 0 ? `${`${name} ( RO)`.padEnd(24)}: ${value}` : `${name.padStart(19)} ( RO): ${value}`))
    .join('\n')}\n\n`;

describe('a list of `xe` with chosen fields', () => {
  it('lists the domains of a host where no table does, without VCPUs-params too', () => {
    const { live, xapi, toolstack } = read(
      INFO,
      record({ uuid: UUID, 'name-label': 'db', 'resident-on': HOST_UUID, 'dom-id': '7', 'memory-actual': '4294967296' }),
      record({ uuid: HOST_UUID, 'name-label': 'halted', 'resident-on': '<not in database>', 'dom-id': '-1', 'memory-actual': '0' }),
    );
    expect(live.map.domains).toMatchObject([{ domid: 7, name: 'db' }]);
    expect(live.uuids.get(7)).toBe(UUID);
    expect(xapi.vms).toHaveLength(2);
    expect(toolstack).toBe('xapi');
  });

  it('gives the uuid of a VM by its name: the fields of `xe vm-list` by default', () => {
    const { xapi } = read(INFO, twoNodesList('db'), record({ uuid: UUID, 'name-label': 'db', 'power-state': 'running' }));
    expect(xapi.vms).toEqual([{ uuid: UUID, name: 'db', paramsUnknown: true }]);
  });

  it('without VCPUs-params takes no mask away that another list has, in any order', async () => {
    const domain = record({ uuid: UUID, 'name-label': 'db', 'dom-id': '7', 'resident-on': HOST_UUID });
    const mask = record({ uuid: UUID, 'VCPUs-params': 'mask: 4,5,7' });
    const memory = record({ uuid: UUID, 'dom-id': '7', 'memory-actual': '4294967296' });
    for (const lists of [
      [domain, mask, memory],
      [mask, memory, domain],
      [memory, domain, mask],
    ]) {
      const captured = read(INFO, ...lists, VCPUS, TWO_NODES_DUMP);
      expect(captured.xapi.vms).toEqual([
        { uuid: UUID, name: 'db', mask: '4,5,7', running: { domid: 7, hostUuid: HOST_UUID, memoryBytes: 2 ** 32 } },
      ]);
      expect((await expectedOfCapture(captured)).get(7)?.hard).toEqual([
        [4, 5, 7],
        [4, 5, 7],
      ]);
    }
  });

  it('of a later start counts alone for where the VM runs', () => {
    const before = record({ uuid: UUID, 'name-label': 'db', 'dom-id': '6', 'memory-actual': '4294967296' });
    const { xapi } = read(INFO, before, record({ uuid: UUID, 'name-label': 'db', 'dom-id': '7' }));
    expect(xapi.vms[0]!.running).toEqual({ domid: 7 });
  });
});

describe('list_domains', () => {
  const plainRows = [
    'id |                                 uuid |  state',
    ' 0 | 00000000-0000-0000-0000-000000000000 |     R ',
    ` 7 | ${UUID} |    B H`,
  ];
  const PLAIN = plainRows.join('\n');
  /** With -all, and another order of magnitude for each unit. */
  const all = (unit: string, dom0: number, guest: number) =>
    [
      `${plainRows[0]} | tot ${unit} | max ${unit} | shadow ${unit} | shutdown code |    sif | cpu time | vcpus online | max vcpu id | ssidref`,
      `${plainRows[1]} | ${dom0} | N/A | N/A | 255 | 812345 | 99 | 2 | 1 | 0`,
      `${plainRows[2]} | ${guest} | ${guest} | 9 | 255 | 812346 | 98 | 2 | 1 | 0`,
    ].join('\n');

  it('lists the domains where no table does', () => {
    const { live } = read(INFO, PLAIN, TWO_NODES_DUMP);
    expect(live.map.domains).toMatchObject([
      { domid: 0, name: 'Domain-0', state: 'running' },
      { domid: 7, name: 'Domain-7', state: 'blocked', pages: [PAGES_PER_GIB, 3 * PAGES_PER_GIB], masksUnknown: true },
    ]);
    expect(live.uuids).toEqual(new Map([[7, UUID]]));
  });

  it.each([
    ['quoted', PLAIN.replaceAll(/^/gm, '> ')],
    ['behind a prompt', `[09:12 xcp1 ~]# list_domains\n${PLAIN}\n[09:12 xcp1 ~]# `],
    ['with Windows line ends', PLAIN.replaceAll('\n', '\r\n')],
    ['with blanks collapsed', PLAIN.replaceAll(/ +/g, ' ')],
    ['indented', PLAIN.replaceAll(/^/gm, '    ')],
  ])('%s, gives the uuids of the domains in the tables', (_, text) => {
    const tables = [INFO, twoNodesList('db'), VCPUS, TWO_NODES_DUMP].join('\n');
    expect(read(tables).live.uuids.get(7)).toBeUndefined();
    const { live } = read(tables, text);
    expect(live.uuids.get(7)).toBe(UUID);
    expect(live.map).toEqual(read(tables).live.map);
  });

  it('leads to the request in a record of `xe`, which may say no number', async () => {
    const mask = record({ uuid: UUID, 'VCPUs-params': 'mask: 4,5,7' });
    const captured = read(INFO, VCPUS, PLAIN, mask, TWO_NODES_DUMP);
    expect(captured.live.map.domains[1]).toMatchObject({ name: 'db' });
    expect((await expectedOfCapture(captured)).get(7)).toMatchObject({ source: 'VCPUs-params:mask' });
  });

  it("is not believed where xapi's record of that uuid has another name", () => {
    const other = record({ uuid: UUID, 'name-label': 'other', 'VCPUs-params': 'mask: 1' });
    expect(read(INFO, twoNodesList('db'), VCPUS, PLAIN, other, TWO_NODES_DUMP).live.uuids.get(7)).toBeUndefined();
  });

  it.each([
    ['MiB', all('MiB', 2048, 4096)],
    ['bytes', all('bytes', 2 ** 31, 2 ** 32)],
    ['pages', all('pages', 524_288, 1_048_576)],
  ])('in %s, tells the sizes of domains, which is where their memory is on a host of one node', (_, text) => {
    const one = xlInfo({ host: 'beta', totalMib: 16_384, cpus: coresOf(1, 8), nodes: [[16_384, 8192, '10']] });
    const { live } = read(one, text);
    expect(live.map.domains).toMatchObject([{ pages: [2 * PAGES_PER_GIB] }, { pages: [4 * PAGES_PER_GIB] }]);
    expect(live.map.domains.map(({ vcpus }) => vcpus.length)).toEqual([2, 2]);
  });

  it('is found in an archive under any name', async () => {
    const { zipSync, strToU8 } = await import('fflate');
    const zip = zipSync({
      'bug-report/one.out': strToU8(INFO),
      'bug-report/two.out': strToU8(PLAIN),
      'bug-report/three.out': strToU8(VCPUS),
    });
    const { live } = readCapture(await readArchive(zip, 'report.zip'));
    expect(live.uuids.get(7)).toBe(UUID);
  });
});
