// verify and place as users start them, on the embedded host and where there is no Xen.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { PlaceAnswer, VerifyAnswer } from '../src/cli/answers/answers.js';
import { DUMP, INFO, LIST, VCPUS } from './support/listings.js';
import { root, xennuma } from './xennuma.js';

const DRIFT = ['--scenario', 'examples/scenarios/drift.yaml'];
const noXen = !existsSync('/dev/xen/privcmd') && !existsSync('/proc/xen/privcmd');

function shipped(name: string): z.ZodType {
  return z.fromJSONSchema(JSON.parse(readFileSync(join(root, 'schemas', `${name}.schema.json`), 'utf8')));
}

describe('what a source does not say', () => {
  const paste = [INFO, LIST, VCPUS].join('\n');
  const missing = `${paste}${DUMP.replaceAll('Domain 5', 'Domain 6')}`;

  it('is null in the answers of show and verify, never 0', () => {
    const show = xennuma(['show', '--from', '-', '--json'], { input: missing });
    const [vm] = (shipped('show').parse(JSON.parse(show.out)) as { readonly vms: readonly object[] }).vms;
    const unknown = { memoryBytes: null, pagesByNode: null, onOneNode: null, remotePages: null, numa_nodes: null, numa_optimised: null };
    expect(vm).toMatchObject({ name: 'payroll', ...unknown });
    const verify = xennuma(['verify', '--from', '-', '--json'], { input: missing });
    const { domains } = shipped('verify').parse(JSON.parse(verify.out)) as VerifyAnswer;
    expect(domains.find(({ name }) => name === 'payroll')?.pagesByNode).toBeNull();
    const known = xennuma(['show', '--from', '-', '--json'], { input: paste + DUMP });
    expect(JSON.parse(known.out).vms).toMatchObject([{ name: 'payroll', memoryBytes: 2 ** 30, pagesByNode: [0, 262_144] }]);
  });

  it('verify has nothing to compare without `xl vcpu-list`', () => {
    const { code, out } = xennuma(['verify', '--from', '-', '--json'], { input: [INFO, LIST, DUMP].join('\n') });
    const { domains } = shipped('verify').parse(JSON.parse(out)) as VerifyAnswer;
    expect(domains).toMatchObject([{ name: 'payroll', hard: null, soft: null, drifts: [] }]);
    expect(code).toBe(2);
    expect(xennuma(['verify', '--from', '-'], { input: [INFO, LIST, DUMP].join('\n') }).out).toMatch(/^payroll .*not known$/m);
  });

  it('is explained where the table of verify has a ?', () => {
    const { out } = xennuma(['verify', '--from', '-'], { input: paste + DUMP });
    expect(out).toMatch(/^payroll +5 +\?/m);
    expect(out.replaceAll(/\s+/g, ' ')).toContain('?: no record says what was requested, so only the vCPUs and their memory are compared.');
    expect(xennuma(['verify', ...DRIFT]).out).not.toContain('?: no record');
  });
});

describe('verify', () => {
  it('names each drift and exits with 1', () => {
    const { code, out, err } = xennuma(['verify', ...DRIFT, '--json']);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    const answer = shipped('verify').parse(JSON.parse(out)) as VerifyAnswer;
    const codes = Object.fromEntries(answer.domains.map(({ name, drifts }) => [name, drifts.map((one) => one.code)]));
    expect(codes).toEqual({
      web: ['hard-differs', 'soft-ignored', 'memory-outside-node-affinity', 'memory-unreachable'],
      db: ['hard-differs'],
      mail: ['memory-outside-node-affinity', 'node-affinity-by-hand'],
      quiet: [],
    });
    expect(answer.drifted).toBe(3);
  });

  it('of a domain without drift: 0', () => {
    const { code, out } = xennuma(['verify', 'quiet', ...DRIFT]);
    expect(code).toBe(0);
    expect(out).toMatch(/^quiet .* ok$/m);
    expect(out).toMatch(/^1 domain, no drift\.$/m);
  });

  it('of an unknown domain: 2, and the names of the existing ones', () => {
    const { code, err } = xennuma(['verify', 'wbe', ...DRIFT]);
    expect(code).toBe(2);
    expect(err).toBe("xennuma: there is no domain 'wbe'; did you mean 'web'? the domains are web, db, mail and quiet\n");
  });
});

describe('place', () => {
  it('shows what it would set, and why it does not', () => {
    const { code, out } = xennuma(['place', 'web', 'db', ...DRIFT, '--dry-run', '--json']);
    expect(code).toBe(1);
    const answer = shipped('place').parse(JSON.parse(out)) as PlaceAnswer;
    expect(answer.domains.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['web', 'none'],
      ['db', 'kept'],
    ]);
  });

  it('sets the nodes of the memory, and says that memory does not move', () => {
    const { code, out } = xennuma(['place', 'lost', '--scenario', 'examples/scenarios/lost-affinity.yaml']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}soft affinity {2}all -> node 0$/m);
    expect(out).toContain('Memory does not move');
  });
});

describe.runIf(noXen)('where there is no Xen', () => {
  it.each([
    'show --on xen',
    'plan --on xen --vms examples/vms/dozen.yaml',
    'verify',
    'place web',
    'rebalance',
    'rebalance --on xen',
    'explain web --on xen',
  ])('%s exits with 3 and names the missing part', (line) => {
    const { code, out, err } = xennuma(line.split(' '));
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(err).toMatch(
      /^xennuma: there is no Xen here: .*; run it in the control domain of a Xen host.*, or read a host from afar with --from ssh:/,
    );
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

it.each([
  ['a scenario', ['--scenario', 'examples/scenarios/drift.yaml'], 'expected --on or --scenario, got both'],
  ['a host', ['--host', 'examples/hosts/two-nodes.yaml'], 'expected --on or --host, got both'],
  ['all operations', ['--all'], 'expected no --all for a running domain'],
])('explain of a running domain together with %s is refused', (_, words, message) => {
  const { code, err } = xennuma(['explain', 'web', '--on', 'xen', ...words]);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

it('a described host together with the running one is refused', () => {
  const { code, err } = xennuma(['show', '--on', 'xen', '--host', 'examples/hosts/two-nodes.yaml']);
  expect(code).toBe(2);
  expect(err).toBe('xennuma: expected --on or --host, got both; leave one of them out\n');
});
