// rebalance as users start it: on the embedded host, from texts, and over ssh; and its plans
// carried out on the embedded host, where the memory must land as planned.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Random } from '../src/base/random.js';
import type { CompareAnswer } from '../src/cli/answers/answers.js';
import type { RebalanceAnswer } from '../src/cli/answers/rebalance/schema.js';
import { raise, readHost, readVms } from '../src/cli/input/open-host.js';
import { problemOfMap } from '../src/live/rebalance/problem-of-map.js';
import { snapshotBound } from '../src/live/rebalance/snapshot-bound.js';
import { rebalance } from '../src/planner/rebalance/rebalance.js';
import type { Toolstack } from '../src/xenopsd/api/toolstack.js';
import { FAR_UUIDS, FarHosts, farFiles, farXapi } from './support/far-hosts.js';
import { coresOf, xlInfo } from './support/xl-info.js';
import { root, xennuma, xennumaProcess } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-rebalance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(root, 'schemas', 'rebalance.schema.json'), 'utf8')));
const SCENARIO = ['--scenario', 'examples/scenarios/scattered.yaml'];
const answerOf = (...words: string[]): RebalanceAnswer => {
  const { code, out, err } = xennuma(['rebalance', ...words, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return schema.parse(JSON.parse(out)) as RebalanceAnswer;
};

/** Two nodes of 4 GiB. `web` is scattered; `mail` is on node 1 and runs anywhere. */
const PASTE = `${xlInfo({
  host: 'forum',
  totalMib: 16_384,
  more: { xen_major: 4, xen_minor: 17 },
  cpus: coresOf(2, 2),
  nodes: [
    [8192, 4096, '10,21'],
    [8192, 4608, '21,10'],
  ],
})}
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----     812.4
web                                          5  2048     1     -b----       9.9
mail                                         6  1024     1     -b----       9.9
Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     400.0  all / all
Domain-0                             0     1    1   -b-     412.4  all / all
web                                  5     0    0   -b-       9.9  all / all
mail                                 6     0    2   -b-       9.9  all / all
(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 262144):
(XEN)     Node 0: 262144
(XEN)     Node 1: 0
(XEN) Domain 5 (total: 524288):
(XEN)     Node 0: 262144
(XEN)     Node 1: 262144
(XEN) Domain 6 (total: 262144):
(XEN)     Node 0: 0
(XEN)     Node 1: 262144
`;

function paste(text: string): string[] {
  const file = join(folder, `paste-${Math.abs(text.length)}.txt`);
  writeFileSync(file, text);
  return ['--from', file];
}

describe('rebalance', { timeout: 240_000 }, () => {
  it('of a scenario: free moves, migrations, and the figures before and after', () => {
    const answer = answerOf(...SCENARIO);
    expect(answer.freeMoves).toMatchObject([{ name: 'mail', nodes: [0], cpus: '0-3', command: 'xl vcpu-pin 1 all - 0-3', state: 'shown' }]);
    expect(answer.migrations.map(({ name, nodes }) => [name, nodes])).toEqual([
      ['web', [1]],
      ['db', [2]],
    ]);
    expect([answer.before, answer.afterFreeMoves, answer.after].map(({ onOneNode }) => onOneNode)).toEqual([1, 2, 4]);
    expect(answer).toMatchObject({ exact: true, left: [], limits: { maxMoves: null, maxBytes: null } });
  });

  it('gives the commands of the toolstack that the profile stands for', () => {
    const [web] = answerOf(...SCENARIO).migrations;
    const uuid = 'uuid=$(xe vm-list name-label=web --minimal)';
    expect(web!.commands).toEqual([
      `xe vm-param-set ${uuid} VCPUs-params:mask=4,5,6,7`,
      `xe vm-migrate ${uuid} host-uuid=$(xe host-list --minimal) live=true`,
      `xe vm-param-remove ${uuid} param-name=VCPUs-params param-key=mask`,
    ]);
  });

  it('keeps to its limits, and to the VMs that are named', () => {
    expect(answerOf(...SCENARIO, '--max-moves', '1').migrations).toHaveLength(1);
    expect(answerOf(...SCENARIO, '--max-bytes', '5GiB').migrations).toHaveLength(1);
    expect(answerOf(...SCENARIO, '--max-bytes', '3GiB')).toMatchObject({ migrations: [], left: [{ name: 'web' }, { name: 'db' }] });
    const named = answerOf('db', ...SCENARIO);
    expect(named.freeMoves).toEqual([]);
    expect(named.migrations.map(({ name }) => name)).toEqual(['db']);
    const { out } = xennuma(['rebalance', 'db', ...SCENARIO]);
    expect(out).toMatch(/^Not on one node: mail and web: it is not among the VMs that may move\.$/m);
    expect(named.left).toEqual([
      { domid: 1, name: 'mail', reason: 'it is not among the VMs that may move' },
      { domid: 5, name: 'web', reason: 'it is not among the VMs that may move' },
    ]);
  });

  it('--bound tells what could be had, and how far the plan is from it', () => {
    expect(answerOf(...SCENARIO).bound).toBeNull();
    const { bound, after } = answerOf(...SCENARIO, '--bound');
    const reached = { onOneNode: after.onOneNode, bytesOnOneNode: after.bytesOnOneNode };
    expect(bound).toEqual({ ...reached, best: reached });
    const words = (...more: string[]) => xennuma(['rebalance', ...SCENARIO, '--bound', ...more]).out.replace(/\s+/g, ' ');
    expect(words()).toMatch(/packed anew at this instant, at most 4 of 4 VMs.* The plan reaches it\./);
    expect(words('--max-moves', '1')).toMatch(/The plan ends with 3 and 13 GiB: a gap of at most 1 and 4 GiB\./);
  });

  it('--bound without the package highs has the bound all the same', () => {
    // The built command is one file that requires its packages.
    const hook = `import Module from 'node:module';
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      if (name === 'highs') throw Object.assign(new Error(name + ' is not installed'), { code: 'MODULE_NOT_FOUND' });
      return resolve.call(this, name, ...rest);
    };`;
    writeFileSync(join(folder, 'register.mjs'), hook);
    const env = { NODE_OPTIONS: `--import=${join(folder, 'register.mjs')}` };
    const { code, out } = xennumaProcess(['rebalance', ...SCENARIO, '--bound', '--json'], { env });
    expect(code).toBe(0);
    const { bound } = schema.parse(JSON.parse(out)) as RebalanceAnswer;
    expect(bound).toEqual({ ...answerOf(...SCENARIO, '--bound').bound, best: null });
  });

  it('compare --bound has the bound beside what each policy reached', () => {
    const words = ['--host', 'examples/hosts/four-nodes.yaml', '--vms', 'docs/spill.yaml', '--profiles', 'xapi-25.6'];
    const { out } = xennuma(['compare', ...words, '--bound', '--json']);
    const compared = z.fromJSONSchema(JSON.parse(readFileSync(join(root, 'schemas', 'compare.schema.json'), 'utf8')));
    for (const { totals, bound } of (compared.parse(JSON.parse(out)) as CompareAnswer).rows) {
      expect(bound!.onOneNode).toBeGreaterThanOrEqual(totals!.onOneNode);
    }
    const text = xennuma(['compare', ...words, '--bound']).out;
    expect(text).toMatch(/on one node +at most +mean dist/);
    expect(text.replace(/\s+/g, ' ')).toContain('if those that run were packed anew at this instant');
    expect(xennuma(['compare', ...words]).out).not.toContain('at most');
  });

  it('of VMs started on a described host', () => {
    const started = ['--host', 'examples/hosts/four-nodes.yaml', '--vms', 'docs/spill.yaml', '--policy', 'best_effort'];
    const answer = answerOf(...started);
    expect(answer.before.vms).toBe(2);
    expect(answerOf(...started, '--profile', 'xl').host).toBe('four-nodes');
  });

  it('of a paste without evidence of a toolstack: the commands of both, each with a label', () => {
    const [move] = answerOf(...paste(PASTE)).migrations;
    expect(move!.commands).toEqual([
      '# if xl runs the host:',
      `echo 'cpus_soft="2-3"' >> web.cfg`,
      'xl migrate -C web.cfg web localhost',
      '# if xapi runs the host:',
      'xe vm-param-set uuid=$(xe vm-list name-label=web --minimal) VCPUs-params:mask=2,3',
      'xe vm-migrate uuid=$(xe vm-list name-label=web --minimal) host-uuid=$(xe host-list --minimal) live=true',
      'xe vm-param-remove uuid=$(xe vm-list name-label=web --minimal) param-name=VCPUs-params param-key=mask',
    ]);
  });

  it('of a paste of xapi: the commands of xe alone', () => {
    const [move] = answerOf(...paste(`${PASTE}\nrelease                : 4.19.0+1\n`)).migrations;
    expect(move!.commands.map((command) => command.split(' ')[0])).toEqual(['xe', 'xe', 'xe']);
  });

  it('of a paste of xl: the commands of xl', () => {
    const answer = answerOf(...paste(`${PASTE}\n/libxl/5/type = "pvh"\n`));
    expect(answer.freeMoves.map(({ command }) => command)).toEqual(['xl vcpu-pin 6 all - 2-3']);
    expect(answer.migrations).toMatchObject([
      { name: 'web', nodes: [1], commands: [`echo 'cpus_soft="2-3"' >> web.cfg`, 'xl migrate -C web.cfg web localhost'] },
    ]);
  });

  it('names a domain by its number where two share a name', () => {
    const twins = PASTE.replaceAll('mail   ', 'web    ');
    const [move] = answerOf(...paste(`${twins}\n/libxl/5/type = "pvh"\n`)).migrations;
    expect(move!.commands).toEqual([`echo 'cpus_soft="2-3"' >> 5.cfg`, 'xl migrate -C 5.cfg 5 localhost']);
  });

  it('refuses figures that cannot be true', () => {
    const refused = (text: string) => {
      const { code, out, err } = xennuma(['rebalance', ...paste(text)]);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      return err;
    };
    expect(refused(PASTE.slice(0, PASTE.indexOf('(XEN)')))).toMatch(/the memory by node of domain 5 \(web\) is not known; .*debug-keys u/);
    expect(refused(PASTE.replace('Node 1: 262144\n(XEN) Domain 6', 'Node 1: 2097152\n(XEN) Domain 6'))).toMatch(
      /node 1 has 8 GiB, but 9 GiB of domains and 4\.5 GiB free sum up to more/,
    );
  });

  it('refuses options that do not go together, and limits that are none', () => {
    const refused = (...words: string[]) => {
      const { code, err } = xennuma(['rebalance', ...words]);
      expect(code).toBe(2);
      return err;
    };
    expect(refused(...SCENARIO, '--yes')).toMatch(/--yes needs a running host/);
    expect(refused(...paste(PASTE), '--yes')).toMatch(/--yes needs a host over ssh/);
    expect(refused(...SCENARIO, '--on', 'xen')).toMatch(/--scenario or --on/);
    expect(refused(...SCENARIO, '--dry-run', '--yes')).toMatch(/--dry-run or --yes/);
    expect(refused(...SCENARIO, '--max-bytes', '5')).toMatch(/a size with its unit/);
    expect(refused(...SCENARIO, '--max-moves', '-1')).toMatch(/a whole number/);
    expect(refused('nobody', ...SCENARIO)).toMatch(/there is no domain 'nobody'/);
    expect(refused('--from', 'ssh://a,ssh://b')).toMatch(/expected one host, got several/);
  });

  it('over ssh: --yes makes the free moves alone, and stops at a command that fails', () => {
    const hosts = new FarHosts(mkdtempSync(join(folder, 'far-')));
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta') });
    const run = (...words: string[]) => xennuma(['rebalance', '--from', 'ssh://root@beta', ...words], { env: { PATH: hosts.path } });
    expect(run()).toMatchObject({ code: 0, out: expect.stringMatching(/^ {5}xl vcpu-pin 5 all - 2-3$/m) });
    expect(far.changes()).toEqual([]);
    expect(run('--yes')).toMatchObject({ code: 0, out: expect.stringMatching(/vcpu-pin 5 all - 2-3 {3}\(done\)$/m) });
    expect(far.changes()).toEqual(['xl [vcpu-pin] [5] [all] [-] [2-3]']);
    expect(run().out).toContain('Nothing to move.');
    const other = hosts.add('gamma', { ...farFiles('gamma'), ...farXapi('gamma') });
    other.refuse('vcpu-pin', 1, 'libxl: error: Could not set vcpu affinity');
    const failing = xennuma(['rebalance', '--from', 'ssh://gamma', '--yes'], { env: { PATH: hosts.path } });
    expect(failing).toMatchObject({ code: 1, err: expect.stringContaining('ended with status 1: libxl: error') });
  });

  it('over ssh: a scattered VM of xapi gets the commands of xe with its uuid, and its mask back', () => {
    const hosts = new FarHosts(mkdtempSync(join(folder, 'far-')));
    const files = farFiles('beta');
    const scattered = files.dump!.replace('Node 0: 0\n(XEN)     Node 1: 262144', 'Node 0: 131072\n(XEN)     Node 1: 131072');
    const info = files.info.replace(/1024 /, '2560 ');
    hosts.add('beta', { ...files, info, dump: scattered, ...farXapi('beta', { mask: '0,1,2,3' }) });
    const { out } = xennuma(['rebalance', '--from', 'ssh://beta', '--json'], { env: { PATH: hosts.path } });
    const [web] = (schema.parse(JSON.parse(out)) as RebalanceAnswer).migrations;
    expect(web).toMatchObject({ name: 'web', bytes: 2 ** 30 });
    expect(web!.commands).toEqual([
      `xe vm-param-set uuid=${FAR_UUIDS.web} VCPUs-params:mask=2,3`,
      `xe vm-migrate uuid=${FAR_UUIDS.web} host-uuid=${FAR_UUIDS.host} live=true`,
      `xe vm-param-set uuid=${FAR_UUIDS.web} VCPUs-params:mask=0,1,2,3`,
    ]);
  });
});

describe('a plan carried out on the embedded host', { timeout: 240_000 }, () => {
  /** VMs come and go until memory is scattered. */
  async function disturbed(seed: number): Promise<Toolstack> {
    const random = new Random(seed);
    const host = readHost([join(root, 'examples/hosts/four-nodes.yaml')]);
    const file = join(folder, `vms-${seed}.yaml`);
    const names = Array.from({ length: 9 }, (_, index) => `vm-${index}`);
    const vm = (name: string) => `  - { name: ${name}, vcpus: ${random.pick([1, 2, 2, 4])}, memory: ${random.pick([1, 2, 3, 3, 5])}GiB }`;
    writeFileSync(file, `vms:\n${names.map(vm).join('\n')}\n`);
    const { toolstack } = await raise(
      { host, live: null },
      readVms([file], host),
      { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 },
      {},
    );
    for (const name of names) await toolstack.start(name);
    for (const name of random.shuffled(names).slice(0, 3)) await toolstack.stop(name);
    return toolstack;
  }

  it('puts the memory where the plan says, step by step', async () => {
    let migrations = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const toolstack = await disturbed(seed);
      const map = toolstack.snapshot();
      const names = new Map(toolstack.vms().map(({ domid, spec }) => [domid, spec.name]));
      const plan = rebalance(problemOfMap(map, [], new Set(map.domains.map(({ domid }) => domid))).problem);
      for (const { vm, cpus } of plan.freeMoves) await toolstack.pin(names.get(vm)!, 'all', { soft: cpus });
      for (const { vm, cpus, pagesAfter, nodes } of plan.migrations) {
        const name = names.get(vm)!;
        await toolstack.setMask(name, cpus.join(','));
        const { failure } = await toolstack.migrateLocal(name);
        expect({ seed, failure }).toEqual({ seed, failure: null });
        const { domid } = toolstack.vms().find(({ spec }) => spec.name === name)!;
        const { pages } = toolstack.snapshot().domains.find((one) => one.domid === domid)!;
        const total = pagesAfter.reduce((sum, held) => sum + held, 0);
        // A few pages of 4 KiB are not divided like the rest.
        for (const node of nodes) expect(Math.abs(pages[node]! - pagesAfter[node]!) / total, `${seed} ${name}`).toBeLessThan(0.01);
        migrations++;
      }
      const end = toolstack.snapshot();
      const again = rebalance(problemOfMap(end, [], new Set(end.domains.map(({ domid }) => domid))).problem, { maxMoves: 0 });
      expect(again.before.onOneNode).toBe(plan.after.onOneNode);
      const most = snapshotBound(map);
      expect(most.onOneNode).toBeGreaterThanOrEqual(plan.after.onOneNode);
      expect(most.pagesOnOneNode).toBeGreaterThanOrEqual(plan.after.pagesOnOneNode);
      expect(again.before.meanDistance).toBeCloseTo(plan.after.meanDistance!, 1);
    }
    expect(migrations).toBeGreaterThan(10);
  });
});
