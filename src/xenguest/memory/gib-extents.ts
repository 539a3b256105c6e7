// A known surprise: libxenguest asks for extents of 1 GiB before smaller ones, so a PVH guest's
// memory can go to another node though its own has room in smaller pieces. What will happen is said
// before the memory is populated.
import { GIB } from '../../base/units.js';
import type { FlowSink } from '../../flow/record.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';

/**
 * Xen splits a node's free memory in zones, one for each width of a machine address; a free GiB
 * lies in one zone.
 */
const FIRST_BITS = 31;
/** Widest machine address of x86-64 (52 bits), with one for the end. */
const LAST_BITS = 53;

export interface GibForecast {
  /** Extents of 1 GiB that libxenguest will ask for. */
  readonly asked: number;
  /**
   * Index = node: at most so many free extents of 1 GiB. Fragments may make it less, never more.
   */
  readonly atMostFree: readonly number[];
  /** Of those asked, at least so many cannot come from the nodes of the domain's node affinity. */
  readonly notOnNodes: number;
  /**
   * Of these, at most so many can come from other nodes: what goes elsewhere. The rest comes in
   * smaller pieces, from its own nodes first.
   */
  readonly elsewhere: number;
}

/**
 * Free extents of 1 GiB, at most, on each node: whole GiBs of what is free in each zone.
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

/** @param affinity nodes that the domain's memory comes from */
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
 * Notes the surprise `gigabyte-extents` when some of the memory will go elsewhere. Asks nothing
 * when no extent of 1 GiB will be asked for.
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
