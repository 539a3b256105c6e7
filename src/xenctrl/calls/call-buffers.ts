// One caller's use of a hypercall door: its interface versions, its reused buffers, and the errors
// of its calls.
import { HYPERCALL } from '../../abi/commands.js';
import type { InterfaceVersion } from '../../abi/interface-version.js';
import { BITMAP_AT, DOMCTL_AT, SYSCTL_AT } from '../../abi/layout.js';
import { writeU64 } from '../../abi/u64.js';
import { errnoName, XenError } from '../../base/errors.js';
import type { HypercallBuffer, HypercallDoor } from '../doors/door.js';
import { type Inspection, inspectionOf } from '../doors/inspection.js';

/** Purpose of a reused buffer; two uses in one call need two names. */
type Purpose = 'op' | 'hard' | 'soft' | 'nodes' | 'cpumap' | 'list' | 'distances' | 'extents' | 'text';

/**
 * Larger ones are given back after the call, so that one large call does not hold memory for ever.
 */
const KEPT_BYTES = 256 * 1024;

export class CallBuffers {
  readonly door: HypercallDoor;
  readonly abi: InterfaceVersion;
  /** null on a real Xen. */
  readonly inspection: Inspection | null;
  /** The structure of the current call, domctl, sysctl or reservation. */
  readonly op: HypercallBuffer;
  readonly #buffers = new Map<Purpose, HypercallBuffer>();
  #closed = false;

  constructor(door: HypercallDoor, abi: InterfaceVersion) {
    this.door = door;
    this.abi = abi;
    this.inspection = inspectionOf(door);
    this.op = this.buffer('op', DOMCTL_AT.sizeBytes);
  }

  /**
   * At least `sizeBytes`, contents undefined; the same one for the same purpose until a larger one
   * is needed.
   */
  buffer(purpose: Purpose, sizeBytes: number): HypercallBuffer {
    const existing = this.#buffers.get(purpose);
    if (existing !== undefined && existing.bytes.length >= sizeBytes) return existing;
    this.#checkOpen();
    const fresh = this.door.allocBuffer(Math.max(sizeBytes, 16));
    if (existing !== undefined) this.door.freeBuffer(existing);
    this.#buffers.set(purpose, fresh);
    return fresh;
  }

  /** Gives a buffer back if it is too large to keep. */
  trim(purpose: Purpose): void {
    const existing = this.#buffers.get(purpose);
    if (existing === undefined || existing.bytes.length <= KEPT_BYTES) return;
    this.#buffers.delete(purpose);
    this.door.freeBuffer(existing);
  }

  /** A zeroed xen_domctl with its head filled in; the payload starts at DOMCTL_AT.union. */
  startDomctl(cmd: number, domid: number): DataView {
    const { bytes, view } = this.op;
    bytes.fill(0);
    view.setUint32(DOMCTL_AT.cmd, cmd, true);
    view.setUint32(DOMCTL_AT.version, this.abi.domctl, true);
    view.setUint16(DOMCTL_AT.domain, domid, true);
    return view;
  }

  /** A zeroed xen_sysctl with its head filled in; the payload starts at SYSCTL_AT.union. */
  startSysctl(cmd: number): DataView {
    const { bytes, view } = this.op;
    bytes.fill(0);
    view.setUint32(SYSCTL_AT.cmd, cmd, true);
    view.setUint32(SYSCTL_AT.version, this.abi.sysctl, true);
    return view;
  }

  /** Makes the started call. @returns >= 0, or the negative errno */
  domctl(): number {
    this.#checkOpen();
    return this.door.hypercall(HYPERCALL.domctl, this.op.address);
  }

  sysctl(): number {
    this.#checkOpen();
    return this.door.hypercall(HYPERCALL.sysctl, this.op.address);
  }

  memoryOp(cmd: number): number {
    return this.hypercall(HYPERCALL.memoryOp, cmd, this.op.address);
  }

  hypercall(op: number, a1: number, a2: number): number {
    this.#checkOpen();
    return this.door.hypercall(op, a1, a2);
  }

  /** A xenctl_bitmap of the current call at `offset` of its structure. */
  putBitmap(offset: number, map: HypercallBuffer, bits: number): void {
    writeU64(this.op.view, offset + BITMAP_AT.handle, map.address);
    this.op.view.setUint32(offset + BITMAP_AT.bits, bits, true);
  }

  /** Gives all kept buffers back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const buffer of this.#buffers.values()) this.door.freeBuffer(buffer);
    this.#buffers.clear();
  }

  /** Xen would write into memory that has been given back. */
  #checkOpen(): void {
    if (this.#closed) throw new Error('a call on a Xenctrl that was closed');
  }
}

/** The error of a call that failed: `call` is libxenctrl's name of it with its arguments. */
export function callError(result: number, call: string): Error {
  const errno = errnoName(result);
  return errno === undefined ? new Error(`${call}: Xen answered errno ${-result}, which is not one of its own`) : new XenError(errno, call);
}
