// HVM guests with virtual nodes: by xl and by xennuma, profile xl, with the same vCPU masks, pages
// by node and description, in Xen and for the guest, whose firmware comes up; and by `tight`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../../src/base/units.js';
import { asWere, bench, stop, traces, using, xl } from '../guests/host.js';
import { CPUS_OF_NODE, createByXl, isAsWide, virtualNodesOf, wideNodes } from '../guests/wide.js';
import { FIRMWARE, firmware, makeDisk, SAYS, startHvm } from './guest.js';

/**
 * Of virtual node 0: the VGA has no memory (32 pages), and libxenguest names no node for the 160
 * pages below it, which come from all four in turn.
 */
const HOLES = [-40, -40, 32 + 160 - 40, -40];

test('an HVM guest with virtual nodes has the same masks, pages and description by xl and by xennuma', () =>
  using(bench(), async ({ doors }) => {
    const unused = await traces(doors.xc, doors.xs);
    const byXl = createByXl(
      'type = "hvm"',
      'bios = "seabios"',
      `bios_path_override = "${FIRMWARE}"`,
      `disk = [ "format=raw, vdev=hda, access=rw, backendtype=qdisk, target=${makeDisk('/tmp/xennuma-wide-xl')}" ]`,
      'device_model_override = "/usr/libexec/xen-qemu-system-i386"',
      'serial = "pty"',
      'vga = "none"',
      'vnc = 0',
    );
    assert.equal(byXl.status, 0, byXl.stderr);
    const theirs = virtualNodesOf('wide-xl');
    const theirsRead = doors.xc.domainGetVnuma(theirs.domid);
    xl('destroy', 'wide-xl');
    await using(bench({ profile: 'xl' }), async (one) => {
      const memory = { memoryStaticMaxBytes: 128 * MIB, memoryTargetBytes: 128 * MIB };
      await startHvm(one, 'wide-hvm', { ...memory, vcpusMax: 3, vcpusAtStartup: 3, vnuma: wideNodes() });
      const ours = virtualNodesOf('wide-hvm');
      console.log(`pages by node: ${ours.pages.join(' ')}; by xl ${theirs.pages.join(' ')}\n${ours.described.join('\n')}`);
      isAsWide(theirs, HOLES);
      isAsWide(ours, HOLES);
      assert.deepEqual([ours.affinity, ours.pages, ours.described], [theirs.affinity, theirs.pages, theirs.described]);
      assert.deepEqual(doors.xc.domainGetVnuma(ours.domid), theirsRead);
      assert.match(await firmware('wide-hvm', 's', (said) => SAYS.test(said)), SAYS);
      await stop(one, 'wide-hvm');
    });
    await asWere(doors, unused);
  }));

test('policy tight gives an HVM guest two virtual nodes, each on a node with its vCPU', () =>
  using(bench(), async (one) => {
    const unused = await traces(one.doors.xc, one.doors.xs);
    one.toolstack.setPolicy('tight');
    const memory = { memoryStaticMaxBytes: 128 * MIB, memoryTargetBytes: 128 * MIB };
    const { record } = await startHvm(one, 'planned', { ...memory, vcpusMax: 2, vcpusAtStartup: 2, virtualNodes: 2 });
    const nodes = record.notes('virtual nodes').flatMap((note) => note.nodes);
    const { pages, vcpus } = virtualNodesOf('planned');
    console.log(`planned: nodes ${nodes.map(({ node }) => node).join(' and ')}, pages by node ${pages.join(' ')}`);
    assert.equal(new Set(nodes.map(({ node }) => node)).size, 2);
    for (const [vcpu, { node, mib, vcpus: list }] of nodes.entries()) {
      assert.deepEqual([mib, list, vcpus[vcpu]?.soft], [64, String(vcpu), CPUS_OF_NODE[node]]);
      // The first 640 KiB, the hole of the VGA and the special pages.
      assert.ok(Math.abs(pages[node]! - 64 * 256) <= 192, `pages by node: ${pages.join(' ')}`);
    }
    assert.ok(pages.every((count, node) => nodes.some((vnode) => vnode.node === node) || count === 0));
    await stop(one, 'planned');
    await asWere(one.doors, unused);
  }));
