// The hypercalls of recorded scenarios, in bytes over any hypercall door: it fills structures and
// reads answers, in place of libxenctrl.
import { HYPERCALL, SYSCTL, XENMEM } from '../../abi/commands.js';
import type { InterfaceVersion } from '../../abi/interface-version.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { HypercallBuffer, HypercallDoor } from '../../xenctrl/doors/door.js';
import type { BitmapArgument } from './scenario.js';

const DOMCTL_BYTES = 144;
const DOMCTL_UNION = 16;
const SYSCTL_UNION = 8;
/** An address at which nothing is mapped. */
const FAULTING_ADDRESS = 8;
const MOST_NODES = 64;
/** Requests for more extents than this exist only to be refused, so the caller's list ends here. */
const MOST_LISTED_EXTENTS = 2 ** 20;

/** The caller's buffer afterwards, and whether it changed; undefined = there was no buffer. */
export type Afterwards = { readonly hex: string; readonly changed: boolean } | undefined;

export interface Reservation {
  readonly domid: number;
  readonly extents: number;
  readonly order: number;
  readonly memFlags: number;
  /**
   * The guest's frame of the first extent, the others' follow one by one, whatever the order; 0
   * when absent. PV ignores it.
   */
  readonly firstFrame?: number;
}

export class ScenarioCalls {
  /** The structure of the last call: a xen_domctl, a xen_sysctl, or a reservation. */
  readonly op: HypercallBuffer;
  readonly #door: HypercallDoor;
  readonly #version: InterfaceVersion;
  readonly #nodeInfo: HypercallBuffer;

  constructor(door: HypercallDoor, version: InterfaceVersion) {
    this.#door = door;
    this.#version = version;
    this.op = door.allocBuffer(DOMCTL_BYTES);
    this.#nodeInfo = door.allocBuffer(16 * MOST_NODES);
  }

  close(): void {
    this.#door.freeBuffer(this.op);
    this.#door.freeBuffer(this.#nodeInfo);
  }

  /**
   * `fill` writes the union, which begins at `at`. `version`: another interface version than Xen's.
   */
  domctl(cmd: number, domid: number, fill: (view: DataView, at: number) => void = () => {}, version = this.#version.domctl): number {
    const { bytes, view, address } = this.op;
    bytes.fill(0);
    view.setUint32(0, cmd, true);
    view.setUint32(4, version, true);
    view.setUint16(8, domid, true);
    fill(view, DOMCTL_UNION);
    return this.#door.hypercall(HYPERCALL.domctl, address);
  }

  sysctl(cmd: number, fill: (view: DataView, at: number) => void, version = this.#version.sysctl): number {
    const { bytes, view, address } = this.op;
    bytes.fill(0);
    view.setUint32(0, cmd, true);
    view.setUint32(4, version, true);
    fill(view, SYSCTL_UNION);
    return this.#door.hypercall(HYPERCALL.sysctl, address);
  }

  schedOp(cmd: number, fill: (view: DataView) => void): number {
    this.op.bytes.fill(0);
    fill(this.op.view);
    return this.#door.hypercall(HYPERCALL.schedOp, cmd, this.op.address);
  }

  /** The word of the union at `at`, 64 bits. */
  word(at: number): number {
    return Number(this.op.view.getBigUint64(DOMCTL_UNION + at, true));
  }

  /**
   * Writes a bitmap argument at `at` of the structure. Call the returned function once after the
   * hypercall to get the result.
   */
  bitmap(at: number, argument: BitmapArgument): () => Afterwards {
    const { view } = this.op;
    view.setUint32(at + 8, argument.bits, true);
    if (argument.kind === 'null') return () => undefined;
    if (argument.kind === 'faulting') {
      view.setBigUint64(at, BigInt(FAULTING_ADDRESS), true);
      return () => undefined;
    }
    const { bytes, hex: before } = argument;
    const buffer = this.#door.allocBuffer(Math.max(1, bytes.length));
    buffer.bytes.set(bytes);
    view.setBigUint64(at, BigInt(buffer.address), true);
    return () => {
      const hex = Buffer.from(buffer.bytes.subarray(0, bytes.length)).toString('hex');
      this.#door.freeBuffer(buffer);
      return { hex, changed: hex !== before };
    };
  }

  /**
   * @returns extents done, and the first frames of those that Xen wrote back: one an extent for PV
   *   domains
   */
  populate(reservation: Reservation, faulting: boolean): { readonly done: number; readonly mfns: readonly number[] } {
    const { firstFrame = 0 } = reservation;
    const listed = Math.min(Math.max(1, reservation.extents), MOST_LISTED_EXTENTS);
    const list = faulting ? undefined : this.#door.allocBuffer(8 * listed);
    this.#reserve(reservation, list?.address ?? FAULTING_ADDRESS);
    for (let i = 0; list !== undefined && i < listed; i++) list.view.setBigUint64(8 * i, BigInt(firstFrame + i), true);
    const done = this.#door.hypercall(HYPERCALL.memoryOp, XENMEM.populate_physmap, this.op.address);
    const mfns = Array.from({ length: list === undefined ? 0 : Math.min(done, listed) }, (_, i) =>
      Number(list!.view.getBigUint64(8 * i, true)),
    );
    if (list !== undefined) this.#door.freeBuffer(list);
    return { done, mfns };
  }

  claim(reservation: Reservation, withExtents: boolean): number {
    this.#reserve(reservation, withExtents ? this.op.address : 0);
    return this.#door.hypercall(HYPERCALL.memoryOp, XENMEM.claim_pages, this.op.address);
  }

  #reserve({ domid, extents, order, memFlags }: Reservation, extentStart: number): void {
    const { view, bytes } = this.op;
    bytes.fill(0);
    view.setBigUint64(0, BigInt(extentStart), true);
    view.setBigUint64(8, BigInt(extents), true);
    view.setUint32(16, order, true);
    view.setUint32(20, memFlags, true);
    view.setUint16(24, domid, true);
  }

  /** Free pages of each node, or a negative errno. `version`: as sysctl. */
  freePages(version?: number): number[] | number {
    const result = this.sysctl(
      SYSCTL.numainfo,
      (view, at) => {
        view.setUint32(at, MOST_NODES, true);
        view.setBigUint64(at + 8, BigInt(this.#nodeInfo.address), true);
      },
      version,
    );
    if (result < 0) return result;
    const count = this.op.view.getUint32(SYSCTL_UNION, true);
    return Array.from({ length: count }, (_, node) => Number(this.#nodeInfo.view.getBigUint64(16 * node + 8, true)) / PAGE_BYTES);
  }
}
