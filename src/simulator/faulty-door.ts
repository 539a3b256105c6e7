// The hypercall door with the errors that Xen can give, and with a record of the domains with an
// explicit node affinity.
import { DOMCTL, HYPERCALL, XENMEM } from '../abi/commands.js';
import { DOMCTL_AT, NODE_BITS } from '../abi/layout.js';
import { readU64 } from '../abi/u64.js';
import { ERRNO, type Errno } from '../base/errors.js';
import type { HypercallBuffer } from '../xenctrl/doors/door.js';
import type { InspectedDoor, Inspection } from '../xenctrl/doors/inspection.js';
import type { Faults, Life } from './faults.js';

/**
 * Errnos by command, of those that a healthy caller can meet (xen/common/domctl.c,
 * xen/arch/x86/domctl.c, 7cf163879).
 */
const DOMCTL_ERRNOS: Readonly<Record<number, readonly Errno[]>> = {
  [DOMCTL.createdomain]: ['ENOMEM'],
  [DOMCTL.max_vcpus]: ['ENOMEM'],
  [DOMCTL.set_paging_mempool_size]: ['ENOMEM'],
  [DOMCTL.setvcpuaffinity]: ['ENOMEM', 'EBUSY'],
  [DOMCTL.scheduler_op]: ['ESRCH'],
  // Preempted: libxenctrl and xennuma call again.
  [DOMCTL.destroydomain]: ['ERESTART', 'EAGAIN'],
};

/** xen/common/memory.c; populate_physmap has no errno: it returns the number of extents done. */
const XENMEM_ERRNOS: Readonly<Record<number, readonly Errno[]>> = {
  [XENMEM.claim_pages]: ['ENOMEM'],
  [XENMEM.set_pod_target]: ['ENOMEM'],
};

/** The state that outlives the door: the hypervisor's domains. */
export interface DoorRecord {
  /** Domains with an explicit node affinity. */
  readonly explicitNodeAffinity: Set<number>;
}

export class FaultyDoor implements InspectedDoor {
  readonly name: string;
  readonly inspect: Inspection;
  readonly #inner: InspectedDoor;
  readonly #faults: Faults;
  readonly #life: Life;
  readonly #record: DoorRecord;
  readonly #buffers = new Map<number, HypercallBuffer>();

  constructor(inner: InspectedDoor, faults: Faults, life: Life, record: DoorRecord) {
    this.#inner = inner;
    this.#faults = faults;
    this.#life = life;
    this.#record = record;
    this.name = inner.name;
    this.inspect = inner.inspect;
  }

  allocBuffer(sizeBytes: number): HypercallBuffer {
    const buffer = this.#inner.allocBuffer(sizeBytes);
    this.#buffers.set(buffer.address, buffer);
    return buffer;
  }

  freeBuffer(buffer: HypercallBuffer): void {
    this.#buffers.delete(buffer.address);
    this.#inner.freeBuffer(buffer);
  }

  hypercall(op: number, a1: number, a2 = 0, a3 = 0): number {
    this.#life.enter();
    if (op === HYPERCALL.memoryOp && a1 === XENMEM.populate_physmap && this.#faults.next(['none']) !== null) return 0;
    const errno = this.#faults.next(errnosOf(op, a1, this.#command(op, a1)));
    if (errno !== null) return -ERRNO[errno];
    if (op !== HYPERCALL.domctl) return this.#inner.hypercall(op, a1, a2, a3);
    return this.#domctl(this.#buffers.get(a1)!, () => this.#inner.hypercall(op, a1, a2, a3));
  }

  close(): void {}

  #command(op: number, a1: number): number {
    return op === HYPERCALL.domctl ? this.#buffers.get(a1)!.view.getUint32(DOMCTL_AT.cmd, true) : -1;
  }

  #domctl(buffer: HypercallBuffer, call: () => number): number {
    const { view } = buffer;
    const command = view.getUint32(DOMCTL_AT.cmd, true);
    const domid = view.getUint16(DOMCTL_AT.domain, true);
    if (command === DOMCTL.destroydomain && this.#faults.strikes('leaked-domain')) return 0;
    const result = call();
    if (result < 0) return result;
    if (command === DOMCTL.createdomain) this.#record.explicitNodeAffinity.delete(view.getUint16(DOMCTL_AT.domain, true));
    else if (command === DOMCTL.destroydomain) this.#record.explicitNodeAffinity.delete(domid);
    else if (command === DOMCTL.setnodeaffinity) this.#noteExplicit(domid, view);
    else if (command === DOMCTL.setvcpuaffinity && this.#faults.strikes('wrong-union')) this.#spoilNodeAffinity(domid);
    return result;
  }

  /** Every one of Xen's node bits means automatic again (xen/common/domain.c:943-970). */
  #noteExplicit(domid: number, view: DataView): void {
    const map = this.#buffers.get(readU64(view, DOMCTL_AT.union))!;
    if (map.bytes.subarray(0, NODE_BITS / 8).every((byte) => byte === 0xff)) this.#record.explicitNodeAffinity.delete(domid);
    else this.#record.explicitNodeAffinity.add(domid);
  }

  /** The planted fault: only the last node, although it was not requested. */
  #spoilNodeAffinity(domid: number): void {
    const op = this.#inner.allocBuffer(DOMCTL_AT.sizeBytes);
    const map = this.#inner.allocBuffer(NODE_BITS / 8);
    const first = [...this.#buffers.values()].find(({ view }) => view.byteLength === DOMCTL_AT.sizeBytes)!;
    op.view.setUint32(DOMCTL_AT.cmd, DOMCTL.setnodeaffinity, true);
    op.view.setUint32(DOMCTL_AT.version, first.view.getUint32(DOMCTL_AT.version, true), true);
    op.view.setUint16(DOMCTL_AT.domain, domid, true);
    const last = this.inspect.freePages().length - 1;
    map.bytes[last >> 3]! |= 1 << (last & 7);
    op.view.setBigUint64(DOMCTL_AT.union, BigInt(map.address), true);
    op.view.setUint32(DOMCTL_AT.union + 8, NODE_BITS, true);
    this.#inner.hypercall(HYPERCALL.domctl, op.address);
    this.#inner.freeBuffer(map);
    this.#inner.freeBuffer(op);
  }
}

function errnosOf(op: number, a1: number, command: number): readonly Errno[] {
  if (op === HYPERCALL.domctl) return DOMCTL_ERRNOS[command] ?? [];
  return op === HYPERCALL.memoryOp ? (XENMEM_ERRNOS[a1] ?? []) : [];
}
