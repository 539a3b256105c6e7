// `xennuma run SCENARIO --on xen`: the same scenario on the embedded host and for real comes to the
// same, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { asWere, bench, MINI, traces, using, xl } from './host.js';

const SCENARIO = {
  title: 'two guests and a mask',
  host: 'host.txt',
  // The listing of dom0 is one of a host of xl.
  profile: 'xapi-25.6',
  policy: 'best_effort',
  vms: [
    { name: 'first', kind: 'pvh', vcpus: 2, memory: '64MiB', boot: MINI },
    { name: 'masked', kind: 'pv', vcpus: 1, memory: '32MiB', params: { mask: '6,7' }, boot: MINI },
  ],
  events: [
    { start: ['first', 'masked'] },
    { check: { vm: 'masked', hard: '6-7', nodes: '3', nodeAffinity: '3' } },
    { pause: 'first' },
    { unpause: 'first' },
    { pin: { vm: 'first', hard: '2-3' }, expect: { hard: '2-3' } },
    { mask: { vm: 'masked', set: '2' } },
    { reboot: 'masked', expect: { hard: '2', nodes: '1' } },
  ],
};

/** What must be the same on both hosts: all but numbers of domains, and messages that hold them. */
function story(answer: {
  events: { title: string; asExpected: boolean; outcomes: { vm: string; operation: string; path: string[] }[] }[];
}) {
  return answer.events.map(({ title, asExpected, outcomes }) => [
    title,
    asExpected,
    outcomes.map(({ vm, operation, path }) => [vm, operation, path]),
  ]);
}

test('a scenario on a real host has the same outcomes as on the embedded host, and its VMs are removed at the end', () =>
  using(bench(), async ({ doors }) => {
    const unused = await traces(doors.xc, doors.xs);
    const folder = await mkdtemp('/tmp/xennuma-scenario-');
    const state = join(folder, 'state');
    const file = join(folder, 'scenario.json');
    await writeFile(file, JSON.stringify(SCENARIO));
    await writeFile(join(folder, 'host.txt'), xl('info', '-n'));
    const run = (...words: string[]) => {
      const { stdout, stderr, status } = spawnSync('node', ['dist/xennuma.js', 'run', file, '--json', ...words], { encoding: 'utf8' });
      assert.equal(status, 0, stderr + stdout);
      return JSON.parse(stdout);
    };
    const onXen = ['--on', 'xen', '--state', state];

    const real = run(...onXen);
    assert.deepEqual(story(real), story(run()));
    assert.deepEqual(await readdir(state), []);
    await asWere(doors, unused);

    // Those that are kept are VMs as any other.
    assert.equal(run(...onXen, '--keep').vms.length, 2);
    assert.match(xl('list'), /^first +\d/m);
    const again = spawnSync('node', ['dist/xennuma.js', 'run', file, ...onXen], { encoding: 'utf8' });
    assert.deepEqual([again.status, /a VM named 'first' already exists/.test(again.stderr)], [2, true], again.stderr);
    const gone = spawnSync('node', ['dist/xennuma.js', 'vm', 'destroy', 'first', 'masked', '--on', 'xen', '--state', state]);
    assert.equal(gone.status, 0);
    await asWere(doors, unused);
    await rm(folder, { recursive: true });
  }));
