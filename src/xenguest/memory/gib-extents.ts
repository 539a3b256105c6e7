// A known surprise: libxenguest requests extents of 1 GiB before smaller ones, so a PVH guest's
// memory can go to another node although its own has room in smaller pieces. The surprise is
// predicted before the memory is populated.
import { GIB } from '../../base/units.js';
import type { FlowSink } from '../../flow/record.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';

/**
 * Xen splits a node's free memory into zones, one for each width of a machine address. A free GiB
 * lies in one zone.
 */
const FIRST_BITS = 31;
/** Widest machine address of x86-64 (52 bits), plus one for the end. */
const LAST_BITS = 53;

export interface GibForecast {
  /** Extents of 1 GiB that libxenguest will request. */
  readonly asked: number;
  /** Upper bound of free 1 GiB extents on each node. Fragmentation may make it less, never more. */
  readonly atMostFree: readonly number[];
  /**
   * Lower bound of requested extents that cannot come from the nodes of the domain's node affinity.
   */
  readonly notOnNodes: number;
  /**
   * Upper bound of these that can come from other nodes. The rest comes in smaller pieces, from the
   * domain's own nodes first.
   */
  readonly elsewhere: number;
}

/**
 * Upper bound of free 1 GiB extents on each node: the whole GiBs of free memory in each zone.
 * @param freeBytes free memory of a node at addresses of at most `bits` bits (availheap)
 */
export function freeGibAtMost(nodes: number, freeBytes: (node: number, bits: number) => number): number[] {
  return Array.from({ length: nodes }, (_, node) => {
    let extents = 0;
    let below = freeBytes(node, FIRST_BITS - 1);
    for (let bits = FIRST_BITS; bits <= LAST_BITS; bits++) {
      const upTo = freeBytes(node, bits);
      extents += Math.floor((upTo - below) / GIB);
      below = upTo;
    }
    return extents;
  });
}

/** @param affinity nodes from which the domain's memory is allocated */
export function forecast(asked: number, affinity: readonly number[], atMostFree: readonly number[]): GibForecast {
  const own = new Set(affinity);
  let onNodes = 0;
  let others = 0;
  for (const [node, free] of atMostFree.entries()) {
    if (own.has(node)) onNodes += free;
    else others += free;
  }
  const notOnNodes = Math.max(0, asked - onNodes);
  return { asked, atMostFree, notOnNodes, elsewhere: Math.min(notOnNodes, others) };
}

/**
 * Notes the surprise `gigabyte-extents` if some of the memory will go to other nodes. Makes no call
 * if no extent of 1 GiB will be requested.
 */
export function sayGibExtents(domid: number, asked: number, xc: Xenctrl, flow: FlowSink): GibForecast | null {
  if (asked === 0) return null;
  const { nodes } = xc.numaInfo();
  const affinity = xc.domainNodeGetAffinity(domid).filter((node) => node < nodes.length);
  const said = forecast(
    asked,
    affinity,
    freeGibAtMost(nodes.length, (node, bits) => xc.availHeap(node, bits)),
  );
  if (said.elsewhere > 0) {
    flow.surprise('gigabyte-extents', {
      domid,
      asked: said.asked,
      nodes: affinity,
      freeMib: nodes.map(({ freeBytes }) => Math.floor((freeBytes ?? 0) / 2 ** 20)),
      freeGibExtentsAtMost: said.atMostFree,
      elsewhereGib: said.elsewhere,
    });
  }
  return said;
}
