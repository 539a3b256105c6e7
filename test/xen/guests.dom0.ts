// Guests on the real Xen, started by xennuma's own xenopsd through the builder process: they come up, and lie where they should by Xen's
// own count; what cannot be built leaves nothing behind. Machine shape a.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { Xenctrl } from '../../src/xenctrl/xenctrl.js';
import { bench, guestSays, linux, SOON, traces, vm } from './guest-host.js';

const xl = (...args: string[]) => execFileSync('xl', args, { encoding: 'utf8' });
const pagesOf = (xc: Xenctrl, domid: number) => xc.domainMemory().find((one) => one.domid === domid)!;

describe.each<['pv' | 'pvh', number]>([
  ['pv', 1],
  ['pv', 2],
  ['pvh', 1],
  ['pvh', 2],
])('a %s Linux with %d vCPUs by best_effort', (kind, vcpus) => {
  test('comes up on node 2 with its clock running, and goes without a trace', async () => {
    const { doors, toolstack } = await bench();
    // best_effort takes the node that it gave to the fewest VMs, the lowest of those: these two have nodes 0 and 1.
    for (const first of ['first', 'second']) {
      toolstack.add(vm(first, 'pv', 1, 32));
      expect((await toolstack.start(first)).failure).toBeNull();
    }
    const before = await traces(doors.xc, doors.xs);
    const name = `linux-${kind}-${vcpus}`;
    toolstack.add(vm(name, kind, vcpus, 256, { boot: linux() }));
    const { domid, failure } = await toolstack.start(name);
    expect(failure).toBeNull();
    const { totalPages, pagesByNode } = pagesOf(doors.xc, domid!);
    expect(pagesByNode[2], "all pages, by Xen's debug key").toBe(totalPages);
    expect(xl('list', '-n')).toMatch(new RegExp(`^${name} .* 2$`, 'm'));
    expect(xl('vcpu-list', name).match(/all \/ 4-5$/gm), 'soft affinity of each vCPU, as xl prints it').toHaveLength(vcpus);
    const said = await guestSays(name);
    expect(said.get('cpus')).toBe(vcpus === 1 ? '0' : '0-1');
    expect(Number(said.get('clock')), 'seconds that went by in a sleep of one').toBeGreaterThanOrEqual(1);
    for (let vcpu = 0; vcpu < vcpus; vcpu++) expect(doors.xc.vcpuInfo(domid!, vcpu).online).toBe(true);
    expect((await toolstack.stop(name)).failure).toBeNull();
    await expect.poll(() => traces(doors.xc, doors.xs), SOON).toEqual(before);
    for (const one of ['first', 'second']) await toolstack.stop(one);
    await doors.close();
  });
});

test('a VM with a mask is pinned hard by the builder, through XenStore, and its memory is there', async () => {
  const { doors, toolstack } = await bench();
  toolstack.add(vm('pinned', 'pvh', 2, 64, { vcpusParams: { mask: '6,7' } }));
  const { domid, failure, record } = await toolstack.start('pinned');
  expect(failure).toBeNull();
  expect(record.edgesTaken()).toContain('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD');
  expect(xl('vcpu-list', 'pinned').match(/6-7 \/ all$/gm)).toHaveLength(2);
  const { totalPages, pagesByNode } = pagesOf(doors.xc, domid!);
  expect(pagesByNode[3]).toBe(totalPages);
  await toolstack.stop('pinned');
  await doors.close();
});

test('a VM too big for a node is spread, and told to be', async () => {
  const { doors, toolstack } = await bench();
  toolstack.add(vm('big', 'pv', 2, 1700));
  const { domid, failure } = await toolstack.start('big');
  expect(failure).toBeNull();
  const { totalPages, pagesByNode } = pagesOf(doors.xc, domid!);
  expect(totalPages).toBe(1700 * 256);
  expect(pagesByNode.filter((pages) => pages > 0).length).toBeGreaterThan(1);
  await toolstack.stop('big');
  await doors.close();
});

describe('extents of 1 GiB', () => {
  test('go to another node, which is told before it happens', async () => {
    const { doors, toolstack } = await bench();
    toolstack.add(vm('gib', 'pvh', 1, 1100, { vcpusParams: { mask: '2,3' } }));
    const { domid, record, failure } = await toolstack.start('gib');
    expect(failure).toBeNull();
    const said = record.entries.find((entry) => entry.kind === 'surprise' && entry.code === 'gigabyte-extents');
    expect(said).toMatchObject({ values: { asked: 1, nodes: [1], elsewhereGib: 1 } });
    const { pagesByNode } = pagesOf(doors.xc, domid!);
    expect(pagesByNode[2], 'one extent, on the node that has a free one').toBe(262_144);
    await toolstack.stop('gib');
    await doors.close();
  });

  test('do not, when the guest is to be kept on its node', async () => {
    const { doors, toolstack } = await bench({ keepOnNode: true });
    toolstack.add(vm('kept', 'pvh', 1, 1100, { vcpusParams: { mask: '0,1' } }));
    const { domid, failure } = await toolstack.start('kept');
    expect(failure).toBeNull();
    const { totalPages, pagesByNode } = pagesOf(doors.xc, domid!);
    expect(totalPages).toBeGreaterThan(262_144);
    expect(pagesByNode[0]).toBe(totalPages);
    await toolstack.stop('kept');
    await doors.close();
  });
});

test.each<[string, Parameters<typeof vm>[4], RegExp]>([
  ['an all-zero mask', { vcpusParams: { mask: '99' } }, /^xenguest: xc_vcpu_setaffinity: \[22\] Invalid argument$/],
  ['a kernel that is not there', { boot: { kernel: '/nonexistent' } }, /^xenguest: xc_dom_kernel_file: .*nonexistent/],
  ['a kernel that is none', { boot: { kernel: '/etc/hostname' } }, /^xenguest: xc_dom_(kernel_file|parse_image): /],
])('%s fails the build with its own words and leaves nothing behind', async (_, change, message) => {
  const { doors, toolstack } = await bench();
  const before = await traces(doors.xc, doors.xs);
  toolstack.add(vm('failing', 'pvh', 1, 64, change));
  const { failure, domid } = await toolstack.start('failing');
  expect(failure).toMatchObject({ step: 'xenguest' });
  expect(failure!.message).toMatch(message);
  expect(domid).toBeNull();
  await expect.poll(() => traces(doors.xc, doors.xs), SOON).toEqual(before);
  await doors.close();
});
