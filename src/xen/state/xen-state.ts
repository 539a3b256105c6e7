// The state of the embedded hypervisor: one machine, its pools, domains and memory. Hypercalls are
// handled in ops/.

import { SCHEDULERS } from '../../abi/commands.js';
import { type InterfaceVersion, interfaceVersion } from '../../abi/interface-version.js';
import { Bitset } from '../../base/bitset.js';
import type { Domid } from '../../base/ids.js';
import { type FlowSink, NO_FLOW } from '../../flow/record.js';
import { Heap } from '../heap/heap.js';
import { AffinityGroups } from './affinity-groups.js';
import { ConsoleRing } from './console-ring.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE } from './domain.js';
import type { XenMachine } from './machine.js';
import type { Cpupool, CpuState } from './pool.js';

/** Masks that the handlers compute in, so that a call allocates nothing. */
export interface Scratch {
  readonly hardUnion: Bitset;
  readonly softUnion: Bitset;
  readonly requested: Bitset;
  readonly effective: Bitset;
  readonly oldHard: Bitset;
  readonly nodes: Bitset;
}

export class XenState {
  readonly machine: XenMachine;
  readonly version: InterfaceVersion;
  readonly nrCpuIds: number;
  readonly nodeOfCpu: Uint8Array;
  readonly onlineNodes: Bitset;
  readonly heap: Heap;
  /** Ascending by id; the first is Pool-0. */
  readonly pools: Cpupool[];
  readonly cpu: CpuState;
  /** By id, Domain-0 included. */
  readonly domains = new Map<Domid, Domain>();
  readonly affinityGroups = new AffinityGroups(this.domains);
  readonly console: ConsoleRing;
  readonly scratch: Scratch;
  /** The last id that Xen itself gave out. */
  domidRover: Domid = 0;
  /** Records what Xen does inside; NO_FLOW = nowhere, and then nothing is computed for it. */
  flow: FlowSink = NO_FLOW;

  /**
   * The machine before its first domain: every CPU that is online is in Pool-0.
   * @throws InputError when the machine's version is not known
   */
  constructor(machine: XenMachine) {
    this.machine = machine;
    this.version = interfaceVersion(machine.version);
    this.nrCpuIds = machine.cpus.length;
    this.nodeOfCpu = Uint8Array.from(machine.cpus, (cpu) => cpu?.node ?? NUMA_NO_NODE);
    this.onlineNodes = Bitset.of(MAX_NUMNODES, machine.nodes.keys());
    this.heap = new Heap(machine);
    const width = this.nrCpuIds;
    const present = Bitset.of(
      width,
      [...machine.cpus.keys()].filter((cpu) => machine.cpus[cpu] !== null),
    );
    const online = present.clone().andNot(Bitset.of(width, machine.offlineCpus ?? []));
    const schedulerId = SCHEDULERS[machine.scheduler];
    this.pools = [{ id: 0, schedulerId, cpus: online.clone(), domains: 0 }];
    this.cpu = {
      online,
      present,
      free: new Bitset(width),
      locked: new Bitset(width),
      movingCpu: -1,
      movingPool: null,
    };
    this.console = new ConsoleRing(present.size);
    this.scratch = {
      hardUnion: new Bitset(width),
      softUnion: new Bitset(width),
      requested: new Bitset(width),
      effective: new Bitset(width),
      oldHard: new Bitset(width),
      nodes: new Bitset(MAX_NUMNODES),
    };
  }
}
