// The hypervisor's own door, which notes whether a call came through it. Invariants are checked
// again only then. The daemon's faulty door and the administrator's calls both use it.
import type { HypercallBuffer } from '../xenctrl/doors/door.js';
import type { InspectedDoor, Inspection } from '../xenctrl/doors/inspection.js';

export class WatchedDoor implements InspectedDoor {
  readonly name: string;
  readonly inspect: Inspection;
  readonly #inner: InspectedDoor;
  #calls = 0;

  constructor(inner: InspectedDoor) {
    this.#inner = inner;
    this.name = inner.name;
    this.inspect = inner.inspect;
  }

  /** Hypercalls so far. */
  get calls(): number {
    return this.#calls;
  }

  allocBuffer(sizeBytes: number): HypercallBuffer {
    return this.#inner.allocBuffer(sizeBytes);
  }

  freeBuffer(buffer: HypercallBuffer): void {
    this.#inner.freeBuffer(buffer);
  }

  hypercall(op: number, a1: number, a2 = 0, a3 = 0): number {
    this.#calls++;
    return this.#inner.hypercall(op, a1, a2, a3);
  }

  close(): void {}
}
