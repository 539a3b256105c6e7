// The life of an HVM guest: placed on node 2 of 4 by best_effort, its firmware on its console, a
// sector of its disk read; its own reset, power off and crash; pinned by a mask. Run by node:test
// in dom0 of machine shape a (npm run test:xen -- hvm).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Ending } from '../../../src/xenopsd/api/outcome.js';
import { asWere, type Bench, bench, eventually, pagesOf, start, stop, traces, using, vm, xl } from '../guests/host.js';
import { firmware, SAYS, startHvm } from './guest.js';

/** A letter to its firmware, after which the guest is down. */
async function goesDown({ doors }: Bench, domid: number, letter: string): Promise<void> {
  await firmware('windows', letter, () => doors.xc.domainInfo(domid)!.shutdown !== null);
}

/** The guest that went down by itself is noticed. */
async function noticed({ toolstack }: Bench, name: string): Promise<Ending | null> {
  let ending: Ending | null = null;
  await eventually(async () => {
    const [outcome] = await toolstack.noticeEnded();
    assert.ok(outcome !== undefined, `${name} has not ended`);
    assert.deepEqual([outcome.vm, outcome.failure], [name, null]);
    ending = outcome.ending;
  });
  return ending;
}

describe('on a host with room on nodes 2 and 3 alone', () => {
  let others: Bench;
  before(async () => {
    others = await bench({ keepOnNode: true });
    await start(others, vm('fills-0', 'pvh', 1, 1350, { vcpusParams: { mask: '0,1' } }));
    await start(others, vm('fills-1', 'pvh', 1, 850, { vcpusParams: { mask: '2,3' } }));
    // The first guest with a device model makes Xen's and the kernel's own structures for it.
    await startHvm(others, 'first');
    await stop(others, 'first');
  });
  after(async () => {
    await stop(others, 'fills-0');
    await stop(others, 'fills-1');
    await others.doors.close();
  });

  test('an HVM guest by best_effort runs on node 2; reset, power off and crash by itself; nothing is left', () =>
    using(bench(), async (one) => {
      const { xc, xs } = one.doors;
      const unused = await traces(xc, xs);
      const { domid, record } = await startHvm(one, 'windows');
      for (const edge of ['numa_placement -> XEN_VCPUAFFINITY_SOFT', 'exec_xenguest -> stub_xc_hvm_build'] as const) {
        assert.ok(record.edgesTaken().includes(edge), edge);
      }
      const { totalPages, pagesByNode } = pagesOf(xc, domid);
      assert.equal(pagesByNode[2], totalPages, `all pages on node 2: ${pagesByNode.join(' ')}`);
      assert.match(xl('list', '-n'), /^windows .* 2$/m);
      assert.match(xl('vcpu-list', 'windows'), /all \/ 4-5$/m);
      assert.match(await firmware('windows', 's', (said) => SAYS.test(said)), SAYS);
      console.log(`windows: up, its disk read, ${totalPages} pages, by node ${pagesByNode.join(' ')}`);

      await goesDown(one, domid, 'r');
      assert.equal(await noticed(one, 'windows'), 'reboot');
      await asWere(one.doors, unused);
      const again = await one.toolstack.start('windows');
      assert.equal(again.failure, null, again.failure?.message);
      assert.notEqual(again.domid, domid, 'a new domain');
      // Placed anew: xenopsd of that version goes on counting the first one on node 2.
      assert.equal(pagesOf(xc, again.domid!).pagesByNode[3], totalPages);
      const rebooted = await one.toolstack.reboot('windows');
      assert.equal(rebooted.failure, null, rebooted.failure?.message);
      await goesDown(one, rebooted.domid!, 'p');
      assert.equal(await noticed(one, 'windows'), 'poweroff');
      const last = await one.toolstack.start('windows');
      assert.equal(last.failure, null, last.failure?.message);
      await goesDown(one, last.domid!, 'c');
      assert.equal(await noticed(one, 'windows'), 'crash');
      assert.equal((await one.toolstack.start('windows')).failure, null);
      const shut = await one.toolstack.shutdown('windows');
      assert.equal(shut.failure, null, shut.failure?.message);
      await asWere(one.doors, unused);
    }));

  test('an HVM guest with a mask is pinned by the builder before its memory, which is there', () =>
    using(bench(), async (one) => {
      const unused = await traces(one.doors.xc, one.doors.xs);
      const { domid, record } = await startHvm(one, 'pinned', { vcpusParams: { mask: '6,7' } });
      assert.ok(record.edgesTaken().includes('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD'));
      const { totalPages, pagesByNode } = pagesOf(one.doors.xc, domid);
      assert.equal(pagesByNode[3], totalPages);
      assert.match(xl('vcpu-list', 'pinned'), /6-7 \/ all$/m);
      assert.match(await firmware('pinned', 's', (said) => SAYS.test(said)), SAYS);
      await stop(one, 'pinned');
      await asWere(one.doors, unused);
    }));
});
