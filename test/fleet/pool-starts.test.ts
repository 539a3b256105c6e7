// A collector that has a pool start the fleet's VMs: `xennuma serve` is the pool, over XAPI alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { type StartedServe, startServe } from '../support/serve-process.js';
import { root, xennumaProcess } from '../xennuma.js';

const missing = natsMissing();
const folder = mkdtempSync(join(tmpdir(), 'xennuma-pool-starts-'));
const cluster = new NatsCluster({ servers: 1, port: portOf('pool-starts') });
const GIB = 2 ** 30;
const HOSTS = ['four-nodes', 'two-nodes'].map((name) => [name, `examples/hosts/${name}.yaml`] as const);
const TOPOLOGY = ['--host', ...HOSTS.map(([name, file]) => `${name}=${file}`)];
/** It has a disk. */
const TEMPLATE = 'Debian Bookworm 12';
/** On both machines. */
const CPUS_OF_NODE = 4;
let pool: StartedServe;
let collector: { readonly child: ChildProcess; readonly log: () => string };

interface PlaceAnswer {
  readonly vms: readonly {
    readonly vm: string;
    readonly host: string | null;
    readonly reason?: string;
    readonly parts: [number, number][];
  }[];
}
interface VmRecord {
  readonly name_label: string;
  readonly power_state: string;
  readonly resident_on: string;
  readonly is_a_template: boolean;
  readonly is_control_domain: boolean;
  readonly VCPUs_max: string;
  readonly VCPUs_params: Readonly<Record<string, string>>;
  readonly memory_static_max: string;
  readonly other_config: Readonly<Record<string, string>>;
}

const fleet = (...words: string[]) => xennumaProcess(['fleet', ...words, '--fleet', cluster.url], { env: { COLUMNS: '160' } });

function place(vms: string, ...more: string[]): { readonly code: number | null; readonly err: string; readonly vms: PlaceAnswer['vms'] } {
  writeFileSync(join(folder, 'vms.yaml'), `vms:\n${vms}\n`);
  const { code, out, err } = fleet('place', '--vms', join(folder, 'vms.yaml'), '--json', ...more);
  return { code, err, vms: out === '' ? [] : (JSON.parse(out) as PlaceAnswer).vms };
}

async function guests(): Promise<Map<string, VmRecord>> {
  const records = (await pool.call('VM.get_all_records')) as Readonly<Record<string, VmRecord>>;
  const own = Object.values(records).filter(({ is_a_template, is_control_domain }) => !is_a_template && !is_control_domain);
  return new Map(own.map((vm) => [vm.name_label, vm]));
}

async function hostOf(vm: string): Promise<string> {
  return (await pool.call('host.get_name_label', (await guests()).get(vm)!.resident_on)) as string;
}

/** A VM with an own disk, made as by another client of the pool. */
async function clone(name: string): Promise<string> {
  const [template] = (await pool.call('VM.get_by_name_label', 'Other install media')) as string[];
  const vm = (await pool.call('VM.clone', template, name)) as string;
  await pool.call('VM.provision', vm);
  const [storage] = (await pool.call('SR.get_by_name_label', 'shared')) as string[];
  const disk = await pool.call('VDI.create', { name_label: name, SR: storage, virtual_size: GIB, type: 'user' });
  const drive = { VM: vm, VDI: disk, userdevice: '0', mode: 'RW', type: 'Disk', empty: false, other_config: { owner: '' } };
  await pool.call('VBD.create', drive);
  return vm;
}

const diskNumber = async () => ((await pool.call('VDI.get_all')) as string[]).length;

/** Of VMs and of templates. */
const namedSo = async (name: string) => ((await pool.call('VM.get_by_name_label', name)) as string[]).length;

/** Until the command prints it. */
async function shows(text: RegExp, ...words: string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { out, err } = fleet(...words);
    if (text.test(out)) return out;
    if (tries === 60) throw new Error(`never printed ${text}: ${out}${err}${collector.log()}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

/** @param every seconds between readings: what a start has changed is read at once */
async function collect(every: number): Promise<void> {
  const words = ['fleet', 'collect', '--pool', `http://127.0.0.1:${pool.port}`, ...TOPOLOGY, '--start', TEMPLATE, '--every', String(every)];
  const child = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words, '--fleet', cluster.url], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  collector = { child, log: () => log };
  await new Promise<void>((ready, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        log += data.toString();
        if (log.includes('collecting four-nodes, two-nodes')) ready();
      });
    }
    child.once('exit', () => failed(new Error(log)));
  });
}

async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const ended = new Promise((done) => collector.child.once('exit', done));
  collector.child.kill(signal);
  await ended;
}

beforeAll(async () => {
  if (missing !== null) return;
  await cluster.start();
  pool = await startServe(join(folder, 'state'), { hosts: HOSTS.map(([, file]) => join(root, file)) });
  // Storage that both hosts have.
  const [owner] = (await pool.call('pool.get_all')) as string[];
  const [host] = (await pool.call('host.get_all')) as string[];
  const shared = await pool.call('SR.create', host, { server: 'nfs', serverpath: '/vms' }, 0, 'shared', '', 'nfs', 'user', true, {});
  await pool.call('pool.set_default_SR', owner, shared);
  await collect(86_400);
}, 120_000);

afterAll(async () => {
  collector?.child.kill('SIGKILL');
  pool?.child.kill('SIGKILL');
  await cluster.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== null)('a pool that starts VMs of a fleet', () => {
  it('starts them on the chosen hosts and the CPUs of the claimed nodes, as clones of the template', async () => {
    await shows(/four-nodes +up [\s\S]*two-nodes +up /, 'show');
    const disks = await diskNumber();
    const vms = [
      ...place('  - { name: web, vcpus: 2, memory: 1GiB, count: 2 }', '--apart').vms,
      ...place('  - { name: db, vcpus: 4, memory: 3GiB }').vms,
    ];
    expect(new Set(vms.slice(0, 2).map(({ host }) => host))).toEqual(new Set(['four-nodes', 'two-nodes']));
    const made = await guests();
    for (const { vm, host, parts } of vms) {
      const { power_state, VCPUs_max, VCPUs_params, memory_static_max, other_config } = made.get(vm)!;
      expect({ vm, power_state, host: await hostOf(vm) }).toEqual({ vm, power_state: 'Running', host });
      expect([Number(VCPUs_max), Number(memory_static_max)]).toEqual(vm === 'db' ? [4, 3 * GIB] : [2, GIB]);
      const cpus = parts.flatMap(([node]) => Array.from({ length: CPUS_OF_NODE }, (_, cpu) => node * CPUS_OF_NODE + cpu));
      expect(VCPUs_params.mask).toBe(cpus.join(','));
      expect(Object.keys(other_config)).toContain('xennuma-fleet-claim');
      expect(Object.keys(other_config)).not.toContain('xennuma-fleet-starting');
    }
    expect(await diskNumber()).toBe(disks + 3);
    await shows(/2 hosts, 2 answering; 3 VMs/, 'show');
    expect(fleet('explain', 'db').out).toMatch(/^db runs on (four|two)-nodes: /);
  }, 120_000);

  it('refuses names of VMs that are off in the pool', async () => {
    await clone('archive');
    // The collector learns of it with its next reading: a start makes one.
    expect(place('  - { name: more, vcpus: 1, memory: 1GiB }').code).toBe(0);
    expect(place('  - { name: archive, vcpus: 1, memory: 1GiB }')).toMatchObject({
      code: 2,
      err: expect.stringContaining('archive on '),
    });
  }, 120_000);

  it('tries the next host when the pool refuses for want of memory, and leaves nothing of the first start', async () => {
    // Started behind the collector's back, which does not read again: its picture has that room.
    const dry = place('  - { name: late, vcpus: 1, memory: 5GiB }', '--dry-run').vms[0]!.host!;
    const [full] = (await pool.call('host.get_by_name_label', dry)) as string[];
    const bytes = String(Math.floor((Number(await pool.call('host.compute_free_memory', full)) * 0.9) / GIB) * GIB);
    const large = await clone('large');
    await pool.call('VM.set_memory_limits', large, bytes, bytes, bytes, bytes);
    await pool.call('VM.start_on', large, full, false, false);
    const disks = await diskNumber();
    const [late] = place('  - { name: late, vcpus: 1, memory: 5GiB }').vms;
    expect(late).toMatchObject({ vm: 'late', host: HOSTS.map(([name]) => name).find((name) => name !== dry) });
    expect(await hostOf('late')).toBe(late!.host);
    expect(await diskNumber()).toBe(disks + 1);
    expect(await namedSo('late')).toBe(1);
    await pool.call('VM.hard_shutdown', large);
  }, 120_000);

  it('drains a host on request: no more VMs, until it is undone', async () => {
    fleet('drain', 'four-nodes');
    await shows(/four-nodes +draining /, 'show');
    expect(place('  - { name: elsewhere, vcpus: 1, memory: 1GiB }').vms).toMatchObject([{ host: 'two-nodes' }]);
    fleet('drain', 'four-nodes', '--undo');
    await shows(/four-nodes +up /, 'show');
    fleet('drain', 'two-nodes');
    await shows(/two-nodes +draining /, 'show');
    expect(place('  - { name: here, vcpus: 1, memory: 1GiB }').vms).toMatchObject([{ host: 'four-nodes' }]);
  }, 120_000);

  it('after a collector that was killed during starts: what runs stays and counts, what never ran is gone', async () => {
    await end('SIGKILL');
    for (const name of ['ran', 'never']) {
      const vm = await clone(name);
      await pool.call('VM.add_to_other_config', vm, 'xennuma-fleet-starting', 'true');
      if (name === 'ran') await pool.call('VM.start', vm, false, false);
    }
    const disks = await diskNumber();
    await collect(86_400);
    expect(await diskNumber()).toBe(disks - 1);
    expect(collector.log()).toContain('never ran and were destroyed: never');
    const left = await guests();
    expect([left.has('never'), left.get('ran')?.power_state]).toEqual([false, 'Running']);
    expect(Object.keys(left.get('ran')!.other_config)).not.toContain('xennuma-fleet-starting');
    await shows(/four-nodes +up /, 'show');
    expect(place('  - { name: again, vcpus: 1, memory: 1GiB }').code).toBe(0);
  }, 120_000);

  it('names a template that the pool does not have', () => {
    const words = ['--pool', `http://127.0.0.1:${pool.port}`, ...TOPOLOGY];
    expect(fleet('collect', ...words, '--start', 'no-such')).toMatchObject({
      code: 2,
      err: expect.stringContaining("one template 'no-such'"),
    });
    expect(fleet('collect', '--from', 'ssh://a', '--start', TEMPLATE)).toMatchObject({
      code: 2,
      err: expect.stringContaining('--pool without --ssh'),
    });
  }, 120_000);
});
