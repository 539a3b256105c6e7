// PV and PVH guests that go from one domain to another with their memory: migrated on the host
// while they run, and suspended to a file. That the guest is the same is told by its counter, which
// goes on, and by its pages; where its memory lies, by Xen's own count. Run by node:test in dom0 of
// machine shape a (npm run test:xen -- moved).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { asWere, bench, eventually, pagesOf, start, stop, traces, using, xl } from '../guests/host.js';
import { countsOn, nodeOf, ticker, wasMoved } from './guest.js';
import './killed.js';

for (const kind of ['pvh', 'pv'] as const) {
  test(`a ${kind} guest is migrated to another node with its memory, and counts on`, () =>
    using(bench(), async (one) => {
      const { xc, xs } = one.doors;
      const unused = await traces(xc, xs);
      const name = `moved-${kind}`;
      const started = await start(one, ticker(name, kind));
      const from = nodeOf(started.domid);
      const last = await countsOn(name);

      const moved = await one.toolstack.migrateLocal(name);
      assert.equal(moved.failure, null, moved.failure?.message);
      assert.notEqual(moved.domid, started.domid);
      assert.deepEqual(moved.record.notes('restored'), [{ domid: moved.domid, from: started.domid }]);
      // As each build: the policy is read anew, and SOFT is set before there is memory.
      assert.ok(moved.record.edgesTaken().includes('numa_placement -> XEN_VCPUAFFINITY_SOFT'));
      const to = nodeOf(moved.domid!);
      assert.notEqual(to, from, 'best_effort of that version goes on counting the first domain on its node');
      assert.match(xl('list', '-n'), new RegExp(`^${name} .* ${to}$`, 'm'));
      assert.match(xl('vcpu-list', name), new RegExp(`all / ${2 * to}-${2 * to + 1}$`, 'm'));
      await wasMoved(name, 1);
      const now = await countsOn(name);
      assert.ok(now > last);
      console.log(`${name}: counted to ${last} on node ${from} and to ${now} on node ${to}, ${pagesOf(xc, moved.domid!).totalPages} pages`);

      // There and back: nothing of the first move is in the way of another.
      assert.equal((await one.toolstack.migrateLocal(name)).failure, null);
      await wasMoved(name, 2);
      await countsOn(name);
      assert.equal((await one.toolstack.shutdown(name)).failure, null);
      await asWere(one.doors, unused);
    }));
}

test('a guest with a mask stays pinned where it is resumed, with its memory there', () =>
  using(bench(), async (one) => {
    const { xc, xs } = one.doors;
    const unused = await traces(xc, xs);
    await start(one, ticker('pinned', 'pvh', { vcpusParams: { mask: '6,7' } }));
    const { record, domid, failure } = await one.toolstack.migrateLocal('pinned');
    assert.equal(failure, null);
    assert.ok(record.edgesTaken().includes('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD'));
    assert.ok(!record.nodesVisited().includes('numa_placement'));
    assert.equal(nodeOf(domid!), 3);
    assert.match(xl('vcpu-list', 'pinned'), /6-7 \/ all$/m);
    await wasMoved('pinned', 1);
    await stop(one, 'pinned');
    await asWere(one.doors, unused);
  }));

for (const kind of ['pvh', 'pv'] as const) {
  test(`xennuma vm suspend and resume of a ${kind} guest: it counts on, placed anew, and nothing is left`, () =>
    using(bench(), async ({ doors }) => {
      const unused = await traces(doors.xc, doors.xs);
      const folder = await mkdtemp('/tmp/xennuma-vm-');
      const state = join(folder, 'state');
      const file = join(folder, 'vms.json');
      const name = `sleeper-${kind}`;
      const { boot } = ticker(name, kind);
      await writeFile(file, JSON.stringify({ vms: [{ name, kind, vcpus: 1, memory: '32MiB', boot }] }));
      const run = (...words: string[]) =>
        JSON.parse(
          execFileSync('node', ['dist/xennuma.js', 'vm', ...words, '--on', 'xen', '--state', state, '--json'], { encoding: 'utf8' }),
        );
      run('create', '--vms', file);
      const started = run('start', name, '--policy', 'best_effort');
      const last = await countsOn(name);

      const suspended = run('suspend', name);
      assert.deepEqual([suspended.outcomes[0].failure, suspended.vms[0].state, suspended.vms[0].domid], [null, 'suspended', null]);
      const files = await readdir(state);
      assert.equal(files.filter((one) => one.endsWith('.image')).length, 1, files.join(' '));
      const { domains, keys } = unused;
      await eventually(async () => {
        const now = await traces(doors.xc, doors.xs);
        assert.deepEqual([now.domains, now.keys], [domains, keys]);
      });

      const [resumed] = run('resume', name, '--policy', 'best_effort').vms;
      assert.equal(resumed.state, 'running');
      assert.notEqual(resumed.domid, started.vms[0].domid);
      assert.equal(xl('vcpu-list', name).match(new RegExp(`all / ${resumed.soft[0]}$`, 'gm'))?.length, 1);
      await wasMoved(name, 1);
      const now = await countsOn(name);
      assert.ok(now > last);
      console.log(`${name}: counted to ${last}, suspended, and to ${now} on node ${nodeOf(resumed.domid)}`);
      run('destroy', name);
      assert.deepEqual(await readdir(state), []);
      await asWere(doors, unused);
      await rm(folder, { recursive: true });
    }));
}
