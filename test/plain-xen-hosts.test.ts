// Hosts of plain Xen, without xapi, by what their listings show: the commands act as xl and advise
// what xl has. Beside them the same host with xapi.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { PlanAnswer, ShowAnswer } from '../src/cli/answers/answers.js';
import { raise, readWorkload, settingsOf } from '../src/cli/input/open-host.js';
import { pageOfWorkload } from '../src/cli/output/page-inputs.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from './support/two-nodes.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-plain-xen-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** Most of its memory is on node 1, and its vCPUs prefer node 0. */
const VCPUS = twoNodesVcpus('db').replace('4-5,7 / 4-7', 'all / 0-3').replace('all / 4-7', 'all / 0-3');
const LISTS = `\n${twoNodesList('db')}\n${VCPUS}\n${TWO_NODES_DUMP}\n`;
const info = (more: Record<string, string>, tail: Record<string, string> = {}) =>
  twoNodesInfo({ more: { free_memory: '4096', ...more }, tail: { xen_version: '4.17.4', ...tail } });
const DEBIAN = info({ release: '6.1.0-28-amd64' });
const QUBES = info({ release: '6.6.63-1.qubes.fc37.x86_64' });
const XCP_NG = info({ release: '4.19.0+1' }, { xen_changeset: 'd45e5ee6a89f, pq 6cc1e1a6bf9d' });
const XE_HOST = `
uuid ( RO)                : 5a1f7c52-94f5-4b1d-9d0e-0b6a53f1c2aa
          name-label ( RW): alpha
            hostname ( RO): alpha
    software-version (MRO): product_version: 8.3.0; product_brand: XCP-ng; xapi: 25.33; xapi_build: 25.33.1
`;
const UNKNOWN = info({ release: '5.10.0' });
const VMS = file('vms.yaml', 'vms: [{ name: a, vcpus: 2, memory: 1GiB }, { name: b, vcpus: 2, memory: 1GiB }]');
const PLAIN = [
  {
    name: 'Debian',
    path: file('debian.txt', DEBIAN + LISTS),
    runs: 'xl runs this host',
    shows: 'a host of xl',
    spread: ['xl vcpu-pin s all - 4-7', `xl create s.cfg 'cpus_soft="4-7"'`],
    lasts: /ends with it\. To have it last, write into the config of the VM for xl: cpus_soft = "4-7"/,
  },
  // Its tools do not start VMs from configs of xl, but from templates of libvirt.
  {
    name: 'Qubes',
    path: file('qubes.txt', QUBES + LISTS),
    runs: 'libxl places the qubes of this host',
    shows: 'Qubes',
    spread: ['cpuset="4-7"/>', '/etc/qubes/templates/libvirt/xen/by-name/s.xml', 'qvm-shutdown --wait s && qvm-start s'],
    lasts: /ends with it\. To have it last, .* write its template in dom0: .*<vcpupin [^>]*cpuset="4-7"\/>.*\/by-name\/db\.xml/,
  },
] as const;
const XAPI = file('xcp-ng.txt', XCP_NG + LISTS);
const EITHER = file('unknown.txt', UNKNOWN + LISTS);
const text = (output: string) => output.replace(/\s+/g, ' ');

/** The same listings as a running host, and as a description of a host. */
const WAYS = ['--from', '--host'] as const;
// libxl places no VM whose vCPUs have a soft affinity.
const SPREAD = file('spread.cfg', 'name = "s"\ntype = "pvh"\nvcpus = 2\nmemory = 512\ncpus_soft = "0-7"\n');

describe.each(PLAIN.flatMap((host) => WAYS.map((way) => ({ ...host, way }))))('$name by $way', ({ path, runs, spread, way, shows }) => {
  it('plan acts as xl, and says why, unless told otherwise', () => {
    const plan = (...more: string[]) => JSON.parse(xennuma(['plan', way, path, '--vms', VMS, '--json', ...more]).out) as PlanAnswer;
    expect(plan().profile).toBe('xl');
    expect(plan('--profile', 'xapi-26.3').profile).toBe('xapi-26.3');
    const said = (...more: string[]) => text(xennuma(['plan', way, path, '--vms', VMS, ...more]).out);
    expect(said()).toContain(`note: profile xl, because the listings show ${shows}`);
    expect(said('--profile', 'xapi-26.3')).not.toContain('because the listings');
  });
  it('explain advises what the host has, unless told otherwise', () => {
    const { out } = xennuma(['explain', 's', way, path, '--vms', SPREAD]);
    for (const part of spread) expect(out).toContain(part);
    expect(text(out)).toContain(`note: profile xl, because the listings show ${shows}`);
    const asXapi = xennuma(['explain', 's', way, path, '--vms', SPREAD, '--profile', 'xapi-26.3', '--policy', 'any']).out;
    expect(asXapi).toContain('xe ');
    for (const part of spread) expect(asXapi).not.toContain(part);
  });
  it('the page of show plans as the host too', async () => {
    const named = way === '--host' ? { host: [path] } : { from: path };
    const options = { ...named, vms: [VMS], policy: 'default_policy', seed: 1 } as const;
    const { origin, vms } = await readWorkload(options);
    const page = await pageOfWorkload(await raise(origin, vms, settingsOf(options, origin), {}), options);
    expect(page.workload?.settings.profile).toBe('xl');
  });
  it('compare recommends no policy of xapi, unless told otherwise', () => {
    const asXapi = xennuma(['compare', way, path, '--vms', VMS, '--profiles', 'xapi-25.6']).out;
    expect(asXapi).toContain('xe host-param-set');
    const { out, code } = xennuma(['compare', way, path, '--vms', VMS]);
    expect(code).toBe(0);
    expect(text(out)).toContain(`Recommendation: ${runs}`);
    expect(out).not.toContain('xe host-param-set');
  });
  it('compare gives the commands of a VM that xl spreads', () => {
    const { out } = xennuma(['compare', way, path, '--vms', SPREAD]);
    for (const part of spread) expect(out).toContain(part);
  });
});

describe.each(PLAIN)('$name', ({ path, lasts }) => {
  it('place says how the affinity lasts', () => {
    const { out, code } = xennuma(['place', 'db', '--from', path]);
    expect(code).toBe(0);
    expect(text(out)).toMatch(lasts);
    expect(out).not.toContain('xe vm-param-set');
  });
});

describe('a host with xapi, without its records', () => {
  it.each(WAYS)('compare %s recommends a policy, unless told otherwise', (way) => {
    expect(xennuma(['compare', way, XAPI, '--vms', VMS]).out).toContain('xe host-param-set');
    expect(xennuma(['compare', way, XAPI, '--vms', VMS, '--profiles', 'xl']).out).not.toContain('xe ');
  });
  it.each(WAYS)('plan %s says that its version is not known', (way) => {
    expect(text(xennuma(['plan', way, XAPI, '--vms', VMS]).out)).toMatch(/profile xapi-25\.6 is assumed, .* xapi without its version/);
  });
  it.each(WAYS)('plan %s acts as the version in its records', (way) => {
    const path = file('records.txt', XCP_NG + LISTS + XE_HOST);
    const plan = JSON.parse(xennuma(['plan', way, path, '--vms', VMS, '--json']).out) as PlanAnswer;
    expect(plan.profile).toBe('xapi-25.33');
    expect(text(xennuma(['plan', way, path, '--vms', VMS]).out)).toContain('because the listings show xapi 25.33.1');
  });
  it('place says how the affinity lasts: by a mask, which names each CPU', () => {
    const { out } = xennuma(['place', 'db', '--from', XAPI]);
    expect(out).toContain('xe vm-param-set uuid=$(xe vm-list name-label=db --minimal) VCPUs-params:mask=4,5,6,7');
    expect(out).not.toContain('cpus_soft');
  });
});

describe.each(WAYS)('where the toolstack is not known, by %s,', (way) => {
  it('plan and compare say how to act as xl', () => {
    expect(text(xennuma(['plan', way, EITHER, '--vms', VMS]).out)).toMatch(/profile xapi-25\.6 is assumed, .* give --profile xl/);
    expect(text(xennuma(['compare', way, EITHER, '--vms', VMS]).out)).toContain('For a host of xl: --profiles xl.');
  });
});

it('rebalance names the commands of the host that is described', () => {
  const away = file('away.yaml', 'vms: [{ name: w, vcpus: 6, memory: 1GiB }, { name: v, vcpus: 6, memory: 5GiB }]');
  for (const { path, shows } of PLAIN) {
    const { out } = xennuma(['rebalance', '--host', path, '--vms', away]);
    expect(text(out)).toContain(`note: profile xl, because the listings show ${shows}`);
    expect(out).not.toMatch(/^ *xe /m);
  }
});

it('a listing within a page shows its toolstack too', () => {
  const path = file('page.md', `<details><summary>xl info -n</summary>\n\n${DEBIAN}\n</details>\n`);
  expect(text(xennuma(['plan', '--host', path, '--vms', VMS]).out)).toContain('note: profile xl, because');
});

it('a description that is no output of Xen has no note', () => {
  const { out } = xennuma(['plan', '--host', 'examples/hosts/two-nodes.yaml', '--vms', VMS]);
  expect(out).not.toMatch(/note: profile/);
});

it('where the toolstack is not known, place names both ways', () => {
  const { out } = xennuma(['place', 'db', '--from', EITHER]);
  expect(out).toContain('VCPUs-params:mask=4,5,6,7');
  expect(out).toContain('cpus_soft = "4-7"');
});

describe('figures that are not known', () => {
  it('are null in the JSON of show, of VMs and of their sum', () => {
    const path = file('few.txt', `${DEBIAN}\n${twoNodesList('db')}\n`);
    const { vms, totals } = JSON.parse(xennuma(['show', '--from', path, '--json']).out) as ShowAnswer;
    expect(vms).toMatchObject([
      { name: 'db', hard: null, soft: null, nodeAffinity: [1], pagesByNode: null, onOneNode: null, memoryBytes: null },
    ]);
    expect(totals).toMatchObject({ running: 1, onOneNode: null, remotePages: null, meanDistance: null });
    const without = file('fewer.txt', `${DEBIAN}\n${twoNodesList('db').replaceAll(/ NODE Affinity| [01]$/gm, '')}\n`);
    const { vms: fewer } = JSON.parse(xennuma(['show', '--from', without, '--json']).out) as ShowAnswer;
    expect(fewer).toMatchObject([{ name: 'db', nodeAffinity: null }]);
  });
  it('are numbers where they are known', () => {
    const { vms, totals } = JSON.parse(xennuma(['show', '--from', PLAIN[0].path, '--json']).out) as ShowAnswer;
    expect(vms).toMatchObject([{ hard: ['0-7'], soft: ['0-3'], nodeAffinity: [1], onOneNode: false }]);
    expect(totals).toMatchObject({ onOneNode: 0, remotePages: 786_432 });
  });
  it.each([
    ['the affinity of no vCPU', `${DEBIAN}\n${twoNodesList('db')}\n`],
    ['no domain', `${DEBIAN}\n`],
  ])('verify of a text with %s exits with 2, and says so', (lacks, listing) => {
    const path = file('nothing.txt', listing);
    const { code, err } = xennuma(['verify', '--from', path]);
    expect({ code, err }).toEqual({
      code: 2,
      err: `xennuma: ${path}: nothing to compare, ${lacks} is listed; add \`xl list -n\` and \`xl vcpu-list\`\n`,
    });
  });
  it('verify of an idle host exits with 0', () => {
    const idle = (table: string) => table.replace(/\ndb[\s\S]*/, '');
    const path = file('idle.txt', [DEBIAN, idle(twoNodesList('db')), idle(twoNodesVcpus('db')), ''].join('\n'));
    expect(xennuma(['verify', '--from', path]).code).toBe(0);
  });
});
