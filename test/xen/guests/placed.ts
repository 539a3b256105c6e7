// Where guests lie who are pinned, or too large for extents of 1 GiB; and builds that fail with
// their own words and leave nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmSpec } from '../../../src/machine/vm.js';
import { asWere, bench, pagesOf, start, stop, traces, using, vm, xl } from './host.js';

test('a VM with a mask is pinned hard by the builder, through XenStore, and its memory is there', () =>
  using(bench(), async (one) => {
    const { xc, xs } = one.doors;
    const { domid, record } = await start(one, vm('pinned', 'pvh', 2, 64, { vcpusParams: { mask: '6,7' } }));
    for (const edge of ['is_xe_vCPUparams_mask_set? -> set_hard_affinity', 'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD'] as const) {
      assert.ok(record.edgesTaken().includes(edge), edge);
    }
    assert.ok(!record.nodesVisited().includes('numa_placement'));
    assert.equal(await xs.read(`/local/domain/${domid}/platform/vcpu/1/affinity`), '00000011');
    assert.equal(xl('vcpu-list', 'pinned').match(/6-7 \/ all$/gm)?.length, 2);
    const { totalPages, pagesByNode } = pagesOf(xc, domid);
    assert.equal(pagesByNode[3], totalPages);
    await stop(one, 'pinned');
  }));

test('extents of 1 GiB go to another node, with a warning before it happens', () =>
  using(bench(), async (one) => {
    const { domid, record } = await start(one, vm('gib', 'pvh', 1, 1100, { vcpusParams: { mask: '2,3' } }));
    const said = record.entries.find((entry) => entry.kind === 'surprise' && entry.code === 'gigabyte-extents');
    assert.ok(said?.kind === 'surprise' && said.code === 'gigabyte-extents' && 'asked' in said.values);
    const { asked, nodes, elsewhereGib } = said.values;
    assert.deepEqual({ asked, nodes, elsewhereGib }, { asked: 1, nodes: [1], elsewhereGib: 1 });
    const { pagesByNode } = pagesOf(one.doors.xc, domid);
    console.log(`gib: pages by node ${pagesByNode.join(' ')}`);
    assert.ok(Math.max(...pagesByNode.filter((_, node) => node !== 1)) >= 262_144, 'one extent on another node');
    await stop(one, 'gib');
  }));

test('extents of 1 GiB do not, when the guest is to be kept on its node', () =>
  using(bench({ keepOnNode: true }), async (one) => {
    const { domid } = await start(one, vm('kept', 'pvh', 1, 1100, { vcpusParams: { mask: '0,1' } }));
    const { totalPages, pagesByNode } = pagesOf(one.doors.xc, domid);
    console.log(`kept: pages by node ${pagesByNode.join(' ')}`);
    assert.ok(totalPages > 262_144);
    assert.equal(pagesByNode[0], totalPages);
    await stop(one, 'kept');
  }));

const FAILING: readonly (readonly [string, Partial<VmSpec>, RegExp])[] = [
  ['an all-zero mask', { vcpusParams: { mask: '99' } }, /^xenguest: xc_vcpu_setaffinity: \[22\] Invalid argument$/],
  ['a kernel that is not there', { boot: { kernel: '/nonexistent' } }, /^xenguest: xc_dom_kernel_file: .*nonexistent/],
  ['a kernel that is none', { boot: { kernel: '/etc/hostname' } }, /^xenguest: xc_dom_(kernel_file|parse_image): /],
];
for (const [what, change, message] of FAILING) {
  test(`${what} fails the build with its own words and leaves nothing behind`, () =>
    using(bench(), async ({ doors, toolstack }) => {
      const unused = await traces(doors.xc, doors.xs);
      await toolstack.add(vm('failing', 'pvh', 1, 64, change));
      const { failure, domid } = await toolstack.start('failing');
      assert.equal(failure?.step, 'xenguest');
      assert.match(failure.message, message);
      assert.equal(domid, null);
      await asWere(doors, unused);
    }));
}
