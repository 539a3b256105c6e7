// The hypercall door: the lowest of the two doors to a host. A hypercall is a number and up to five machine words; structures
// lie in buffers of the door's own memory, as bytes, exactly as the real Xen reads them. Implementations: embedded-door.ts, and
// libxencall on a real Xen.
import type { FlowSink } from '../../flow/record.js';

/** Memory that Xen can read and write: the only memory whose address may stand in a hypercall's structure. */
export interface HypercallBuffer {
  /** Address as it stands in a guest handle; below 2^47, so a number holds it. Never 0. */
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export interface HypercallDoor {
  /** For messages: "embedded Xen 4.17", "libxencall". */
  readonly name: string;
  /** Zeroed memory of `sizeBytes`; must be given back with `freeBuffer`. */
  allocBuffer(sizeBytes: number): HypercallBuffer;
  freeBuffer(buffer: HypercallBuffer): void;
  /** Result >= 0, or the negative errno (-22 is EINVAL). `ops` are 64-bit words, addresses or small numbers. */
  hypercall(op: number, a1: number, a2?: number, a3?: number): number;
  close(): void;

  /** Where the inside of Xen notes what it does from the next hypercall on; NO_FLOW = nowhere. Absent where the inside cannot be seen. */
  setFlow?(sink: FlowSink): void;
  /** Pages claimed on each node by domains not built yet, as XenServer's numainfo tells; absent where nothing tells. */
  claimedPages?(): number[];
  /**
   * Pages of each domain (or of the one given) on each node, ascending by id, for when the dump of debug key 'u' is longer than the
   * console ring; absent on a real Xen.
   */
  memoryByNode?(domid?: number): { readonly domid: number; readonly totalPages: number; readonly pagesByNode: readonly number[] }[];
}
