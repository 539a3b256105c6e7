// Information that the embedded hypervisor gives beside its hypercalls, and a real Xen in no call.
// It is not part of the hypercall door: xenctrl uses it if it is there, and does without it on a
// real Xen.
import type { FlowSink } from '../../flow/record.js';
import type { DomainMemory } from '../xenctrl.js';
import type { HypercallDoor } from './door.js';

export interface AffinityGroup {
  readonly pool: number;
  readonly nodeAffinity: readonly number[];
  readonly hard: readonly number[];
  readonly vcpus: number;
}

export interface Inspection {
  /** Records what Xen does inside, from the next hypercall on; NO_FLOW = nowhere. */
  setFlow(sink: FlowSink): void;
  /**
   * Pages claimed on each node by domains that are not built yet. XenServer's patched numainfo
   * tells them, but the layout of that patch is not public, so there are no bytes to read them
   * from.
   */
  claimedPages(): number[];
  /** Pages of every domain by node, ascending by id, whatever the size of the console ring. */
  domainMemory(): DomainMemory[];
  /** Pages of one domain by node; null = no such domain. */
  pagesByNode(domid: number): number[] | null;
  /** How many vCPUs have the same hard mask, node affinity and pool, those of Domain-0 as well. */
  affinityGroups(): readonly AffinityGroup[];
  /** For tests: free pages of each node. */
  freePages(): number[];
  /** For tests: one sentence for each thing that must hold and does not; [] = all is well. */
  invariants(): string[];
}

/** A door to a hypervisor that can be inspected. */
export interface InspectedDoor extends HypercallDoor {
  readonly inspect: Inspection;
}

/** null behind a door that has hypercalls only. */
export function inspectionOf(door: HypercallDoor): Inspection | null {
  return 'inspect' in door ? (door as InspectedDoor).inspect : null;
}
