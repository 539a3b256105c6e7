// Linux guests on the real Xen, started by xennuma's own xenopsd through the builder process:
// placed on node 2 of 4 by best_effort, they come up, and lie there by Xen's own count.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { asWere, type Bench, bench, linux, pagesOf, start, startLinux, stop, traces, using, vm, xl } from './host.js';

const GUESTS = [
  ['pv', 1],
  ['pv', 2],
  ['pvh', 1],
  ['pvh', 2],
] as const;

describe('on a host with room on nodes 2 and 3 alone', () => {
  let others: Bench;
  before(async () => {
    // Kept there, so less than 256 MiB are left of nodes 0 and 1: best_effort finds room on nodes 2
    // and 3, and takes the lower.
    others = await bench({ keepOnNode: true });
    await start(others, vm('fills-0', 'pvh', 1, 1350, { vcpusParams: { mask: '0,1' } }));
    await start(others, vm('fills-1', 'pvh', 1, 850, { vcpusParams: { mask: '2,3' } }));
  });
  after(async () => {
    await stop(others, 'fills-0');
    await stop(others, 'fills-1');
    await others.doors.close();
  });

  for (const [kind, vcpus] of GUESTS) {
    test(`a ${kind} Linux with ${vcpus} vCPUs by best_effort comes up on node 2 with its clock running, and goes without a trace`, () =>
      using(bench(), async (one) => {
        const { xc, xs } = one.doors;
        const unused = await traces(xc, xs);
        const name = `linux-${kind}-${vcpus}`;
        const { running, outcome, said } = await startLinux(one, unused, vm(name, kind, vcpus, 256, { boot: linux() }));
        const { domid, record } = outcome;
        assert.ok(record.edgesTaken().includes('numa_placement -> XEN_VCPUAFFINITY_SOFT'));
        const { totalPages, pagesByNode } = pagesOf(xc, domid);
        assert.equal(pagesByNode[2], totalPages, `all pages on node 2, by Xen's debug key u: ${pagesByNode.join(' ')}`);
        assert.match(xl('list', '-n'), new RegExp(`^${name} .* 2$`, 'm'));
        assert.equal(xl('vcpu-list', name).match(/all \/ 4-5$/gm)?.length, vcpus, 'soft affinity of each vCPU, as xl prints it');
        assert.equal(said.get('cpus'), vcpus === 1 ? '0' : '0-1');
        assert.ok(Number(said.get('clock')) >= 1, 'seconds that went by in a sleep of one');
        for (let vcpu = 0; vcpu < vcpus; vcpu++) assert.ok(xc.vcpuInfo(domid, vcpu).online);
        console.log(`${name}: up, CPUs ${said.get('cpus')} online, ${totalPages} pages, by node ${pagesByNode.join(' ')}`);
        await stop(running, name);
        await asWere(one.doors, unused);
      }));
  }

  test('a VM too big for a node is given two, and its memory is there', () =>
    using(bench(), async (one) => {
      const { domid, record } = await start(one, vm('big', 'pvh', 2, 1600));
      const [plan] = record.visits('numa_placement');
      assert.deepEqual(plan?.numa === true && plan.nodes, [2, 3]);
      assert.equal(xl('vcpu-list', 'big').match(/all \/ 4-7$/gm)?.length, 2);
      const { totalPages, pagesByNode } = pagesOf(one.doors.xc, domid);
      assert.ok(totalPages >= 1600 * 256);
      assert.equal(pagesByNode[2]! + pagesByNode[3]!, totalPages);
      assert.ok(pagesByNode[2]! > 0 && pagesByNode[3]! > 0);
      console.log(`big: ${totalPages} pages, by node ${pagesByNode.join(' ')}`);
      await stop(one, 'big');
    }));
});
