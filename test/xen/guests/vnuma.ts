// Virtual nodes (vNUMA) of PVH guests on a real Xen: by `xennuma vm` from a VM file, as Xen itself
// counts and prints them; what xl refuses; and what a Linux guest sees of them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIB } from '../../../src/base/units.js';
import type { VmSpec } from '../../../src/machine/vm.js';
import { asWere, bench, linux, MINI, startLinux, stop, traces, using, vm } from './host.js';
import { createByXl, isAsWide, virtualNodesOf, vnode, WIDE, wideNodes } from './wide.js';
import { pagesOnNodes } from './xl-output.js';

const NODES = 4;
const PAGES_A_MIB = 256;

const asVmFile = () => ({
  name: 'wide',
  kind: 'pvh',
  vcpus: 3,
  memory: '128MiB',
  boot: MINI,
  vnuma: WIDE.map(({ pnode, mib, vcpus, distances }) => ({ node: pnode, memory: `${mib}MiB`, vcpus: vcpus.join(','), distances })),
});

test('a PVH guest with virtual nodes by xennuma vm: its masks, its pages and what Xen prints are those of its VM file', () =>
  using(bench(), async ({ doors }) => {
    const unused = await traces(doors.xc, doors.xs);
    const folder = await mkdtemp('/tmp/xennuma-vnuma-');
    const state = join(folder, 'state');
    const xennuma = (...words: string[]) => {
      const line = ['dist/xennuma.js', 'vm', ...words, '--on', 'xen', '--profile', 'xl', '--state', state, '--json'];
      const { stdout, stderr, status } = spawnSync('node', line, { encoding: 'utf8' });
      assert.equal(status, 0, stderr + stdout);
      return JSON.parse(stdout);
    };
    await writeFile(join(folder, 'vms.json'), JSON.stringify({ vms: [asVmFile()] }));
    xennuma('create', '--vms', join(folder, 'vms.json'));
    const [started] = xennuma('start', 'wide').vms;
    const seen = virtualNodesOf('wide');
    console.log(`wide: pages by node ${seen.pages.join(' ')}\n${seen.described.join('\n')}`);
    isAsWide(seen, []);
    assert.deepEqual(seen.described.slice(1), [
      '(XEN)          0: pnode   2, vcpus 0 2',
      '(XEN)            0000000000000000 - 0000000006000000',
      '(XEN)          1: pnode   1, vcpus 1 ',
      '(XEN)            0000000006000000 - 0000000008000000',
    ]);
    assert.deepEqual(started.pagesByNode, seen.pages);
    xennuma('destroy', 'wide');
    await asWere(doors, unused);
    await rm(folder, { recursive: true });
  }));

/**
 * libxl of 4.17 asks Xen for the lengths of the lists, and takes the answer, ENOBUFS, for a failure
 * (libxl_x86_acpi.c 117).
 */
test('xl itself starts no PVH guest with virtual nodes', () =>
  using(bench(), async ({ doors }) => {
    const unused = await traces(doors.xc, doors.xs);
    const { status, stderr } = createByXl('type = "pvh"', `kernel = "${MINI.kernel}"`);
    assert.notEqual(status, 0);
    assert.match(stderr, /init_acpi_config: xc_domain_getvnuma failed/);
    await asWere(doors, unused);
  }));

const REFUSED: readonly (readonly [string, Partial<VmSpec>, readonly string[]])[] = [
  ['PV', { kind: 'pv' }, ['type = "pv"']],
  ['populate on demand', { memoryTargetBytes: 64 * MIB }, ['type = "pvh"', 'maxmem = 128', 'memory = 64']],
  [
    'a node that is not there',
    { vnuma: [vnode(4, 128, [0, 1, 2], [10])] },
    ['type = "pvh"', 'vnuma = [ ["pnode=4","size=128","vcpus=0-2"] ]'],
  ],
];

test('what xl refuses of virtual nodes, xennuma refuses on a real host too, and no domain is left', () =>
  using(bench({ profile: 'xl' }), async ({ doors, toolstack }) => {
    const unused = await traces(doors.xc, doors.xs);
    for (const [what, change, lines] of REFUSED) {
      await toolstack.add(vm(what, 'pvh', 3, 128, { vnuma: wideNodes(), ...change }));
      const { failure } = await toolstack.start(what);
      assert.equal(failure?.step, 'VM.create', what);
      assert.match(failure.message, /^vnuma: /);
      // Of a key that comes twice, xl takes the last.
      const byXl = createByXl(`kernel = "${MINI.kernel}"`, ...lines);
      assert.notEqual(byXl.status, 0, what);
      console.log(`${what}: "${failure.message}", xl: "${byXl.stderr.trim().split('\n').at(-1)}"`);
    }
    await asWere(doors, unused);
  }));

test('a PVH Linux finds its virtual nodes: vCPUs, memory and distances of each', () =>
  using(bench({ profile: 'xl' }), async (one) => {
    const unused = await traces(one.doors.xc, one.doors.xs);
    const vnuma = [vnode(2, 192, [0], [10, 21]), vnode(1, 128, [1], [17, 10])];
    const { running, outcome, said } = await startLinux(one, unused, vm('linux-vnuma', 'pvh', 2, 320, { boot: linux(), vnuma }));
    const [first, second] = ['node0', 'node1'].map((name) => said.get(name)?.split(' ') ?? []);
    console.log(`linux-vnuma: ${first?.join(' ')}; ${second?.join(' ')}`);
    assert.deepEqual([first?.[0], first?.slice(2)], ['0', ['10', '21']]);
    assert.deepEqual([second?.[0], second?.slice(2)], ['1', ['17', '10']]);
    // Linux counts what its kernel leaves.
    assert.ok(Number(first?.[1]) > 96 * 1024 && Number(first?.[1]) <= 192 * 1024);
    assert.ok(Number(second?.[1]) > 96 * 1024 && Number(second?.[1]) <= 128 * 1024);
    assert.ok(!said.has('node2'));
    const pages = pagesOnNodes(NODES).get(outcome.domid)!;
    assert.ok(pages[2]! >= 192 * PAGES_A_MIB && pages[1]! >= 128 * PAGES_A_MIB, `pages by node: ${pages.join(' ')}`);
    await stop(running, 'linux-vnuma');
    await asWere(one.doors, unused);
  }));
