// The embedded hypervisor: the state of one machine, and the way in, a hypercall in bytes. Box of the chart: Xen hypervisor.
import { HYPERCALL, SCHEDULERS } from '../abi/commands.js';
import { type InterfaceVersion, interfaceVersion } from '../abi/interface-version.js';
import { Bitset } from '../base/bitset.js';
import { ERRNO } from '../base/errors.js';
import { type FlowSink, NO_FLOW } from '../flow/record.js';
import { Heap } from './heap/heap.js';
import { doDomctl } from './ops/do-domctl.js';
import { doMemoryOp } from './ops/do-memory-op.js';
import { doSchedOp } from './ops/do-sched-op.js';
import { doSysctl } from './ops/do-sysctl.js';
import { domainUpdateNodeAffinity } from './ops/domain-update-node-affinity.js';
import { ConsoleRing } from './state/console-ring.js';
import type { Cpupool, CpuState } from './state/cpupool.js';
import { Domain, MAX_NUMNODES, NUMA_NO_NODE } from './state/domain.js';
import type { GuestMemory } from './state/guest-memory.js';
import type { XenMachine, XenNode } from './state/machine.js';

const XENVER_VERSION = 0;

/** Masks that the handlers compute in, so that a call allocates nothing. */
export interface Scratch {
  readonly hardUnion: Bitset;
  readonly softUnion: Bitset;
  readonly requested: Bitset;
  readonly effective: Bitset;
  readonly oldHard: Bitset;
  readonly nodes: Bitset;
}

export class Hypervisor {
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
  readonly domains = new Map<number, Domain>();
  readonly console: ConsoleRing;
  readonly scratch: Scratch;
  /** The last id that Xen itself gave out. */
  domidRover = 0;
  /** Where the inside of Xen notes what it does; NO_FLOW = nowhere, and nothing is computed for it. */
  flow: FlowSink = NO_FLOW;

  /** @throws InputError when the machine's version is not known */
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
    const schedulerId = SCHEDULERS[machine.scheduler];
    this.pools = [{ id: 0, schedulerId, cpus: present.clone() }];
    this.cpu = {
      online: present.clone(),
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
    this.#createDomain0();
  }

  /** Result >= 0, or a negative errno. Addresses in `a1` .. `a3` and in structures are of `memory`. */
  hypercall(memory: GuestMemory, op: number, a1: number, a2 = 0, _a3 = 0): number {
    switch (op) {
      case HYPERCALL.domctl:
        return doDomctl(this, memory, a1);
      case HYPERCALL.sysctl:
        return doSysctl(this, memory, a1);
      case HYPERCALL.memoryOp:
        return doMemoryOp(this, memory, a1, a2);
      case HYPERCALL.schedOp:
        return doSchedOp(this, memory, a1, a2);
      case HYPERCALL.xenVersion:
        return a1 === XENVER_VERSION ? (this.version.major << 16) | this.version.minor : -ERRNO.ENOSYS;
      default:
        return -ERRNO.ENOSYS;
    }
  }

  /** Domain-0 runs from the start; its memory is part of what is not free, from the first nodes of its affinity. */
  #createDomain0(): void {
    const { dom0, nodes } = this.machine;
    const config = {
      id: 0,
      hvm: false,
      hap: false,
      xenstoreDomain: false,
      maxVcpus: dom0.vcpus,
      handle: new Uint8Array(16),
      ssidref: 0,
    };
    const domain = new Domain(config, this.pools[0]!, nodes.length);
    domain.createVcpus(this.nrCpuIds);
    domain.pauseCount = 0;
    if (dom0.hardAffinity !== undefined) {
      for (const vcpu of domain.vcpus) vcpu.hard.copyFrom(Bitset.of(this.nrCpuIds, dom0.hardAffinity));
    }
    if (dom0.nodes !== undefined) {
      domain.autoNodeAffinity = false;
      domain.nodeAffinity.copyFrom(Bitset.of(MAX_NUMNODES, dom0.nodes));
    }
    this.domains.set(0, domain);
    domainUpdateNodeAffinity(this, domain);
    let left = dom0.pages;
    const order = [...nodes.keys()].sort((a, b) => Number(domain.nodeAffinity.has(b)) - Number(domain.nodeAffinity.has(a)) || a - b);
    for (const node of order) {
      for (const [start, end] of usedFrames(nodes[node]!)) {
        const pages = Math.min(left, end - start);
        if (pages > 0) domain.pages[node]!.add(end - pages, end);
        left -= pages;
      }
    }
    domain.totPages = domain.pages.reduce((sum, runs) => sum + runs.pages, 0);
    domain.maxPages = dom0.maxPages ?? Number.MAX_SAFE_INTEGER;
  }
}

/** Frames of a node's span that are not free at the start, as [first, one past the last), the highest below the first free frame first. */
function usedFrames({ startMfn, endMfn, freePages, freeRanges }: XenNode): [number, number][] {
  const free = freeRanges ?? [[endMfn - freePages, endMfn] as const];
  const used: [number, number][] = [];
  let from = startMfn;
  for (const [start, end] of free) {
    if (end === start) continue;
    if (start > from) used.push([from, start]);
    from = end;
  }
  if (from < endMfn) used.push([from, endMfn]);
  return used;
}
