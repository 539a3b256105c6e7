// Hosts without anything of ours, read over ssh, in a fleet on a real server.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FarHosts, farFiles } from '../support/far-hosts.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root, xennumaProcess } from '../xennuma.js';

const missing = natsMissing();
const folder = mkdtempSync(join(tmpdir(), 'xennuma-collect-'));
const cluster = new NatsCluster({ servers: 1, port: portOf('collect') });
const hosts = new FarHosts(folder);
let collector: ChildProcess | null = null;

const fleet = (...words: string[]) => xennumaProcess(['fleet', ...words, '--fleet', cluster.url], { env: { COLUMNS: '140' } });

/** Until the command prints it. */
async function shows(text: RegExp, ...words: string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { out, err } = fleet(...words);
    if (text.test(out)) return out;
    if (tries === 60) throw new Error(`never printed ${text}: ${out}${err}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

beforeAll(async () => {
  if (missing !== null) return;
  await cluster.start();
  hosts.add('alpha', farFiles('alpha'));
  hosts.add('beta', farFiles('beta', 'mail'));
  const words = ['fleet', 'collect', '--from', 'ssh://root@alpha,ssh://beta', '--every', '1', '--fleet-tag', 'old', '--fleet', cluster.url];
  collector = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...process.env, PATH: hosts.path },
  });
}, 120_000);

afterAll(async () => {
  collector?.kill('SIGKILL');
  await cluster.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== null)('hosts read over ssh', () => {
  it('are shown with the free memory that xl tells, and found out where memory is away from vCPUs', async () => {
    const out = await shows(/alpha +watched [\s\S]*beta +watched /, 'show');
    // numa_info: 2048 and 1024 MiB are free.
    expect(out).toMatch(/alpha +watched +\d+ +\d+ +0 +2 1 +8 GiB .* old\n/);
    expect(fleet('explain', 'mail').out).toMatch(/^mail runs on beta: /);
    expect(fleet('verify').out).toMatch(/on 2 hosts: /);
    const { hosts: known } = JSON.parse(fleet('show', '--json').out) as { hosts: { host: string; watched: boolean; draining: boolean }[] };
    expect(known.map(({ host, watched, draining }) => [host, watched, draining])).toEqual([
      ['alpha', true, false],
      ['beta', true, false],
    ]);
  }, 120_000);

  it('take no VMs, and their names are known', () => {
    const vms = join(folder, 'vms.yaml');
    writeFileSync(vms, 'vms:\n  - { name: small, vcpus: 1, memory: 256MiB }\n');
    expect(fleet('place', '--vms', vms)).toMatchObject({ code: 1, out: expect.stringContaining('no host has room') });
    writeFileSync(vms, 'vms:\n  - { name: mail, vcpus: 1, memory: 256MiB }\n');
    expect(fleet('place', '--vms', vms)).toMatchObject({ code: 2, err: expect.stringContaining('mail on beta') });
  }, 120_000);

  it('one that cannot be read is away until it can', async () => {
    renameSync(join(folder, 'beta'), join(folder, 'gone'));
    expect(await shows(/alpha +watched [\s\S]*beta +away /, 'show')).toContain('2 hosts, 1 answering');
    renameSync(join(folder, 'gone'), join(folder, 'beta'));
    await shows(/alpha +watched [\s\S]*beta +watched /, 'show');
  }, 120_000);

  it('all are away when the collector has ended', async () => {
    const ended = new Promise<number | null>((done) => collector!.once('exit', done));
    collector!.kill('SIGTERM');
    expect(await ended).toBe(0);
    await shows(/alpha +away [\s\S]*beta +away /, 'show');
  }, 120_000);
});
