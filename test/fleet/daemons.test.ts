// Two daemons and three NATS servers, as users run them.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root, xennumaProcess } from '../xennuma.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 3, port: portOf('daemons') });
const daemons: ChildProcess[] = [];
const daemonUrls: string[] = [];

interface PlaceAnswer {
  readonly vms: readonly {
    readonly vm: string;
    readonly host: string | null;
    readonly reason?: string;
    readonly parts: [number, number][];
  }[];
}

async function serve(name: string, host: string, ...more: string[]): Promise<void> {
  const words = ['serve', '--host', host, '--listen', '127.0.0.1:0', '--fleet', cluster.url, '--fleet-name', name, ...more];
  const child = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  daemons.push(child);
  let log = '';
  child.stdout!.on('data', (data: Buffer) => {
    const url = /listening at (\S+)/.exec(data.toString())?.[1];
    if (url !== undefined) daemonUrls.push(url);
  });
  await new Promise<void>((ready, failed) => {
    child.stderr!.on('data', (data: Buffer) => {
      log += data.toString();
      if (log.includes('joined the fleet')) ready();
    });
    child.once('exit', () => failed(new Error(log)));
  });
}

const fleet = (...words: string[]) => xennumaProcess(['fleet', ...words, '--fleet', cluster.url], { env: { COLUMNS: '140' } });

/** Until the command prints it. */
async function shows(text: RegExp, ...words: string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { out, err } = fleet(...words);
    if (text.test(out)) return out;
    if (tries === 40) throw new Error(`never printed ${text}: ${out}${err}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

beforeAll(async () => {
  if (missing !== null) return;
  await cluster.start();
  await serve('xen-1', 'examples/hosts/two-nodes.yaml');
  await serve('xen-2', 'examples/hosts/four-nodes.yaml', '--fleet-tag', 'nvme');
}, 120_000);

afterAll(async () => {
  for (const child of daemons) child.kill('SIGKILL');
  await cluster.close();
});

describe.skipIf(missing !== null)('two daemons and three servers', () => {
  it('shows both hosts with their free memory', async () => {
    const out = await shows(/xen-1.* up [\s\S]*xen-2.* up /, 'show');
    expect(out).toContain('2 hosts, 2 answering; 0 VMs');
    expect(out).toMatch(/ runs +tags\n[\s\S]*xen-2.* nvme\n/);
  }, 120_000);

  it('starts VMs where the dry run says, by their own daemons, and finds them again', async () => {
    const vms = join(mkdtempSync(join(tmpdir(), 'xennuma-fleet-')), 'vms.yaml');
    writeFileSync(vms, 'vms:\n  - { name: web, vcpus: 2, memory: 4GiB, count: 6 }\n  - { name: db, vcpus: 4, memory: 8GiB }\n');
    const dry = JSON.parse(fleet('place', '--vms', vms, '--dry-run', '--json').out) as PlaceAnswer;
    expect(dry.vms.every(({ host }) => host !== null)).toBe(true);
    expect(fleet('show').out).toContain('0 VMs');
    const { out, err } = fleet('place', '--vms', vms, '--json');
    const placed = JSON.parse(out) as PlaceAnswer;
    expect(
      placed.vms.map(({ vm, reason }) => [vm, reason]),
      err,
    ).toEqual([...Array(6).keys()].map((at) => [`web-${at + 1}`, undefined]).concat([['db', undefined]]));
    expect(await shows(/7 VMs/, 'show')).toMatch(/claims/);
    const db = placed.vms.find(({ vm }) => vm === 'db')!;
    const explained = fleet('explain', 'db');
    expect(explained.out).toContain(`db runs on ${db.host}: `);
    const on = `node${db.parts.length > 1 ? 's' : ''} ${db.parts.map(([node]) => node).join(',')}`;
    expect(explained.out).toContain(`on ${on}, vCPUs on ${on}.`);
    expect(fleet('place', 'db', '--vms', vms)).toMatchObject({
      code: 2,
      err: expect.stringContaining(`the fleet has VMs of these names: db on ${db.host}`),
    });
    expect(fleet('show').out).toContain('7 VMs');
    expect(fleet('place', 'db', '--vms', vms, '--tag', 'ssd', '--same-name')).toMatchObject({
      code: 1,
      out: expect.stringContaining('no host has the tag ssd'),
    });
    writeFileSync(vms, 'vms:\n  - { name: standby, vcpus: 1, memory: 128MiB }\n');
    const standby = JSON.parse(fleet('place', '--vms', vms, '--apart-from', 'db', '--dry-run', '--json').out) as PlaceAnswer;
    expect(standby.vms[0]!.host).toBe(db.host === 'xen-1' ? 'xen-2' : 'xen-1');
    expect(fleet('place', '--vms', vms, '--apart-from', 'web-1', 'nowhere', '--dry-run')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no host of the fleet has a VM nowhere'),
    });
    expect(fleet('verify')).toMatchObject({ code: 0, out: '7 VMs on 2 hosts: 0 with memory away from their vCPUs\n' });
  }, 120_000);

  it('drains a host: nothing is placed there until that is undone', async () => {
    expect(fleet('drain', 'xen-1').out).toContain('xen-1 takes no more VMs');
    await shows(/xen-1.* draining /, 'show');
    const vms = join(mkdtempSync(join(tmpdir(), 'xennuma-fleet-')), 'vms.yaml');
    writeFileSync(vms, 'vms:\n  - { name: late, vcpus: 1, memory: 1GiB, count: 4 }\n');
    const { vms: placed } = JSON.parse(fleet('place', '--vms', vms, '--choose', 'spread', '--json').out) as PlaceAnswer;
    expect(placed.map(({ host }) => host)).toEqual(Array(4).fill('xen-2'));
    expect(fleet('drain', 'xen-1', '--undo').out).toContain('xen-1 takes VMs again');
    await shows(/xen-1.* up /, 'show');
  }, 120_000);

  it('a host goes on without NATS, and is a member again when a server is there', async () => {
    for (let at = 0; at < 3; at++) await cluster.kill(at);
    const alone = await fetch(`${daemonUrls[0]!}/`);
    expect(alone.status).toBe(200);
    expect(fleet('show')).toMatchObject({ code: 3 });
    for (let at = 0; at < 3; at++) cluster.startServer(at);
    await cluster.ready();
    expect(await shows(/xen-1.* up [\s\S]*xen-2.* up /, 'show')).toContain('11 VMs');
  }, 120_000);

  it('workers verify hosts and plan their moves; what is done is not done again', async () => {
    const answerOf = (...words: string[]) => {
      const { code, out } = fleet(...words, '--json');
      return { code, answer: JSON.parse(out) as { hosts: number; vms: number } };
    };
    const words = ['fleet', 'work', '--fleet', cluster.url];
    const worker = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words], { cwd: root, stdio: 'ignore' });
    try {
      expect(answerOf('verify', '--job', 'night')).toEqual(answerOf('verify'));
      expect(answerOf('verify', '--job', 'night').answer).toMatchObject({ hosts: 2 });
      expect(answerOf('rebalance', 'xen-1', 'xen-2', '--job', 'night')).toEqual(answerOf('rebalance', 'xen-1', 'xen-2'));
    } finally {
      worker.kill('SIGKILL');
    }
    // Without a worker: the results are there.
    const again = fleet('verify', '--job', 'night');
    expect(again.err).toMatch(/1 of 2: xen-\d\n.*2 of 2: xen-\d/);
    expect(again.code).toBe(fleet('verify').code);
  }, 120_000);

  it('tells Prometheus of the whole fleet, once and at an address', async () => {
    const { hosts } = JSON.parse(fleet('show', '--json').out) as {
      hosts: { host: string; vms: number; nodes: { memoryMib: number; freeMib: number }[] }[];
    };
    const sum = (mib: number[]) => mib.reduce((total, one) => total + one, 0) * 2 ** 20;
    const figureOf = (text: string, series: string) => {
      const line = text.split('\n').find((one) => one.startsWith(`xennuma_fleet_${series} `));
      return line === undefined ? null : Number(line.split(' ').at(-1));
    };
    const check = (text: string) => {
      expect(figureOf(text, 'hosts{state="up"}')).toBe(2);
      expect(figureOf(text, 'hosts{state="away"}')).toBe(0);
      for (const { host, vms, nodes } of hosts) {
        const uses = ['free', 'claimed', 'allocated'].map((use) => figureOf(text, `memory_bytes{host="${host}",use="${use}"}`)!);
        expect(uses.reduce((a, b) => a + b)).toBe(sum(nodes.map(({ memoryMib }) => memoryMib)));
        expect(uses[0]).toBe(sum(nodes.map(({ freeMib }) => freeMib)));
        expect(figureOf(text, `vms{host="${host}"}`)).toBe(vms);
      }
    };
    check(fleet('metrics').out);
    expect(fleet('metrics', '--listen', '0.0.0.0:0')).toMatchObject({ code: 2, err: expect.stringContaining('not an address of this') });
    const words = ['fleet', 'metrics', '--fleet', cluster.url, '--listen', '127.0.0.1:0'];
    const child = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    daemons.push(child);
    const ended = new Promise((done) => child.once('exit', done));
    const url = await new Promise<string>((found) => {
      child.stdout!.on('data', (data: Buffer) => {
        const at = /listening at (\S+)/.exec(data.toString())?.[1];
        if (at !== undefined) found(at);
      });
    });
    check(await (await fetch(url)).text());
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 120_000);

  it('serves a page of both hosts that is told of changes, and writes the same as one file', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'xennuma-fleet-')), 'fleet.html');
    expect(fleet('show', '--html', file)).toMatchObject({ code: 0, err: expect.stringMatching(/^wrote /) });
    const data = /id="xennuma-data">([^<]*)</.exec(readFileSync(file, 'utf8'))![1]!;
    const written = JSON.parse(data) as { fleet: { name: string; vms: number; nodes: number[][] }[] };
    expect(written.fleet.map(({ name, nodes }) => [name, nodes.length])).toEqual([
      ['xen-1', 2],
      ['xen-2', 4],
    ]);
    expect(fleet('show', '--html', 'fleet.txt')).toMatchObject({ code: 2 });
    expect(fleet('serve', '--listen', '0.0.0.0:0')).toMatchObject({ code: 2, err: expect.stringContaining('not an address of this') });
    const words = ['fleet', 'serve', '--fleet', cluster.url, '--listen', '127.0.0.1:0'];
    const child = spawn(process.execPath, [`${root}/dist/xennuma.js`, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    daemons.push(child);
    const ended = new Promise((done) => child.once('exit', done));
    const url = await new Promise<string>((found) => {
      child.stdout!.on('data', (text: Buffer) => {
        const at = /listening at (\S+)/.exec(text.toString())?.[1];
        if (at !== undefined) found(at);
      });
    });
    const page = await fetch(url);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('page/app.js');
    expect((await fetch(`${url}jsonrpc`, { method: 'POST', body: '{}' })).status).toBe(404);
    const vmsOf = async () =>
      ((await (await fetch(`${url}web/snapshot`)).json()) as typeof written).fleet.reduce((sum, { vms }) => sum + vms, 0);
    const before = await vmsOf();
    expect(before).toBe(written.fleet.reduce((sum, { vms }) => sum + vms, 0));
    const events = (await fetch(`${url}events`)).body!.pipeThrough(new TextDecoderStream()).getReader();
    const vms = join(mkdtempSync(join(tmpdir(), 'xennuma-fleet-')), 'vms.yaml');
    writeFileSync(vms, 'vms:\n  - { name: seen, vcpus: 1, memory: 1GiB }\n');
    expect(fleet('place', '--vms', vms)).toMatchObject({ code: 0 });
    let told = '';
    // What was told before the map of the new VM may be about its claim.
    while (!told.includes('event: fleet') || (await vmsOf()) === before) told += (await events.read()).value ?? '';
    expect(await vmsOf()).toBe(before + 1);
    expect(await (await fetch(`${url}metrics`)).text()).toContain('xennuma_fleet_hosts');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 120_000);

  it('counts no free memory of a host that is away', async () => {
    daemons[0]!.kill('SIGKILL');
    expect(await shows(/xen-1.* away /, 'show')).toMatch(/2 hosts, 1 answering; 12 VMs; [\d.]+ GiB of 32 GiB free/);
  }, 120_000);

  it('chooses no host that is away, by any rule, and says which', async () => {
    const vms = join(mkdtempSync(join(tmpdir(), 'xennuma-fleet-')), 'vms.yaml');
    writeFileSync(vms, 'vms:\n  - { name: after, vcpus: 1, memory: 512MiB, count: 3 }\n');
    for (const rule of ['local-fit', 'pack', 'spread']) {
      const { out, err } = fleet('place', '--vms', vms, '--choose', rule, '--dry-run', '--json');
      const answer = JSON.parse(out) as PlaceAnswer & { readonly away: string[] };
      expect(
        answer.vms.map(({ host }) => host),
        rule,
      ).toEqual(Array(3).fill('xen-2'));
      expect(answer.away).toEqual(['xen-1']);
      expect(err).toContain('no answer comes from it: xen-1');
    }
    const { rules } = JSON.parse(fleet('compare', '--vms', vms, '--json').out) as { rules: { placed: number; hosts: number }[] };
    expect(rules.map(({ placed, hosts }) => [placed, hosts])).toEqual(Array(3).fill([3, 1]));
    expect(fleet('place', '--vms', vms, '--apart', '--dry-run')).toMatchObject({ code: 1, out: expect.stringContaining('1 of 3 VMs') });
  }, 120_000);
});
