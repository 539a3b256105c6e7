// The chart's flow as an administrator drives it: xennuma serve on the embedded host, xennuma xe
// against it, and the commands that take --pool. All of them are the built command.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { withPoolHost } from '../src/cli/input/open-pool.js';
import { applyPlacement, planPlacement } from '../src/pool/place.js';
import { verifyPool } from '../src/pool/verify.js';
import { root, xennuma } from './xennuma.js';

const dir = mkdtempSync(join(tmpdir(), 'xennuma-flow-'));
const HOST_FILE = 'examples/hosts/four-nodes.yaml';
let daemon: ChildProcess;
let url = '';
let pool: string[] = [];

beforeAll(async () => {
  daemon = spawn(process.execPath, ['dist/xennuma.js', 'serve', '--host', HOST_FILE, '--listen', '127.0.0.1:0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  url = await new Promise<string>((resolve, reject) => {
    let text = '';
    const look = (chunk: Buffer) => {
      text += String(chunk);
      const found = /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    daemon.stdout!.on('data', look);
    daemon.stderr!.on('data', look);
    daemon.once('exit', () => reject(new Error(`serve ended: ${text}`)));
  });
  const file = join(dir, 'pw');
  writeFileSync(file, 'root\nany\n');
  pool = ['--pool', url, '--host', HOST_FILE, '-pwf', file];
});

afterAll(() => {
  daemon.kill();
  rmSync(dir, { recursive: true });
});

function xe(...words: string[]): { code: number | null; out: string; err: string } {
  return xennuma(['xe', ...words], { env: { XE_EXTRA_ARGS: `port=${new URL(url).port}` } });
}

function done(...words: string[]): string {
  const { code, out, err } = xe(...words);
  expect({ code, err }, words.join(' ')).toEqual({ code: 0, err: '' });
  return out.trim();
}

// Each command is a process of its own, which starts slowly on a busy machine.
describe('the flow by xe', { timeout: 300_000 }, () => {
  it('after a mask, the policy and a start, the VM is on the CPUs of the mask, and xe shows it', () => {
    const web = done('vm-create', 'name-label=web');
    expect(web).toMatch(/^[0-9a-f-]{36}$/);
    expect(done('vm-param-set', `uuid=${web}`, 'VCPUs-params:mask=1,2,3')).toBe('');
    const host = done('host-list', '--minimal');
    expect(done('host-param-set', `uuid=${host}`, 'numa-affinity-policy=best_effort')).toBe('');
    expect(done('host-param-get', `uuid=${host}`, 'param-name=numa-affinity-policy')).toBe('best_effort');
    expect(done('vm-start', 'vm=web')).toBe('');
    expect(done('vm-list', 'power-state=running', 'is-control-domain=false', '--minimal')).toBe(web);
    expect(done('vm-param-get', `uuid=${web}`, 'param-name=VCPUs-params', 'param-key=mask')).toBe('1,2,3');
    expect(done('vm-param-get', `uuid=${web}`, 'param-name=resident-on')).toBe(host);
    // CPUs 1 to 3 are all on node 0.
    expect(done('vm-param-get', `uuid=${web}`, 'param-name=numa-node-memory')).toMatch(/^0: \d+$/);
    expect(done('vm-param-get', `uuid=${web}`, 'param-name=numa-optimised')).toBe('true');
    expect(xe('vm-start', 'vm=web')).toMatchObject({ code: 1, err: expect.stringMatching(/not in an appropriate power state/) });
    expect(done('event-wait', 'class=vm', `uuid=${web}`, 'power-state=running')).toBe('');
    for (const [command, state] of [
      ['vm-pause', 'paused'],
      ['vm-unpause', 'running'],
      ['vm-reboot', 'running'],
      ['vm-suspend', 'suspended'],
      ['vm-resume', 'running'],
    ] as const) {
      done(command, 'vm=web');
      expect(done('vm-param-get', `uuid=${web}`, 'param-name=power-state'), command).toBe(state);
    }
  });

  it('--pool: show, plan and compare see the current host', () => {
    const db = done('vm-create', 'name-label=db');
    done('vm-param-set', `uuid=${db}`, 'memory-static-max=1GiB', 'memory-dynamic-max=1GiB', 'memory-dynamic-min=1GiB');
    const shown = xennuma(['show', ...pool, '--json']);
    expect(shown.err).toBe('');
    const { vms } = JSON.parse(shown.out) as { vms: { name: string; hard: string[]; pagesByNode: number[] }[] };
    expect(vms).toHaveLength(1);
    expect(vms[0]).toMatchObject({ name: 'web', hard: ['1-3'] });
    expect(vms[0]!.pagesByNode.slice(1).every((pages) => pages === 0)).toBe(true);
    const planned = xennuma(['plan', ...pool, '--json']);
    expect(planned.err).toBe('');
    expect(JSON.parse(planned.out)).toMatchObject({
      policy: 'best_effort',
      vms: [{ name: 'db', state: 'running', failure: null, numa_nodes: 1 }],
    });
    const compared = xennuma(['compare', ...pool, '--profiles', 'xapi-25.6', '--json']);
    expect(JSON.parse(compared.out)).toMatchObject({ vms: 2, rows: [{ policy: 'any' }, { policy: 'best_effort' }] });
    expect(done('vm-list', 'name-label=db', 'params=power-state', '--minimal')).toBe('halted');
  });

  it('--pool needs a topology for a host of several nodes, and names what cannot be reached', () => {
    const bare = xennuma(['plan', '--pool', url]);
    expect(bare.code).toBe(2);
    expect(bare.err).toMatch(/has 4 nodes, and XAPI does not report the CPUs/);
    const other = xennuma(['plan', '--pool', url, '--host', 'examples/hosts/epyc-7763-nps4.yaml']);
    expect(other).toMatchObject({ code: 2, err: expect.stringMatching(/has 256 CPUs, but the host/) });
    expect(xennuma(['plan', '--pool', 'http://127.0.0.1:1', '--host', HOST_FILE])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/nothing answers there/),
    });
    expect(xennuma(['plan', '--pool', 'ftp://x', '--host', HOST_FILE])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/expected https or http/),
    });
    const misnamed = xennuma(['verify', '--pool', url, '--host', `xcp-1=${HOST_FILE}`]);
    expect(misnamed).toMatchObject({ code: 2, err: expect.stringMatching(/--host: the pool has no host 'xcp-1'; its hosts are \S/) });
    expect(xennuma(['show', ...pool, '--pool-host', 'nobody']).err).toMatch(/the pool has no host 'nobody'/);
  });

  it('--pool: verify names drift, place sets masks by the planner', async () => {
    const options = { pool: url, host: [join(root, HOST_FILE)] };
    const web = done('vm-list', 'name-label=web', '--minimal');
    expect(await withPoolHost(options, async (access) => verifyPool(access, 'xapi-25.6', access.running))).toMatchObject([
      { vm: 'web', state: 'ok', nodes: [0] },
    ]);
    // The last CPU is on another node: a mask moves no memory.
    done('vm-param-set', `uuid=${web}`, 'VCPUs-params:mask=15');
    expect(await withPoolHost(options, async (access) => verifyPool(access, 'xapi-25.6', access.running))).toMatchObject([
      {
        vm: 'web',
        asked: "mask '15'",
        state: 'drift',
        drifts: ['memory-unreachable'],
        why: expect.stringMatching(/on node 0, vCPUs may run on node 3 only; a mask takes effect at/),
      },
    ]);
    done('vm-param-set', `uuid=${web}`, 'VCPUs-params:mask=1, 2');
    expect(await withPoolHost(options, async (access) => verifyPool(access, 'xapi-25.6', access.running))).toMatchObject([
      { state: 'drift', drifts: ['mask-ignored'], why: expect.stringMatching(/'1, 2', for white space/) },
    ]);
    await withPoolHost(options, async (access) => {
      const { changes, unchanged } = await planPlacement(access, ['db'], 'any', 'xapi-25.6');
      expect(unchanged).toEqual([]);
      expect(changes).toMatchObject([
        { what: 'policy', from: 'best_effort', to: 'any' },
        { what: 'mask', of: 'db', from: null, running: false },
      ]);
      expect(done('vm-param-get', `uuid=${changes[1]!.uuid}`, 'param-name=VCPUs-params')).toBe('');
      await applyPlacement(access, changes, () => {});
      expect(done('vm-param-get', `uuid=${changes[1]!.uuid}`, 'param-name=VCPUs-params')).toBe(`mask: ${changes[1]!.to}`);
      // All CPUs of one node.
      expect(changes[1]!.nodes).toHaveLength(1);
    });
    expect(done('host-list', 'params=numa-affinity-policy', '--minimal')).toBe('any');
    const verified = xennuma(['verify', ...pool]);
    expect(verified).toMatchObject({
      code: 1,
      err: '',
      out: expect.stringMatching(/web +mask '1, 2' +yes +0 +DRIFT\n\nweb: the requested mask was ignored: '1, 2', for white space/),
    });
    const schema = (name: string) => z.fromJSONSchema(JSON.parse(readFileSync(join(root, `schemas/${name}-pool.schema.json`), 'utf8')));
    const drifted = xennuma(['verify', ...pool, '--json']);
    expect(schema('verify').parse(JSON.parse(drifted.out))).toMatchObject({
      command: 'verify',
      drift: 1,
      vms: [
        { vm: expect.stringMatching(/^Control domain on host: /) as string, asked: 'nothing', state: 'ok' },
        { vm: 'web', state: 'drift' },
      ],
    });
    const proposed = xennuma(['place', 'db', 'web', '--set-policy', 'best_effort', ...pool, '--json']);
    expect(schema('place').parse(JSON.parse(proposed.out))).toMatchObject({ command: 'place', done: false });
    // The schemas distinguish answers: each rejects an answer of the other.
    expect(schema('place').safeParse(JSON.parse(drifted.out)).success).toBe(false);
    const policy = () => done('host-list', 'params=numa-affinity-policy', '--minimal');
    const reply = xennuma(['place', '--set-policy', 'best_effort', ...pool]);
    expect(reply).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/any +best_effort[\s\S]*Nothing was changed; add --yes/) });
    expect(policy()).toBe('any');
    expect(xennuma(['place', '--set-policy', 'best_effort', ...pool, '--yes'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Done\.$/m),
    });
    expect(policy()).toBe('best_effort');
    expect(xennuma(['place', 'nobody', ...pool])).toMatchObject({ code: 2, err: expect.stringMatching(/there is no VM 'nobody'/) });
    expect(xennuma(['place', ...pool])).toMatchObject({ code: 2, err: expect.stringMatching(/expected VMs or a policy/) });
  });

  it('a halted VM can be destroyed, and is gone', () => {
    expect(xe('vm-destroy', `uuid=${done('vm-list', 'name-label=web', '--minimal')}`)).toMatchObject({ code: 1 });
    done('vm-shutdown', 'vm=web', 'force=true');
    done('vm-destroy', `uuid=${done('vm-list', 'name-label=web', '--minimal')}`);
    expect(done('vm-list', 'name-label=web', '--minimal')).toBe('');
  });
});
