// Linux guests that are migrated on the host while they run (npm run test:xen -- moved-linux). An
// emulated Linux panics now and then (rig/README.md), so the suite `moved` has a guest of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asWere, bench, linux, pagesOf, startLinux, stop, traces, using, vm } from '../guests/host.js';
import { countsOn, nodeOf } from './guest.js';

for (const kind of ['pvh', 'pv'] as const) {
  test(`a ${kind} Linux is migrated to another node, and counts on`, () =>
    using(bench(), async (one) => {
      const unused = await traces(one.doors.xc, one.doors.xs);
      const name = `moved-linux-${kind}`;
      const boot = linux();
      const spec = vm(name, kind, 1, 256, { boot: { ...boot, cmdline: `${boot.cmdline} ticks` } });
      const { running, outcome } = await startLinux(one, unused, spec);
      const from = nodeOf(outcome.domid);
      const last = await countsOn(name);
      const moved = await running.toolstack.migrateLocal(name);
      assert.equal(moved.failure, null, moved.failure?.message);
      const to = nodeOf(moved.domid!);
      assert.notEqual(to, from);
      const now = await countsOn(name);
      assert.ok(now > last);
      const { totalPages } = pagesOf(one.doors.xc, moved.domid!);
      console.log(`${name}: counted to ${last} on node ${from} and to ${now} on node ${to}, ${totalPages} pages`);
      await stop(running, name);
      await asWere(one.doors, unused);
    }));
}
