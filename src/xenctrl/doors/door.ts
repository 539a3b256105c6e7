// The hypercall door: the way into a hypervisor, in bytes. A hypercall is a number and up to three
// machine words; structures lie in buffers of the door's own memory, exactly as the real Xen reads
// them. Implementations: embedded-door.ts, and libxencall-door.ts on a real Xen.

/**
 * Memory that Xen can read and write: the only memory whose address may stand in a hypercall's
 * structure.
 */
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
  /**
   * Result >= 0, or the negative errno (-22 is EINVAL). The arguments are 64-bit words: addresses
   * or small numbers.
   */
  hypercall(op: number, a1: number, a2?: number, a3?: number): number;
  close(): void;
}
