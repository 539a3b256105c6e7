// Captures as jobs: workers read hosts over ssh, and each capture becomes a file that the other
// commands read.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureJobId } from '../../src/cli/answers/fleet/work/fleet-capture.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { Jobs } from '../../src/fleet/work/jobs.js';
import { Seal } from '../../src/fleet/work/seal.js';
import { FarHosts, farFiles } from '../support/far-hosts.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root, xennumaProcess } from '../xennuma.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 1, port: portOf('captures') });
const folder = mkdtempSync(join(tmpdir(), 'xennuma-captures-'));
const hosts = new FarHosts(folder);
let worker: ChildProcess | null = null;

const capture = (from: string, output: string, ...words: string[]) =>
  xennumaProcess(['fleet', 'capture', '--fleet', cluster.url, '--from', from, '--output', output, ...words]);

function startWorker(): void {
  const words = [`${root}/dist/xennuma.js`, 'fleet', 'work', '--fleet', cluster.url];
  worker = spawn(process.execPath, words, { cwd: root, stdio: 'ignore', env: { ...process.env, PATH: hosts.path } });
}

async function endWorker(signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((done) => worker!.once('exit', done));
  worker!.kill(signal);
  await ended;
}

beforeAll(async () => {
  if (missing !== null) return;
  for (const name of ['xen-1', 'xen-2']) hosts.add(name, farFiles(name));
  await cluster.start();
  startWorker();
}, 120_000);

afterAll(async () => {
  worker?.kill('SIGKILL');
  await cluster.close();
  rmSync(folder, { recursive: true });
}, 60_000);

describe.skipIf(missing !== null)('fleet capture', () => {
  it('writes one file of each host, and says which host could not be read', () => {
    const output = join(folder, 'first');
    const { code, out, err } = capture('ssh://root@xen-1,ssh://xen-2:2222,ssh://root@xen-9', output, '--job', 'first');
    expect(err).toContain('3 of 3: ');
    expect(err).toMatch(/ssh:\/\/root@xen-9: .*No route to host/);
    expect(code).toBe(1);
    const lines = out.trim().split('\n').sort();
    expect(lines).toEqual([
      expect.stringMatching(/first\/xen-1\.tgz: 2 nodes, 2 VMs, \d+ KiB$/),
      expect.stringMatching(/first\/xen-2-2222\.tgz: 2 nodes, 2 VMs, \d+ KiB$/),
    ]);
    expect(existsSync(join(output, 'xen-9.tgz'))).toBe(false);
    expect(statSync(join(output, 'xen-1.tgz')).mode & 0o777).toBe(0o600);
    const { vms } = JSON.parse(xennumaProcess(['show', '--from', join(output, 'xen-1.tgz'), '--json']).out);
    expect(vms.map(({ name }: { readonly name: string }) => name)).toEqual(expect.arrayContaining(['web', 'pinned']));
  }, 120_000);

  it('the same name prints what is there: no host is read again, and no worker is needed', async () => {
    const before = hosts.sshCalls.length;
    await endWorker('SIGTERM');
    const output = join(folder, 'again');
    const { code, out } = capture('ssh://root@xen-1', output, '--job', 'first', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).captures).toMatchObject([{ source: 'ssh://root@xen-1', file: join(output, 'xen-1.tgz'), nodes: 2, vms: 2 }]);
    expect(readFileSync(join(output, 'xen-1.tgz'))).toEqual(readFileSync(join(folder, 'first/xen-1.tgz')));
    expect(hosts.sshCalls.length).toBe(before);
    startWorker();
  }, 120_000);

  it('--anonymous leaves no name of a VM', () => {
    const output = join(folder, 'anonymous');
    expect(capture('ssh://root@xen-1', output, '--anonymous').code).toBe(0);
    const { out } = xennumaProcess(['show', '--from', join(output, 'xen-1.tgz'), '--json']);
    expect(JSON.parse(out).vms).toHaveLength(2);
    expect(out).not.toMatch(/web|pinned/);
  }, 120_000);

  it.each([
    ['/etc/passwd', /expected ssh:\/\//],
    ['ssh://-oProxyCommand=x', /expected ssh:\/\//],
    ['ssh://root@xen-1,ssh://xen-1', /are one host, and have one file/],
  ])('%s is refused before anything is asked', (from, why) => {
    const output = join(folder, 'refused');
    const { code, err } = capture(from, output);
    expect([code, err]).toEqual([2, expect.stringMatching(why)]);
    expect(existsSync(output)).toBe(false);
  });

  it('a worker reads no file of its own for a job', async () => {
    const connection = await connectFleet({ url: cluster.url }, 'test', true);
    const jobs = await Jobs.open(connection, 1, new Seal(null));
    await jobs.submit('evil', { task: 'capture', source: '/etc/passwd', anonymous: false, memory: true });
    const results: unknown[] = [];
    await jobs.results(['evil'], (_, result) => results.push(result));
    expect(results).toEqual([{ error: expect.stringMatching(/knows no such job/) }]);
    await connection.close();
  }, 60_000);

  it('what is no capture does not become a file', async () => {
    const connection = await connectFleet({ url: cluster.url }, 'test', true);
    const sources = ['ssh://text', 'ssh://number', 'ssh://hostile'];
    const results = [{ capture: Buffer.from('no archive').toString('base64') }, { capture: 7 }, { error: 'ESC \u001b[2J' }];
    for (const [at, source] of sources.entries()) {
      await jetstream(connection).publish(`done.${captureJobId('bad', source)}`, JSON.stringify(results[at]));
    }
    await connection.close();
    const output = join(folder, 'bad');
    const { code, out, err } = capture(sources.join(), output, '--job', 'bad', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out).captures.map(({ error }: { readonly error?: string }) => error)).toEqual([
      expect.any(String),
      'no capture came',
      expect.not.stringContaining('\u001b'),
    ]);
    expect(err).not.toContain('\u001b');
    expect(readdirSync(output)).toEqual([]);
  }, 60_000);
});
