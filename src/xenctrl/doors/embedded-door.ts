// The hypercall door to the embedded hypervisor: the one place that reaches into xen/.
import type { Host } from '../../machine/model.js';
import { asXenSees } from '../../machine/xen-sees.js';
import { Hypervisor } from '../../xen/hypervisor.js';
import { invariants } from '../../xen/invariants.js';
import { type MachineOptions, machineFromHost, type XenMachine } from '../../xen/state/machine.js';
import type { XenState } from '../../xen/state/xen-state.js';
import { BufferMemory } from './buffer-memory.js';
import type { HypercallBuffer } from './door.js';
import type { InspectedDoor, Inspection } from './inspection.js';

export class EmbeddedDoor implements InspectedDoor {
  readonly name: string;
  readonly inspect: Inspection;
  readonly #hypervisor: Hypervisor;
  readonly #memory = new BufferMemory();

  /** @throws InputError when the machine's version is not 4.13 to 4.22 */
  constructor(machine: XenMachine) {
    this.#hypervisor = new Hypervisor(machine);
    const { state } = this.#hypervisor;
    this.name = `embedded Xen ${state.version.major}.${state.version.minor}`;
    this.inspect = inspectionOfState(state);
  }

  /**
   * The embedded Xen booted on a described machine, its nodes numbered as Xen does.
   * `numberedByXen`: they are so already, whatever the order.
   * @throws InputError past the limits of the project, or for a version that is not known
   */
  static forHost(host: Host, options: MachineOptions & { readonly numberedByXen?: boolean } = {}): EmbeddedDoor {
    return new EmbeddedDoor(machineFromHost(options.numberedByXen === true ? host : asXenSees(host), options));
  }

  allocBuffer(sizeBytes: number): HypercallBuffer {
    return this.#memory.alloc(sizeBytes);
  }

  freeBuffer(buffer: HypercallBuffer): void {
    this.#memory.free(buffer);
  }

  hypercall(op: number, a1: number, a2 = 0, _a3 = 0): number {
    return this.#hypervisor.hypercall(this.#memory, op, a1, a2);
  }

  close(): void {
    this.#memory.clear();
  }
}

function inspectionOfState(state: XenState): Inspection {
  const pagesByNode = (domid: number) => state.domains.get(domid)?.pages.map((runs) => runs.pages) ?? null;
  return {
    setFlow(sink) {
      state.flow = sink;
    },
    claimedPages: () => state.heap.nodes.map((_, node) => state.heap.outstandingOnNode[node]!),
    domainMemory: () =>
      [...state.domains.values()]
        .sort((a, b) => a.id - b.id)
        .map(({ id, totPages }) => ({ domid: id, totalPages: totPages, pagesByNode: pagesByNode(id)! })),
    pagesByNode,
    affinityGroups: () => state.affinityGroups.all(),
    freePages: () => state.heap.nodes.map((node) => node.freePages),
    invariants: () => invariants(state),
  };
}
