// The invariants after every hypercall: pages are conserved, claims stay within free memory, masks
// follow the rules.
import { Bitset } from '../base/bitset.js';
import { zoneOf } from './heap/free-heap.js';
import { nodesOfVcpus } from './ops/domain-update-node-affinity.js';
import { type Domain, MAX_NUMNODES, type PageRuns } from './state/domain.js';
import type { XenState } from './state/xen-state.js';

/**
 * One sentence for each invariant that does not hold; [] = all is well. Walks all memory: for
 * tests.
 */
export function invariants(xen: XenState): string[] {
  return [...xen.machine.nodes.keys()].flatMap((node) => checkNode(xen, node)).concat(checkClaims(xen), checkDomains(xen), checkCpus(xen));
}

function checkNode(xen: XenState, node: number): string[] {
  const faults: string[] = [];
  const { freePages, freeRanges, startMfn, endMfn } = xen.machine.nodes[node]!;
  const initial = freeRanges === undefined ? freePages : freeRanges.reduce((sum, [start, end]) => sum + end - start, 0);
  const heap = xen.heap.nodes[node]!;
  const spans: [number, number, string][] = [];
  let inBlocks = 0;
  for (const { mfn, order } of heap.blocks()) {
    const size = 2 ** order;
    inBlocks += size;
    if (mfn % size !== 0) faults.push(`node ${node}: the free block at ${mfn} of order ${order} is not aligned`);
    if (zoneOf(mfn) !== zoneOf(mfn + size - 1)) faults.push(`node ${node}: the free block at ${mfn} of order ${order} crosses zones`);
    spans.push([mfn, mfn + size, 'free']);
  }
  if (heap.freePages < 0) faults.push(`node ${node}: ${heap.freePages} pages free`);
  if (inBlocks !== heap.freePages) faults.push(`node ${node}: ${heap.freePages} pages free, but ${inBlocks} in blocks`);
  let owned = 0;
  for (const domain of xen.domains.values()) {
    const own: PageRuns[] = [domain.xenPages[node]!, domain.pages[node]!];
    for (const runs of own) {
      if (domain.id !== 0) owned += runs.pages;
      for (const [start, end] of runs.runs()) spans.push([start, end, `domain ${domain.id}`]);
    }
  }
  // Frame 0 counts as free in the machine's description and never is.
  const zeroFrame = startMfn === 0 && freePages > 0 && freePages === endMfn ? 1 : 0;
  if (owned + heap.freePages !== initial - zeroFrame) {
    faults.push(`node ${node}: ${heap.freePages} free and ${owned} given out do not make ${initial} pages`);
  }
  spans.sort((a, b) => a[0] - b[0]);
  spans.forEach(([start, end, owner], index) => {
    if (start < startMfn || end > endMfn) faults.push(`node ${node}: frames ${start}-${end - 1} (${owner}) are not of the node`);
    const next = spans[index + 1];
    if (next !== undefined && next[0] < end) faults.push(`node ${node}: frame ${next[0]} is both of ${owner} and of ${next[2]}`);
  });
  return faults;
}

function checkClaims(xen: XenState): string[] {
  const faults: string[] = [];
  const { heap } = xen;
  const sum = [...xen.domains.values()].reduce((pages, domain) => pages + domain.outstandingPages, 0);
  if (sum !== heap.outstandingPages) faults.push(`claims of the domains make ${sum} pages, not ${heap.outstandingPages}`);
  if (heap.outstandingPages > heap.freePages()) faults.push(`${heap.outstandingPages} pages claimed, ${heap.freePages()} free`);
  heap.nodes.forEach((node, index) => {
    const claimed = heap.outstandingOnNode[index]!;
    if (claimed < 0 || claimed > node.freePages) faults.push(`node ${index}: ${claimed} pages claimed, ${node.freePages} free`);
  });
  return faults;
}

function checkDomains(xen: XenState): string[] {
  return [...xen.domains.values()].flatMap((domain) => {
    const faults: string[] = [];
    const pages = domain.pages.reduce((sum, runs) => sum + runs.pages, 0);
    if (pages !== domain.totPages) faults.push(`domain ${domain.id}: ${domain.totPages} pages, but ${pages} by node`);
    if (domain.wasPinned) return faults;
    if (!domain.nodeAffinity.intersects(xen.onlineNodes))
      faults.push(`domain ${domain.id}: its node affinity names no node of the machine`);
    for (const vcpu of domain.vcpus) {
      if (!vcpu.hard.intersects(domain.pool.cpus)) faults.push(`domain ${domain.id} vCPU ${vcpu.id}: no CPU of its pool in its hard mask`);
    }
    return faults.concat(checkUnionRule(xen, domain));
  });
}

function checkUnionRule(xen: XenState, domain: Domain): string[] {
  if (!domain.autoNodeAffinity || domain.vcpus.length === 0) return [];
  const byRule = new Bitset(MAX_NUMNODES);
  nodesOfVcpus(xen, domain, byRule);
  return byRule.equals(domain.nodeAffinity)
    ? []
    : [`domain ${domain.id}: automatic node affinity {${domain.nodeAffinity}}, by its vCPUs {${byRule}}`];
}

function checkCpus(xen: XenState): string[] {
  const faults: string[] = [];
  const seen = xen.cpu.free.clone();
  for (const pool of xen.pools) {
    if (pool.cpus.intersects(seen)) faults.push(`pool ${pool.id}: one of its CPUs is also elsewhere`);
    seen.or(pool.cpus);
    const inIt = [...xen.domains.values()].filter((domain) => domain.pool === pool).length;
    if (pool.domains !== inIt) faults.push(`pool ${pool.id}: ${inIt} domains are in it, ${pool.domains} are counted`);
  }
  if (seen.clone().andNot(xen.cpu.online).size > 0) faults.push('an offline CPU is in a pool or free for one');
  return faults;
}
