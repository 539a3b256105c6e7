// The hosts of a pool, found by XAPI: each read over ssh, several at once, or described by files.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GIB } from '../src/base/units.js';
import type { ShowAnswer, VerifyPoolAnswer } from '../src/cli/answers/answers.js';
import { type FakeHost, fakeHost } from './support/fake-host.js';
import { FAR_UUIDS, FarHosts, farFiles, farXapi } from './support/far-hosts.js';
import { type CommandResult, root, xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-pool-ssh-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const UUID = (last: string) => `00000000-0000-4000-8000-00000000000${last}`;

let pool: FakeHost;
let hosts: FarHosts;
let words: string[];

const hostRow = (name: string, address: string, nodes: number) => ({
  uuid: UUID(name.slice(-1)),
  name_label: name,
  address,
  metrics: `OpaqueRef:m-${name}`,
  cpu_info: { cpu_count: '4', socket_count: String(nodes), nr_nodes: String(nodes) },
  numa_affinity_policy: 'best_effort',
  guest_VCPUs_params: {},
  software_version: { xapi_build: '25.33.1', product_brand: 'XCP-ng', product_version: '8.3.0' },
});
const vmRow = (name: string, host: string, domid: number, uuid: string) => ({
  ...{ uuid, name_label: name, power_state: 'Running', resident_on: `OpaqueRef:${host}`, domid: String(domid) },
  ...{ is_a_template: false, is_a_snapshot: false, is_control_domain: false, domain_type: 'hvm', metrics: `OpaqueRef:m-${name}` },
  ...{ VCPUs_max: '1', VCPUs_at_startup: '1', VCPUs_params: {}, memory_static_max: String(GIB), memory_dynamic_max: String(GIB) },
});
const metricsRow = { memory_total: String(8 * GIB), memory_free: String(3 * GIB) };

beforeAll(async () => {
  pool = await fakeHost({
    pool: { 'OpaqueRef:pool': { name_label: 'the pool' } },
    host: {
      'OpaqueRef:host-1': hostRow('host-1', '10.0.0.1', 2),
      'OpaqueRef:host-2': hostRow('host-2', '10.0.0.2', 2),
      'OpaqueRef:host-3': hostRow('host-3', '10.0.0.3', 2),
    },
    host_metrics: { 'OpaqueRef:m-host-1': metricsRow, 'OpaqueRef:m-host-2': metricsRow, 'OpaqueRef:m-host-3': metricsRow },
    VM: {
      'OpaqueRef:web': vmRow('web', 'host-1', 5, FAR_UUIDS.web),
      'OpaqueRef:mail': vmRow('mail', 'host-2', 5, UUID('9')),
    },
    VM_metrics: {
      'OpaqueRef:m-web': { numa_nodes: '1', numa_optimised: true, numa_node_memory: { 1: String(GIB) } },
      'OpaqueRef:m-mail': { numa_nodes: '2', numa_optimised: false, numa_node_memory: { 0: String(GIB / 2), 1: String(GIB / 2) } },
    },
  });
  const file = join(folder, 'pw');
  writeFileSync(file, 'root\nsecret\n');
  words = ['--pool', `http://127.0.0.1:${pool.port}`, '-pwf', file];
});
afterAll(() => pool.close());
beforeEach(() => {
  hosts = new FarHosts(mkdtempSync(join(folder, 'case-')));
  hosts.add('10.0.0.1', { ...farFiles('host-1'), ...farXapi('host-1') });
  hosts.add('10.0.0.2', farFiles('host-2', 'mail'));
});
afterEach(() => {
  pool.calls.length = 0;
});

/** Beside this process, which answers as the pool. */
function run(...args: string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, ['dist/xennuma.js', ...args], {
    cwd: root,
    env: { ...process.env, PATH: hosts.path, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += String(chunk);
  });
  return new Promise((done) => child.once('close', (code) => done({ code, out, err })));
}

/** Where this process need not answer. */
const runAlone = (...args: string[]): CommandResult => xennuma(args, { env: { PATH: hosts.path, NO_COLOR: '1' } });

const sshTo = () =>
  [...new Set(hosts.sshCalls.filter((call) => call.endsWith('sh -s')).map((call) => / -- (\S+) /.exec(call)?.[1]))].sort();

describe('--pool --ssh', { timeout: 300_000 }, () => {
  it('verify reads every host; one that ssh does not reach hides no other, and makes 3', async () => {
    const { code, out, err } = await run('verify', ...words, '--ssh');
    expect(err).toMatch(/^xennuma: 10\.0\.0\.3 cannot be reached by ssh: .*No route to host; /);
    expect(out).toMatch(/^host-1, Xen 4\.17[\s\S]*^web [\s\S]*\n\nhost-2, Xen 4\.17[\s\S]*^mail /m);
    expect(code).toBe(/ DRIFT$/m.test(out) ? 1 : 3);
    expect(sshTo()).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(hosts.sshCalls.every((call) => / -l root /.test(call))).toBe(true);
  });

  it('a named VM is looked for on its host alone, by name or uuid', async () => {
    for (const name of ['web', FAR_UUIDS.web]) {
      const { out, err } = await run('verify', name, ...words, '--ssh', '--json');
      expect(err).toBe('');
      expect(JSON.parse(out)).toMatchObject({ host: 'host-1', domains: [{ name: 'web', domid: 5 }] });
    }
    expect(sshTo()).toEqual(['10.0.0.1']);
    expect(await run('verify', 'nobody', ...words, '--ssh')).toMatchObject({
      code: 2,
      err: expect.stringContaining("there is no VM 'nobody'"),
    });
  });

  it('explain finds the host of the VM; show draws those that are there', async () => {
    const { code, out } = await run('explain', 'mail', ...words, '--ssh');
    expect(code).toBe(0);
    expect(out).toMatch(/^mail \(domain 5\) as ssh:\/\/root@10\.0\.0\.2 has it$/m);
    const shown = await run('show', ...words, '--ssh', '--pool-host', 'host-2', '--json');
    expect(JSON.parse(shown.out) as ShowAnswer).toMatchObject({ host: { name: 'host-2', nodes: [{}, {}] } });
    expect(await run('show', ...words, '--ssh', '--svg', join(folder, 'x.svg'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('--svg draws one host, got 3'),
    });
  });

  it('plan takes the topology from the host itself', async () => {
    const vms = join(folder, 'new.yaml');
    writeFileSync(vms, 'vms:\n  - { name: new, vcpus: 1, memory: 512MiB }\n');
    const { code, out, err } = await run('plan', ...words, '--ssh', '--pool-host', 'host-1', '--vms', vms, '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({
      host: {
        distances: [
          [10, 21],
          [21, 10],
        ],
      },
      vms: [{ name: 'new', state: 'running' }],
    });
  });

  it.each([
    [['show', '--ssh'], '--ssh needs --pool'],
    [['verify', '--ssh'], '--ssh needs --pool'],
    [['plan', '--ssh'], '--ssh needs --pool'],
    [['compare', '--ssh'], '--ssh needs --pool'],
    [['show', '--pool', 'x', '--ssh', '--host', 'examples/hosts/two-nodes.yaml'], 'expected --ssh or --host, got both'],
    [['verify', '--pool', 'x', '--ssh', '--profile', 'xapi-25.6'], 'expected --ssh or --profile, got both'],
  ])('%j is refused', (args, message) => {
    expect(runAlone(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
  });
});

describe('--from with several hosts', { timeout: 300_000 }, () => {
  it('names are looked for on all of them', () => {
    const both = ['--from', 'ssh://10.0.0.1,ssh://10.0.0.2'];
    expect(runAlone('explain', 'mail', ...both).out).toMatch(/^mail \(domain 5\) as ssh:\/\/10\.0\.0\.2 has it$/m);
    expect(runAlone('explain', 'pinned', ...both)).toMatchObject({
      code: 2,
      err: expect.stringContaining("'pinned' is on ssh://10.0.0.1 and ssh://10.0.0.2"),
    });
    expect(runAlone('verify', 'nobody', ...both)).toMatchObject({
      code: 2,
      err: expect.stringContaining("none of the 2 hosts has a domain 'nobody'"),
    });
    const { out } = runAlone('verify', 'web', ...both);
    expect(out).toContain('host-1');
    expect(out).not.toContain('host-2');
  });

  it('a name that the host out of reach may have is not said to be missing', () => {
    const { code, err } = runAlone('verify', 'nobody', '--from', 'ssh://10.0.0.1,ssh://10.0.0.9');
    expect(code).toBe(3);
    expect(err).toContain('10.0.0.9 cannot be reached');
  });
});

describe('--pool with files', { timeout: 300_000 }, () => {
  it('verify judges each host by its own file; the one without a file is said, and hides no other', async () => {
    const [one, two] = [join(folder, 'one.txt'), join(folder, 'two.txt')];
    writeFileSync(one, farFiles('host-1').info);
    writeFileSync(two, farFiles('host-2').info);
    const { code, out } = await run('verify', ...words, '--host', `host-1=${one}`, `host-2=${two}`, '--json');
    const answer = JSON.parse(out) as VerifyPoolAnswer;
    expect(answer.hosts.map(({ host, vms, drift }) => [host, vms, drift])).toEqual([
      ['host-1', 1, 0],
      ['host-2', 1, 1],
      ['host-3', 0, 0],
    ]);
    expect(answer.hosts.map(({ fault }) => fault === null)).toEqual([true, true, false]);
    expect(answer.vms.map(({ vm, host, onOneNode, state }) => [vm, host, onOneNode, state])).toEqual([
      ['web', 'host-1', true, 'ok'],
      ['mail', 'host-2', false, 'drift'],
    ]);
    expect(code).toBe(1);
    // Each table bears the name of its host.
    const tables = await run('verify', ...words, '--host', `host-1=${one}`, `host-2=${two}`);
    expect(tables.out).toMatch(/^host-1\nVM .*\nweb .*\n[\s\S]*^host-2\nVM .*\nmail /m);
    // Without drift, the host that was not verified decides.
    expect((await run('verify', 'web', ...words, '--host', `host-1=${one}`)).code).toBe(0);
    const described = await run('verify', ...words, '--pool-host', 'host-3', '--host', `host-1=${one}`);
    expect(described).toMatchObject({ code: 2, err: expect.stringContaining("'host-3' has 2 nodes") });
  });

  it('https to a port of plain http: said in those words', async () => {
    const { code, err } = await run('show', '--pool', `https://127.0.0.1:${pool.port}`);
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining('this is not TLS; check the port, or use http://') });
  });
});
