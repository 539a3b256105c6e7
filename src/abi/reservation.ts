// xen_memory_reservation, the structure of populate_physmap and claim_pages, and the node in its
// mem_flags (xen/include/public/memory.h).
import type { Domid, NodeId } from '../base/ids.js';
import { readU64, writeU64 } from './u64.js';

const AT = { extentStart: 0, extents: 8, order: 16, memFlags: 20, domid: 24 } as const;
export const RESERVATION_BYTES = 32;

/** Bytes of an entry of the list at `extentStart`: a frame number (xen_pfn_t). */
export const FRAME_BYTES = 8;

/** XENMEMF_*: the lowest 8 bits are an address width, the next 8 a node plus one. */
export const MEMF = { addressBits: 0xff, nodeShift: 8, populateOnDemand: 1 << 16, exactNode: 1 << 17, vnode: 1 << 18 } as const;

/** Result of `nodeOfMemFlags` if the flags name no node (NUMA_NO_NODE). */
export const NUMA_NO_NODE = 0xff;

export interface Reservation {
  /** Address of the list of frames; 0 = none. */
  readonly extentStart: number;
  readonly extents: number;
  readonly order: number;
  /** Address width, node and MEMF flags. */
  readonly memFlags: number;
  readonly domid: Domid;
}

export function readReservation(view: DataView, at: number): Reservation {
  return {
    extentStart: readU64(view, at + AT.extentStart),
    extents: readU64(view, at + AT.extents),
    order: view.getUint32(at + AT.order, true),
    memFlags: view.getUint32(at + AT.memFlags, true),
    domid: view.getUint16(at + AT.domid, true),
  };
}

/** The bytes that belong to no field stay as they are. */
export function writeReservation(view: DataView, at: number, reservation: Reservation): void {
  writeU64(view, at + AT.extentStart, reservation.extentStart);
  writeU64(view, at + AT.extents, reservation.extents);
  view.setUint32(at + AT.order, reservation.order, true);
  view.setUint32(at + AT.memFlags, reservation.memFlags, true);
  view.setUint16(at + AT.domid, reservation.domid, true);
}

/** XENMEMF_node(node), or XENMEMF_exact_node(node). */
export function memFlagsOfNode(node: NodeId, exact: boolean): number {
  return ((node + 1) << MEMF.nodeShift) | (exact ? MEMF.exactNode : 0);
}

/** XENMEMF_get_node: NUMA_NO_NODE when the flags name none. */
export function nodeOfMemFlags(memFlags: number): NodeId {
  return ((memFlags >>> MEMF.nodeShift) - 1) & NUMA_NO_NODE;
}
