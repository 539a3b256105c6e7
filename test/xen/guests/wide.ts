// A guest with two virtual nodes, for xennuma and for xl, and what xl and Xen say of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { MIB } from '../../../src/base/units.js';
import type { VirtualNode } from '../../../src/machine/vm.js';
import { xl } from './host.js';
import { listDomains, listVcpus, pagesOnNodes } from './xl-output.js';

const NODES = 4;
const PAGES_A_MIB = 256;
/** Special pages and ACPI tables, which are of no virtual node. */
const SPECIAL_PAGES_MOST = 64;
export const CPUS_OF_NODE = ['0-1', '2-3', '4-5', '6-7'];
const VCPU_NODES = [2, 1, 2];

export const WIDE = [
  { pnode: 2, mib: 96, vcpus: [0, 2], distances: [10, 21] },
  { pnode: 1, mib: 32, vcpus: [1], distances: [17, 10] },
];

export const vnode = (pnode: number, mib: number, vcpus: readonly number[], distances: readonly number[]): VirtualNode => ({
  ...{ pnode, vcpus, distances },
  memoryBytes: mib * MIB,
});

export const wideNodes = () => WIDE.map(({ pnode, mib, vcpus, distances }) => vnode(pnode, mib, vcpus, distances));

/** Runs `xl create` on a guest of 3 vCPUs and 128 MiB with these virtual nodes and more lines. */
export function createByXl(...lines: string[]) {
  const node = ({ pnode, mib, vcpus, distances }: (typeof WIDE)[number]) =>
    `["pnode=${pnode}","size=${mib}","vcpus=${vcpus}","vdistances=${distances}"]`;
  const file = `/tmp/xennuma-wide-${process.pid}.cfg`;
  writeFileSync(
    file,
    ['name = "wide-xl"', 'memory = 128', 'vcpus = 3', `vnuma = [ ${WIDE.map(node).join(', ')} ]`, ...lines, ''].join('\n'),
  );
  return spawnSync('xl', ['create', file], { encoding: 'utf8' });
}

/** What xl and debug key 'u' say of a domain. */
export function virtualNodesOf(name: string) {
  const { domid, affinity } = listDomains().get(name)!;
  const pages = pagesOnNodes(NODES).get(domid)!;
  const dump = xl('dmesg').split('Memory location of each domain:').at(-1)!;
  const ofDomain = dump.split(/Domain (?=\d+ \(total)/).find((part) => part.startsWith(`${domid} (`))!;
  const described = ofDomain.split('\n').filter((line) => /vnodes|pnode| - /.test(line));
  return { domid, affinity, vcpus: listVcpus().get(name)!, pages, described };
}

/**
 * Each vCPU prefers its virtual node's CPUs. Each virtual node's memory is on its node to the page,
 * and nothing is elsewhere but special pages.
 * @param holes pages that a node lacks of its virtual node's, by node
 */
export function isAsWide({ vcpus, pages }: Pick<ReturnType<typeof virtualNodesOf>, 'vcpus' | 'pages'>, holes: readonly number[]): void {
  assert.deepEqual(
    vcpus,
    VCPU_NODES.map((node) => ({ hard: '0-7', soft: CPUS_OF_NODE[node] })),
  );
  const extra = pages.map((count, node) => count - PAGES_A_MIB * (WIDE.find(({ pnode }) => pnode === node)?.mib ?? 0) + (holes[node] ?? 0));
  const special = extra.reduce((sum, count) => sum + count, 0);
  assert.ok(extra.every((count) => count >= 0) && special <= SPECIAL_PAGES_MOST, `pages by node: ${pages.join(' ')}`);
}
