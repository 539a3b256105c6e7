// `xennuma agent --fleet` without a real Xen: what it does with the readings of its host, on a real
// server with the keys of fleet join.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watchForFleet } from '../../src/cli/answers/fleet/agent-fleet.js';
import { usersConfig } from '../../src/fleet/store/server-config.js';
import type { HostMap } from '../../src/map/host-map.js';
import { embeddedHost } from '../../src/xenopsd/hosts/embedded-host.js';
import { smallHost, testDaemon, vmRecord } from '../support/daemon.js';
import { fleetKeys } from '../support/fleet-keys.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root } from '../xennuma.js';

const missing = natsMissing();
const folder = mkdtempSync(join(tmpdir(), 'xennuma-agent-fleet-'));
const { users, keyOf } = fleetKeys(folder, { admin: 'admin', 'xen-1': 'member' });
const cluster = new NatsCluster({ servers: 1, port: portOf('agent'), more: usersConfig(users), keyFile: keyOf('admin') });
/** The agent is in this process: the command must not stop it. */
function fleet(...words: string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((done) => {
    const all = [`${root}/dist/xennuma.js`, 'fleet', ...words, '--fleet', cluster.url, '--fleet-key', keyOf('admin')];
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, COLUMNS: '140' } });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      out += data;
    });
    child.once('close', (code) => done({ code, out }));
  });
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 60) throw new Error(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

interface Shown {
  readonly host: string;
  readonly watched: boolean;
  readonly vms: number;
}
const shown = async (): Promise<Shown[]> => (JSON.parse((await fleet('show', '--json')).out || '{"hosts":[]}') as { hosts: Shown[] }).hosts;

beforeAll(async () => {
  if (missing === null) await cluster.start();
}, 60_000);
afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

describe.skipIf(missing !== null)('the agent of a host as a member', () => {
  it('the host is shown and read again, nothing is placed on it, and a reading that fails makes it away', async () => {
    const doors = await embeddedHost(smallHost(2, 4, 16), { profile: 'xapi-25.6' });
    const daemon = await testDaemon({ doors });
    const said: string[] = [];
    const say = (values: object, message: string) => said.push(`${message} ${JSON.stringify(values)}`);
    let failure: string | null = null;
    const read = async (): Promise<HostMap> => {
      if (failure !== null) throw new Error(failure);
      return daemon.toolstack.snapshot();
    };
    const settings = { urls: cluster.url, access: { fleetKey: keyOf('xen-1') }, name: 'xen-1', tags: ['old'] };
    const agent = watchForFleet(settings, { name: 'xen-1', read, everyMs: 100, log: { info: say, warn: say } });
    try {
      await until('it is shown', async () => (await shown()).some(({ host, watched }) => host === 'xen-1' && watched));
      expect(said.join('\n')).toMatch(/^joined the fleet .*"as":"xen-1"/);
      const vm = (await daemon.call('VM.create', vmRecord('mail'))) as string;
      await daemon.call('VM.start', vm, false, false);
      // The toolstack below XAPI knows a VM by its uuid.
      const name = (await daemon.call('VM.get_uuid', vm)) as string;
      await until('the VM is shown', async () => (await shown()).some(({ vms }) => vms === 1));
      const file = join(folder, 'vms.yaml');
      writeFileSync(file, 'vms:\n  - name: web\n    vcpus: 1\n    memory: 1GiB\n');
      const placed = await fleet('place', '--vms', file);
      expect([placed.code, (await daemon.call('VM.get_by_name_label', 'web')) as string[]]).toEqual([1, []]);
      expect((await fleet('explain', name)).out).toContain(`${name} runs on xen-1`);
      failure = 'Xen is away';
      await until('it says so', () => said.length > 1);
      expect((await fleet('explain', name)).out).toContain(`no member runs a VM ${name}`);
      failure = null;
      await until('it is back', async () => (await fleet('explain', name)).code === 0);
      expect(said).toEqual([said[0], 'the host cannot be read for the fleet {"error":"Xen is away"}']);
    } finally {
      await agent.close();
      await daemon.close();
    }
  }, 120_000);
});
