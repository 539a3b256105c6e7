// Whole status reports in the layouts that xen-bugtool writes: each command reads them, whatever
// else is in the archive.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { ARCHIVE_LIMITS, readArchive } from '../src/live/capture/archive/archive.js';
import { readCapture } from '../src/live/capture/captured-host.js';
import { type TarEntry, tarOf } from './support/tar.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesVcpus } from './support/two-nodes.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-reports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GUEST = 'data base';
const UUID = 'aaaaaaaa-0000-4000-8000-000000000007';
const HOST = 'bbbbbbbb-0000-4000-8000-00000000000a';
interface Release {
  readonly xen: string;
  readonly kernel: string;
  readonly brand: string;
  readonly product: string;
  readonly xapi?: string;
}
const RELEASES: Readonly<Record<string, Release>> = {
  'XenServer 7.1': { xen: '4.7.6-6.9', kernel: '4.4.0+10', brand: 'XenServer', product: '7.1.2' },
  'XenServer 7.6': { xen: '4.7.6-6.2', kernel: '4.4.0+10', brand: 'XenServer', product: '7.6.0' },
  'XenServer 8': { xen: '4.17.5-14', kernel: '4.19.0+1', brand: 'XenServer', product: '8.4.0', xapi: '25.27.0' },
  'XCP-ng 8.2': { xen: '4.13.5-9.40', kernel: '4.19.0+1', brand: 'XCP-ng', product: '8.2.1', xapi: '1.249.41' },
  'XCP-ng 8.3': { xen: '4.17.5-15', kernel: '4.19.0+1', brand: 'XCP-ng', product: '8.3.0', xapi: '26.1.4' },
};

/** Names as construct_filename of xen-bugtool makes them: commands with hyphens, files by path. */
function entriesOf({ xen, kernel, brand, product, xapi }: Release): Record<string, string> {
  const info = twoNodesInfo({ more: { release: kernel }, tail: { xen_version: xen } });
  const row = (fields: Readonly<Record<string, string>>) =>
    `<row ${Object.entries(fields)
      .map(([key, value]) => `${key}="${value.replaceAll(' ', '%.')}"`)
      .join(' ')}/>`;
  const vm = { ref: 'OpaqueRef:v', uuid: UUID, name__label: GUEST, domid: '7', power_state: 'Running', resident_on: 'OpaqueRef:h' };
  const build = xapi === undefined ? '' : ` ('xapi_build' '${xapi}')`;
  const software = `(('product_version' '${product}') ('product_brand' '${brand}')${build})`;
  const host = { ref: 'OpaqueRef:h', uuid: HOST, name__label: 'alpha', hostname: 'alpha', software_version: software };
  const more = { is_a_template: 'false', VCPUs__params: '()', VCPUs__at_startup: '2', memory__target: '4294967296' };
  return {
    'inventory.xml': '<?xml version="1.0"?>\n<system-status-inventory build="1" hostname="alpha"/>\n',
    'xl-info.out': info.replace(/^cpu_topology[\s\S]*/m, ''),
    'xl-info-n.out': info,
    'xl-dmesg.out': `(XEN) Xen version ${xen}\n(XEN) SRAT: PXM 0 -> APIC 00 -> Node 0\n${TWO_NODES_DUMP}`,
    'xl-vcpu-list.out': twoNodesVcpus(GUEST),
    'list_domains.out': `id |                                 uuid |  state\n 0 | 00000000-0000-0000-0000-000000000000 |     R\n 7 | ${UUID} |     B\n`,
    'xenstore-ls-f.out': `/local/domain/7/name = "${GUEST}"\n/local/domain/7/vm = "/vm/${UUID}"\n`,
    'xapi-db.xml': `<?xml version="1.0" encoding="utf-8"?>\n<database><manifest/><table name="VM">${row({ ...vm, ...more })}</table><table name="host">${row(host)}</table></database>`,
    'lspci-vv.out': '00:00.0 Host bridge\n'.repeat(200),
    'proc/cpuinfo': 'processor\t: 0\nvendor_id\t: GenuineIntel\n',
    'etc/xensource-inventory': `INSTALLATION_UUID='${HOST}'\nPRODUCT_BRAND='${brand}'\n`,
    'var/log/xensource.log': 'Jan  1 00:00:00 alpha xapi: nothing of Xen\n'.repeat(2000),
    'var/log/xen/hypervisor.log': `(XEN) [    0.000000] Xen version ${xen}\n`,
  };
}

const ROOT = 'bug-report-20260301120000';
const inRoot = (entries: Readonly<Record<string, string>>): TarEntry[] =>
  Object.entries(entries).map(([name, content]) => ({ name: `${ROOT}/${name}`, content }));
const bzip2 = (bytes: Uint8Array) => execFileSync('bzip2', ['-c'], { input: bytes, maxBuffer: 2 ** 28 });
const FORMS: Readonly<Record<string, (entries: Record<string, string>) => Uint8Array>> = {
  'tar.bz2': (entries) => bzip2(tarOf(inRoot(entries))),
  tgz: (entries) => gzipSync(tarOf(inRoot(entries))),
  tar: (entries) => tarOf(inRoot(entries)),
  zip: (entries) => zipSync(Object.fromEntries(Object.entries(entries).map(([name, text]) => [`${ROOT}/${name}`, Buffer.from(text)]))),
  // XenCenter puts the report of each host into a folder of its own.
  'nested.zip': (entries) =>
    zipSync(Object.fromEntries(Object.entries(entries).map(([name, text]) => [`status/alpha/${ROOT}/${name}`, Buffer.from(text)]))),
};
const VMS = join(folder, 'vms.yaml');
writeFileSync(VMS, 'vms: [{ name: new, vcpus: 1, memory: 128MiB }]');

const COMMANDS: Readonly<Record<string, (file: string) => string[]>> = {
  show: (file) => ['show', '--from', file],
  verify: (file) => ['verify', '--from', file],
  explain: (file) => ['explain', GUEST, '--from', file],
  plan: (file) => ['plan', '--from', file, '--vms', VMS, '--policy', 'best_effort'],
  compare: (file) => ['compare', '--from', file, '--vms', VMS, '--profiles', 'xapi-26.3'],
  'place --dry-run': (file) => ['place', GUEST, '--from', file, '--dry-run'],
  rebalance: (file) => ['rebalance', '--from', file],
};

describe.each(Object.entries(RELEASES))('a status report of %s', (name, release) => {
  const entries = entriesOf(release);
  const unpacked = join(folder, name, 'report');
  for (const [path, text] of Object.entries(entries)) {
    mkdirSync(dirname(join(unpacked, path)), { recursive: true });
    writeFileSync(join(unpacked, path), text);
  }
  // Each release in one of the forms for all commands, and in the others for the first.
  const forms = Object.entries(FORMS);
  const own = Object.keys(RELEASES).indexOf(name) % forms.length;
  it.each(forms.map(([ending, pack], at) => [ending, pack, at === own ? Object.keys(COMMANDS) : ['show']] as const))(
    'as %s, as the unpacked folder',
    (ending, pack, commands) => {
      const file = join(folder, `${name}.${ending}`);
      writeFileSync(file, pack(entries));
      for (const command of commands) {
        const [packed, plain] = [file, unpacked].map((source) => {
          const { code, out, err } = xennuma(COMMANDS[command]!(source));
          return { code, words: `${out}${err}`.replaceAll(source, 'SOURCE').replaceAll(/\s+/g, ' ') };
        });
        expect(packed, command).toEqual(plain);
        expect([0, 1], packed!.words).toContain(packed!.code);
      }
    },
  );

  it('has the memory of the dump, the masks of the table, and the version of the records', async () => {
    const { live, xapi, toolstack } = readCapture(await readArchive(FORMS.zip!(entries), 'report.zip'));
    const domain = live.map.domains.find(({ domid }) => domid === 7)!;
    expect(domain).toMatchObject({ name: GUEST });
    expect(domain.pages.reduce((sum, pages) => sum + pages, 0)).toBeGreaterThan(0);
    expect(domain.masksUnknown).not.toBe(true);
    expect(live.uuids.get(7)).toBe(UUID);
    expect([toolstack, xapi.hosts[0]!.uuid]).toEqual(['xapi', HOST]);
  });
});

describe('odd entries', () => {
  const entries = entriesOf(RELEASES['XCP-ng 8.3']!);
  const whole = inRoot(entries);
  const pagesOf = async (tar: Uint8Array, limits = ARCHIVE_LIMITS) =>
    readCapture(await readArchive(tar, 'report.tar', limits)).live.map.domains.find(({ domid }) => domid === 7)?.pages;

  it.each<[string, readonly TarEntry[]]>([
    ['symbolic links, also to files of this machine', [{ name: `${ROOT}/var/log/messages`, type: '2', link: '/etc/shadow' }]],
    [
      'hard links and pipes',
      [
        { name: `${ROOT}/a`, type: '1', link: `${ROOT}/xl-info-n.out` },
        { name: `${ROOT}/pipe`, type: '6' },
      ],
    ],
    ['an absolute name', [{ name: '/etc/cron.d/x', content: 'nothing of Xen' }]],
    ['a name that leads out of the folder', [{ name: '../../etc/cron.d/x', content: 'nothing of Xen' }]],
    ['one listing twice, the same', [{ name: `${ROOT}/xl-info-n.out`, content: entries['xl-info-n.out']! }]],
    ['an empty file and a folder', [{ name: `${ROOT}/empty` }, { name: `${ROOT}/var/`, type: '5' }]],
  ])('%s change nothing', async (_, odd) => {
    const plain = await pagesOf(tarOf(whole));
    expect(plain).toBeDefined();
    expect(await pagesOf(tarOf([...odd, ...whole]))).toEqual(plain);
    expect(await pagesOf(tarOf([...whole, ...odd]))).toEqual(plain);
  });

  it('a listing of another host under the same name is refused', async () => {
    const other = entries['xl-info-n.out']!.replace(/^(total_memory *): \d+/m, '$1: 12288');
    await expect(pagesOf(tarOf([...whole, { name: `${ROOT}/xl-info-n.out`, content: other }]))).rejects.toThrow(
      /differ in total_memory: 16384 and 12288/,
    );
  });

  it('a huge file of zeros counts, packed however small', async () => {
    const zeros = new Uint8Array(8 * 2 ** 20);
    const tar = tarOf([...whole, { name: `${ROOT}/var/crash/core`, content: zeros }]);
    const size = whole.reduce((sum, { content }) => sum + Buffer.byteLength(content as string), 0) + zeros.length;
    for (const pack of [gzipSync, bzip2]) {
      const packed = pack(tar);
      expect(packed.length).toBeLessThan(100_000);
      expect(await pagesOf(packed, { ...ARCHIVE_LIMITS, totalBytes: size })).toBeDefined();
      await expect(pagesOf(packed, { ...ARCHIVE_LIMITS, totalBytes: size - 1 })).rejects.toThrow(/expected at most .* MiB in the archive/);
    }
  });

  it('a report that was cut off is damaged, and the error says so', () => {
    for (const [ending, pack] of Object.entries(FORMS)) {
      const file = join(folder, `cut.${ending}`);
      const bytes = pack(entries);
      writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length * 0.7)));
      for (const [command, words] of Object.entries(COMMANDS)) {
        const { code, err } = xennuma(words(file));
        expect([code, err], command).toEqual([2, expect.stringMatching(/^xennuma: .*cut\..*: the archive is damaged.*; take it again/)]);
      }
    }
  });

  it('a zip with the archives of hosts in it says which', () => {
    const file = join(folder, 'pool.zip');
    writeFileSync(file, zipSync({ 'alpha.tar.bz2': FORMS['tar.bz2']!(entries), 'beta.tar.bz2': FORMS['tar.bz2']!(entries) }));
    expect(xennuma(['show', '--from', file]).err).toMatch(
      /found none, but 2 other archives: alpha\.tar\.bz2, beta\.tar\.bz2; give that of one host alone/,
    );
  });
});
