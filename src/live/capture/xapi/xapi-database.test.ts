// xapi's database in a status report: twice, with its blanks as xapi writes them, and with hosts
// and VMs of a whole pool.
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesVcpus } from '../../../../test/support/two-nodes.js';
import { expectedOfCapture } from '../../expected-of-capture.js';
import { shownProfile } from '../../seen-profile.js';
import { readArchive } from '../archive/archive.js';
import { readCapture } from '../captured-host.js';

const DB_UUID = 'aaaaaaaa-0000-4000-8000-000000000007';
/** Blanks within attributes as ocaml/database/xml_spaces.ml writes them. */
const row = (fields: Readonly<Record<string, string>>) =>
  `<row ${Object.entries(fields)
    .map(([key, value]) => `${key}="${value.replaceAll('%', '%%').replaceAll(' ', '%.').replaceAll('\n', '%n')}"`)
    .join(' ')}/>`;
const vm = (uuid: string, name: string, domid: string, host: string, params: string) =>
  row({
    ref: `OpaqueRef:${uuid}`,
    ...{ uuid, name__label: name, domid, power_state: domid === '-1' ? 'Halted' : 'Running' },
    resident_on: host === '' ? 'OpaqueRef:NULL' : `OpaqueRef:${host}`,
    ...{ is_a_template: 'false', VCPUs__params: params, VCPUs__at_startup: '2', memory__target: '4294967296' },
  });
const host = (name: string, hostname: string, build: string) =>
  row({
    ref: `OpaqueRef:${name}`,
    uuid: `bbbbbbbb-0000-4000-8000-0000000000${name}`,
    ...{ name__label: `Rack 4 ${name}`, hostname, numa_affinity_policy: 'default_policy' },
    software_version: `(('product_version' '8.3.0') ('product_brand' 'XCP-ng') ('xapi_build' '${build}'))`,
  });
/** xapi's tables of VMs and hosts. */
const BODY = `<database><manifest><pair key="schema_major_vsn" value="5"/></manifest>
<table name="VM">${[
  vm(DB_UUID, 'data base', '7', '0a', "(('weight' '256') ('mask' '4,5,6,7'))"),
  vm('aaaaaaaa-0000-4000-8000-000000000008', 'data base', '7', '0b', "(('mask' '0,1'))"),
  vm('aaaaaaaa-0000-4000-8000-000000000009', 'off', '-1', '', '()'),
].join('')}</table>
<table name="host">${host('0a', 'alpha', '25.33.1')}${host('0b', 'beta', '25.6.0')}</table></database>`;
const DATABASE = `<?xml version="1.0" encoding="utf-8"?>\n${BODY}`;
const LISTINGS = {
  'xl-info-n.out': twoNodesInfo({ more: { release: '4.19.0+1' } }),
  'xl-info.out': twoNodesInfo({ more: { release: '4.19.0+1' } }).replace(/^cpu_topology[\s\S]*/m, ''),
  'xl-vcpu-list.out': twoNodesVcpus('data base'),
  'xl-dmesg.out': TWO_NODES_DUMP,
};

async function captured(entries: Readonly<Record<string, string>>) {
  const files = Object.entries(entries).map(([name, text]) => [`bug-report-20260101120000/${name}`, Buffer.from(text)] as const);
  return readCapture(await readArchive(zipSync(Object.fromEntries(files)), 'report.zip'));
}

describe.each([
  ['both databases', { 'xapi-db.xml': DATABASE, 'xapi-db-dumped.xml': DATABASE }],
  ['the one on the disk', { 'xapi-db.xml': DATABASE }],
  ['one without a line end behind its first tag', { 'xapi-db-dumped.xml': DATABASE.replace('?>\n', '?>') }],
])('a status report with %s', (_, databases) => {
  it('has each host and VM once, with the version and the masks', async () => {
    const { xapi, live } = await captured({ ...LISTINGS, ...databases });
    expect(xapi.hosts.map(({ name }) => name)).toEqual(['Rack 4 0a', 'Rack 4 0b']);
    expect(xapi.vms.map(({ name, mask }) => [name, mask])).toEqual([
      ['data base', '4,5,6,7'],
      ['data base', '0,1'],
      ['off', undefined],
    ]);
    // Two VMs of the pool have this name and this domid: the host tells them apart.
    expect(live.uuids.get(7)).toBe(DB_UUID);
  });

  it('tells the profile of its own host, and what was requested of its domains', async () => {
    const report = await captured({ ...LISTINGS, ...databases });
    expect(shownProfile(report)).toMatchObject({ profile: 'xapi-25.33', why: expect.stringContaining('xapi 25.33.1') });
    const expected = await expectedOfCapture(report);
    expect(expected.get(7)?.hard).toEqual([
      [4, 5, 6, 7],
      [4, 5, 6, 7],
    ]);
  });
});

it('a later listing of a VM takes a mask away, and keeps where the VM runs', async () => {
  const later = `uuid ( RO)             : ${DB_UUID}\n     name-label ( RW): data base\n   VCPUs-params (MRW): weight: 256\n`;
  const texts = [...Object.values(LISTINGS), DATABASE, later].map((text, at) => ({ file: `${at}.txt`, text }));
  const [first] = readCapture(texts).xapi.vms;
  expect(first).toEqual({
    uuid: DB_UUID,
    name: 'data base',
    running: { domid: 7, hostUuid: 'bbbbbbbb-0000-4000-8000-00000000000a', vcpus: 2, memoryBytes: 4_294_967_296 },
  });
});
