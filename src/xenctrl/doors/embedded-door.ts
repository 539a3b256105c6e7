// The hypercall door to the embedded hypervisor: the one place that reaches into xen/. Box of the chart: between libxenctrl and Xen.
import type { FlowSink } from '../../flow/record.js';
import type { Host } from '../../machine/model.js';
import { asXenSees } from '../../machine/xen-sees.js';
import { Hypervisor } from '../../xen/hypervisor.js';
import { invariants } from '../../xen/invariants.js';
import type { GuestBuffer, GuestMemory } from '../../xen/state/guest-memory.js';
import { type MachineOptions, machineFromHost, type XenMachine } from '../../xen/state/machine.js';
import type { XenState } from '../../xen/state/xen-state.js';
import type { HypercallBuffer, HypercallDoor } from './door.js';

const PAGE = 4096;
const FIRST_ADDRESS = 0x10_0000_0000;

/** Looks past the door, for tests and the conformance runs. */
export interface Inspect {
  /** One sentence for each thing that does not hold; [] = all is well. */
  invariants(): string[];
  /** Pages of the domain on each node; null = no such domain. */
  pagesByNode(domid: number): number[] | null;
  /** Free pages of each node. */
  freePages(): number[];
}

export class EmbeddedDoor implements HypercallDoor {
  readonly name: string;
  readonly inspect: Inspect;
  readonly #hypervisor: Hypervisor;
  readonly #xen: XenState;
  readonly #memory = new BufferMemory();

  /** @throws InputError when the machine's version is not 4.13 to 4.22 */
  constructor(machine: XenMachine) {
    this.#hypervisor = new Hypervisor(machine);
    const xen = this.#hypervisor.state;
    this.#xen = xen;
    this.name = `embedded Xen ${xen.version.major}.${xen.version.minor}`;
    this.inspect = {
      invariants: () => invariants(xen),
      pagesByNode: (domid) => xen.domains.get(domid)?.pages.map((runs) => runs.pages) ?? null,
      freePages: () => xen.heap.nodes.map((node) => node.freePages),
    };
  }

  /**
   * The embedded Xen booted on a described machine, its nodes numbered as Xen does. `numberedByXen`: they are so already, whatever the order.
   * @throws InputError past the limits of the project, or for a version that is not known
   */
  static forHost(host: Host, options: MachineOptions & { readonly numberedByXen?: boolean } = {}): EmbeddedDoor {
    return new EmbeddedDoor(machineFromHost(options.numberedByXen === true ? host : asXenSees(host), options));
  }

  /** Where the inside of Xen is recorded from the next hypercall on; NO_FLOW = nowhere. */
  setFlow(sink: FlowSink): void {
    this.#xen.flow = sink;
  }

  allocBuffer(sizeBytes: number): HypercallBuffer {
    return this.#memory.alloc(sizeBytes);
  }

  freeBuffer(buffer: HypercallBuffer): void {
    this.#memory.free(buffer);
  }

  claimedPages(): number[] {
    return this.#xen.heap.nodes.map((_, node) => this.#xen.heap.outstandingOnNode[node]!);
  }

  memoryByNode(domid?: number): { readonly domid: number; readonly totalPages: number; readonly pagesByNode: readonly number[] }[] {
    const { domains } = this.#xen;
    const wanted = domid === undefined ? domains.values() : [domains.get(domid)].filter((domain) => domain !== undefined);
    return [...wanted]
      .sort((a, b) => a.id - b.id)
      .map((domain) => ({ domid: domain.id, totalPages: domain.totPages, pagesByNode: domain.pages.map((runs) => runs.pages) }));
  }

  hypercall(op: number, a1: number, a2 = 0, _a3 = 0): number {
    return this.#hypervisor.hypercall(this.#memory, op, a1, a2);
  }

  close(): void {
    this.#memory.clear();
  }
}

/** Buffers on pages of their own with a gap after each, so that an access past the end of one faults. */
class BufferMemory implements GuestMemory {
  /** Ascending by address. */
  #buffers: GuestBuffer[] = [];
  #nextAddress = FIRST_ADDRESS;
  #last: GuestBuffer | undefined;

  alloc(sizeBytes: number): HypercallBuffer {
    const bytes = new Uint8Array(sizeBytes);
    const buffer = { address: this.#nextAddress, bytes, view: new DataView(bytes.buffer) };
    this.#nextAddress += (Math.floor(sizeBytes / PAGE) + 2) * PAGE;
    this.#buffers.push(buffer);
    return buffer;
  }

  free(buffer: HypercallBuffer): void {
    const index = this.#indexOf(buffer.address);
    if (this.#buffers[index] !== buffer) throw new RangeError('a hypercall buffer was given back twice, or is of another door');
    this.#buffers.splice(index, 1);
    this.#last = undefined;
  }

  clear(): void {
    this.#buffers = [];
    this.#last = undefined;
  }

  find(address: number): GuestBuffer | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.address && address < last.address + last.bytes.length) return last;
    const found = this.#buffers[this.#indexOf(address)];
    if (found === undefined || address >= found.address + found.bytes.length) return undefined;
    this.#last = found;
    return found;
  }

  /** The last buffer that starts at or below `address`; -1 when none does. */
  #indexOf(address: number): number {
    let low = 0;
    let high = this.#buffers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#buffers[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
