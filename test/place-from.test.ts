// place on a host over ssh: which commands run there, in which order, and what is told of them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { PlaceAnswer } from '../src/cli/answers/answers.js';
import { FAR_UUIDS, FarHosts, farFiles, farXapi } from './support/far-hosts.js';
import { type CommandResult, root, xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-place-from-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(root, 'schemas', 'place.schema.json'), 'utf8')));

let hosts: FarHosts;
beforeEach(() => {
  hosts = new FarHosts(mkdtempSync(join(folder, 'case-')));
});
const place = (...words: string[]): CommandResult => xennuma(['place', ...words], { env: { PATH: hosts.path } });
const FROM = ['--from', 'ssh://root@beta'];
const PIN = 'xl [vcpu-pin] [5] [all] [-] [2-3]';
const MASK = `xe [vm-param-set] [uuid=${FAR_UUIDS.web}] [VCPUs-params:mask=2,3]`;

describe('place --from ssh://', { timeout: 240_000 }, () => {
  it('without --yes shows the commands and runs none', () => {
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta') });
    const { code, out, err } = place('web', ...FROM);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^web \(domain 5\): its memory lies on node 1\.$/m);
    expect(out).toMatch(/^ {2}xl vcpu-pin 5 all - 2-3$/m);
    expect(out).toContain(`\n  xe vm-param-set uuid=${FAR_UUIDS.web} VCPUs-params:mask=2,3\n`);
    expect(out).toContain('Nothing was changed');
    expect(place('web', ...FROM, '--dry-run').out).toBe(out);
    expect(far.changes()).toEqual([]);
  });

  it('with --yes pins the running domain, then sets the mask, over one connection', () => {
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta', { mask: '0,1' }) });
    const { code, out, err } = place('web', ...FROM, '--yes');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(far.changes()).toEqual([PIN, MASK]);
    expect(out.split('\n').slice(0, 2)).toEqual([
      'beta: xl vcpu-pin 5 all - 2-3',
      `beta: xe vm-param-set uuid=${FAR_UUIDS.web} VCPUs-params:mask=2,3`,
    ]);
    expect(out).toMatch(/soft affinity {2}all -> node 1$/m);
    expect(out).toMatch(/^Done\. Memory does not move/m);
    const controls = new Set(hosts.sshCalls.map((call) => /ControlPath=(\S+)/.exec(call)?.[1]));
    expect(controls.size).toBe(1);
    // What is right already is not set again.
    expect(place('web', ...FROM, '--no-mask').out).toContain('Nothing to change.');
  });

  it('--json says what ran, by its schema, and shows the commands beside it', () => {
    const far = hosts.add('beta', farFiles('beta'));
    const { code, out, err } = place('5', ...FROM, '--yes', '--json');
    expect({ code, err }).toEqual({ code: 0, err: 'beta: xl vcpu-pin 5 all - 2-3\n' });
    const answer = schema.parse(JSON.parse(out)) as PlaceAnswer;
    expect(answer.commands).toEqual([{ command: 'xl vcpu-pin 5 all - 2-3', state: 'done' }]);
    expect(answer.dryRun).toBe(false);
    expect(answer.domains[0]!.after.soft).toEqual(['2-3']);
    expect(far.changes()).toEqual([PIN]);
  });

  it('sets no mask where it is set, with --no-mask, and for a VM that xapi does not know', () => {
    for (const [more, words] of [
      [farXapi('beta', { mask: '2,3' }), []],
      [farXapi('beta'), ['--no-mask']],
      [{ ...farXapi('beta'), xeVms: '' }, []],
    ] as const) {
      const far = new FarHosts(mkdtempSync(join(folder, 'mask-')));
      const host = far.add('beta', { ...farFiles('beta'), ...more });
      expect(xennuma(['place', 'web', ...FROM, '--yes', ...words], { env: { PATH: far.path } }).code).toBe(0);
      expect(host.changes()).toEqual([PIN]);
    }
  });

  it('sets the policy of the host, alone or after the domains', () => {
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta') });
    const policy = `xe [host-param-set] [uuid=${FAR_UUIDS.host}] [numa-affinity-policy=best_effort]`;
    expect(place(...FROM, '--set-policy', 'best_effort', '--yes').code).toBe(0);
    expect(far.changes()).toEqual([policy]);
    expect(place('web', ...FROM, '--set-policy', 'best_effort', '--yes').code).toBe(0);
    expect(far.changes()).toEqual([policy, PIN, MASK, policy]);
    expect(place(...FROM, '--set-policy', 'default_policy').out).toBe('Nothing to change.\n');
  });

  it('refuses a policy where the host has none, or no xapi', () => {
    hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta', { policy: null }) });
    hosts.add('plain', farFiles('plain'));
    const words = ['--set-policy', 'best_effort', '--yes'];
    expect(place(...FROM, ...words)).toMatchObject({
      code: 2,
      err: expect.stringContaining("'Host of the test' has no numa_affinity_policy"),
    });
    expect(place('--from', 'ssh://plain', ...words)).toMatchObject({ code: 2, err: expect.stringContaining('has no xapi') });
  });

  it('stops at a command that fails, and says what ran', () => {
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta') });
    far.refuse('vcpu-pin', 1, 'libxl: error: Could not set vcpu affinity');
    const { code, out, err } = place('web', ...FROM, '--yes');
    expect(code).toBe(1);
    expect(err).toBe('xennuma: `xl vcpu-pin 5 all - 2-3` ended with status 1: libxl: error: Could not set vcpu affinity\n');
    expect(out.replace(/\s+/g, ' ')).toContain('0 of 2 commands done, 1 failed, 1 not run.');
    expect(far.changes()).toEqual([PIN]);
  });

  it('leaves a domain with hard affinity alone, and exits with 1', () => {
    const far = hosts.add('beta', { ...farFiles('beta'), ...farXapi('beta') });
    const { code, out } = place('pinned', ...FROM, '--yes');
    expect(code).toBe(1);
    expect(out).toContain('its hard affinity is set');
    expect(far.changes()).toEqual([]);
  });

  it('a name of the shell does nothing on the host', () => {
    const evil = '$(reboot);`id`';
    const far = hosts.add('beta', farFiles('beta', evil));
    expect(place(evil, ...FROM, '--yes').code).toBe(0);
    expect(far.changes()).toEqual([PIN]);
    for (const source of ['ssh://root@$(id)', 'ssh://-oProxyCommand=id', 'ssh://a b']) {
      expect(place('web', '--from', source, '--yes')).toMatchObject({ code: 2, out: '' });
    }
  });

  it('a host that ssh does not reach: 3', () => {
    const { code, err } = place('web', '--from', 'ssh://nowhere', '--yes');
    expect(code).toBe(3);
    expect(err).toContain('nowhere cannot be reached by ssh: ssh: connect to host nowhere port 22: No route to host');
  });

  it('from a text: the commands are shown, and --yes is refused', () => {
    const { info, list, vcpus, dump } = farFiles('beta');
    const paste = join(folder, 'paste.txt');
    writeFileSync(paste, [info, list, vcpus, dump].join('\n'));
    expect(place('web', '--from', paste).out).toMatch(/^ {2}xl vcpu-pin 5 all - 2-3$/m);
    expect(place('web', '--from', paste, '--yes')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--from: --yes needs a host over ssh'),
    });
  });
});

it.each([
  [['--from', 'ssh://a', '--on', 'xen'], 'expected --from or --on, got both'],
  [['--from', 'ssh://a', '--pool', 'https://x'], 'expected --from or --pool, got both'],
  [['--from', 'ssh://a', '--dry-run', '--yes'], 'expected --dry-run or --yes, got both'],
  [['--from', 'ssh://a,ssh://b'], '--from: expected one host, got several'],
  [['--yes'], '--yes needs --pool or --from'],
  [['--no-mask'], '--no-mask needs --from'],
])('place web %j is refused', (words, message) => {
  expect(xennuma(['place', 'web', ...words])).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
});
