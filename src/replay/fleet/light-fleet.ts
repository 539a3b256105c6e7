// A fleet of equal hosts without hypercalls, XenStore and builder processes: the memory that
// starts take and stops give back, page for page, and the decisions of the toolstack's flow in
// between. The order of the steps is that of xenopsd's buildVm (src/xenopsd/start/vm-build.ts) and
// of libxl (xl-build.ts), for HVM guests without masks, one start at a time on a host. Tests hold
// it to the embedded host.
import { MIB, PAGE_BYTES, PAGES_PER_MIB } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Plan } from '../../planner/policy.js';
import { xlNeededBytes, xlPagingKib } from '../../planner/xl-placement.js';
import { hvmXenPages } from '../../xen/ops/create-domain.js';
import { startPages } from '../../xenguest/memory/guest-pages.js';
import { type MemoryConfig, memoryConfig } from '../../xenopsd/start/memory-model.js';
import { placedMib, refusesNode } from '../../xenopsd/start/numa-rules.js';
import { ExtentSource, type NodeAffinity } from './extents.js';
import { FleetHeap } from './fleet-heap.js';
import { FrameStore, Runs } from './frames.js';
import { buildGuest, guestPages } from './guest-build.js';
import { affinityOf, type HostType } from './host-type.js';
import { type PlaceRequest, type Placer, placerOf } from './placers.js';
import type { ReplayPolicy } from './policies.js';

/** VMs of one size, and what their memory comes to. */
export interface Flavour {
  readonly vcpus: number;
  readonly memory: MemoryConfig;
  /** What a start takes of its host, under each plan. */
  readonly pages: number;
  /** With so many free pages on the host, on any nodes, no start fails. */
  readonly safePages: number;
}

/** A running VM: what `stop` gives back. */
export interface LightVm {
  readonly host: number;
  readonly vcpus: number;
  readonly plan: Plan | null;
  readonly affinity: NodeAffinity;
  /** Pages by node: of the guest's memory, and with Xen's own for it. */
  readonly pages: readonly number[];
  readonly allPages: readonly number[];
  /** Where the fleet keeps the frames that are freed when it stops. */
  readonly frames: number;
}

export class LightFleet {
  readonly type: HostType;
  readonly #policy: ReplayPolicy;
  readonly #heap: FleetHeap;
  readonly #source: ExtentSource;
  readonly #placer: Placer | null;
  /** By list of nodes; those of one node by its number. */
  readonly #affinities = new Map<string | number, NodeAffinity>();
  /** Frames of the start that goes on: of the guest's memory, and of Xen's own. */
  readonly #guest: readonly Runs[];
  readonly #xen: readonly Runs[];
  readonly #taken: readonly (readonly Runs[])[];
  readonly #frames = new FrameStore();
  #starts = 0;

  constructor(type: HostType, policy: ReplayPolicy, hosts: number) {
    this.type = type;
    this.#policy = policy;
    this.#heap = new FleetHeap(type.layout, hosts);
    this.#source = new ExtentSource(this.#heap, type.layout.dmaZone, type.nodes);
    this.#placer = placerOf(policy, type, hosts);
    this.#guest = Array.from({ length: type.nodes }, () => new Runs());
    this.#xen = Array.from({ length: type.nodes }, () => new Runs());
    this.#taken = [this.#guest, this.#xen];
  }

  flavour(vcpus: number, memoryBytes: number): Flavour {
    const { profile } = this.#policy;
    const memory = memoryConfig(vmSpec(vcpus, memoryBytes), profile.toolstack === 'libxl' ? 'libxl' : 'xenopsd');
    const { table, pool, withVcpus } = hvmXenPages(vcpus);
    const paging = profile.toolstack === 'libxl' ? xlPoolPages(vcpus, memory) : memory.shadowMib * PAGES_PER_MIB;
    const xenPages = table + withVcpus + paging;
    const pages = xenPages + guestPages(memory.buildStartMib);
    // Each check of free memory on the way comes after Xen has taken no more than xenPages.
    const checked = Math.max(memory.requiredHostFreeMib, placedMib(profile, memory), memory.buildStartMib) * PAGES_PER_MIB;
    return { vcpus, memory, pages, safePages: Math.max(pages, xenPages + pool + checked) };
  }

  /** Free pages of a node. */
  freePages(host: number, node: number): number {
    return this.#heap.freePages[host * this.type.nodes + node]!;
  }

  /** Free pages of all its nodes. */
  hostFree(host: number): number {
    let pages = 0;
    for (let node = 0; node < this.type.nodes; node++) pages += this.freePages(host, node);
    return pages;
  }

  /** null when the start fails; all that it took is free again. */
  start(host: number, flavour: Flavour): LightVm | null {
    this.#source.begin(host);
    const vm = this.#policy.profile.toolstack === 'libxl' ? this.#startXl(host, flavour) : this.#startXapi(host, flavour);
    if (vm === null) this.#release(host, this.#takenFrames());
    for (const runs of this.#guest) runs.clear();
    for (const runs of this.#xen) runs.clear();
    return vm;
  }

  stop(vm: LightVm): void {
    this.#placer?.gone(vm.host, vm.vcpus, vm.plan, vm.affinity.nodes);
    this.#release(vm.host, vm.frames);
  }

  #startXapi(host: number, flavour: Flavour): LightVm | null {
    const { memory, vcpus } = flavour;
    const { cpuNodes, everyNode } = this.type;
    const { table, pool, withVcpus } = hvmXenPages(vcpus);
    const poolPages = memory.shadowMib * PAGES_PER_MIB;
    const required = memory.requiredHostFreeMib * PAGES_PER_MIB;
    if (cpuNodes.others.length === 0 && this.hostFree(host) >= required + table + pool) {
      // The usual case: single pages in turn from the same nodes, one request after the other.
      this.#takeForXen(table + withVcpus + poolPages, everyNode);
    } else {
      if (!this.#takeForXen(table + pool, everyNode)) return null;
      // VM.build waits for memory first; nothing is scrubbed here.
      if (this.hostFree(host) < required) return null;
      if (!this.#takeForXen(withVcpus, everyNode) || !this.#takeForXen(poolPages - pool, cpuNodes)) return null;
    }
    if (this.#placer === null) return this.#build(flavour, null, { host, plan: null, affinity: cpuNodes, node: null });
    const { profile, placement } = this.#policy;
    const request = this.#request(host, flavour, placedMib(profile, memory) * MIB, placement.cores === 'vcpus' ? vcpus : 0);
    const plan = this.#placer.plan(request);
    const placed = this.#claim(host, plan, request.memoryBytes);
    return placed === null ? this.#fail(request) : this.#build(flavour, request, { host, plan, ...placed });
  }

  /**
   * The profile's claims, and the affinity that it sets (numa-placement.ts, planAndClaim and
   * globalClaim). One start at a time: no other claim is outstanding.
   * @returns null when the claim fails the build
   */
  #claim(host: number, plan: Plan | null, bytes: number): { affinity: NodeAffinity; node: number | null } | null {
    const { profile, placement } = this.#policy;
    const { cpuNodes } = this.type;
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const planned = plan === null ? cpuNodes : this.#affinity(plan);
    const [first] = plan?.nodes ?? [];
    const single = plan !== null && plan.nodes.length === 1 && profile.nodeClaim;
    const claimed = single && pages <= this.freePages(host, first!) ? first! : null;
    if (placement.tight === true) return { affinity: planned, node: claimed };
    let affinity = planned;
    if (profile.nodeClaim && !profile.affinityBeforeClaim) {
      if (plan?.nodes.length !== 1 || (claimed === null && refusesNode(profile, 'ENOMEM'))) affinity = cpuNodes;
    }
    if (claimed === null && profile.globalClaim && pages > this.hostFree(host)) return null;
    return { affinity, node: claimed };
  }

  /** libxl places before the paging pool is allocated, and then claims host-wide (xl-build.ts). */
  #startXl(host: number, flavour: Flavour): LightVm | null {
    const { memory, vcpus } = flavour;
    const { everyNode, cpuNodes } = this.type;
    const { table, pool, withVcpus } = hvmXenPages(vcpus);
    if (!this.#takeForXen(table + pool, everyNode) || !this.#takeForXen(withVcpus, everyNode)) return null;
    const maxmemBytes = memory.staticMaxMib * MIB;
    const needed = xlNeededBytes({ memoryBytes: memory.targetMib * MIB, maxmemBytes, vcpus, kind: 'hvm' });
    const request = this.#placer === null ? null : this.#request(host, flavour, needed, 0);
    const plan = request === null ? null : this.#placer!.plan(request);
    const affinity = plan === null ? cpuNodes : this.#affinity(plan);
    if (!this.#takeForXen(xlPoolPages(vcpus, memory) - pool, affinity)) return this.#fail(request);
    if (startPages('hvm', memory.buildStartMib) > this.hostFree(host)) return this.#fail(request);
    return this.#build(flavour, request, { host, plan, affinity, node: null });
  }

  #request(host: number, { vcpus, memory }: Flavour, memoryBytes: number, cores: number): PlaceRequest {
    const { nodes } = this.type;
    const freeBytes = new Array<number>(nodes);
    for (let at = 0; at < nodes; at++) freeBytes[at] = this.freePages(host, at) * PAGE_BYTES;
    return { host, id: this.#starts++, vcpus, cores, memoryBytes, neededBytes: memory.requiredHostFreeMib * MIB, freeBytes };
  }

  #build(
    { vcpus, memory }: Flavour,
    request: PlaceRequest | null,
    { host, plan, affinity, node }: { host: number; plan: Plan | null; affinity: NodeAffinity; node: number | null },
  ): LightVm | null {
    if (!buildGuest(this.#source, { mib: memory.buildStartMib, exactNode: node, affinity }, this.#guest)) return this.#fail(request);
    if (request !== null) this.#placer!.built(request, plan, affinity.nodes);
    const { nodes } = this.type;
    const pages = new Array<number>(nodes);
    const allPages = new Array<number>(nodes);
    for (let at = 0; at < nodes; at++) {
      pages[at] = this.#guest[at]!.pages;
      allPages[at] = pages[at]! + this.#xen[at]!.pages;
    }
    return { host, vcpus, plan, affinity, pages, allPages, frames: this.#takenFrames() };
  }

  #fail(request: PlaceRequest | null): null {
    if (request !== null) this.#placer!.failed(request);
    return null;
  }

  #takeForXen(pages: number, affinity: NodeAffinity): boolean {
    return pages === 0 || this.#source.take(0, pages, affinity, this.#xen) === pages;
  }

  /** The node affinity that Xen derives from a soft or hard mask of the plan's CPUs. */
  #affinity({ nodes }: Plan): NodeAffinity {
    const key = nodes.length === 1 ? nodes[0]! : nodes.join();
    let affinity = this.#affinities.get(key);
    if (affinity === undefined) {
      const withCpus = nodes.filter((node) => this.type.cpus[node]! > 0);
      affinity = withCpus.length === 0 ? this.type.cpuNodes : affinityOf(withCpus, this.type.nodes);
      this.#affinities.set(key, affinity);
    }
    return affinity;
  }

  /** As destroying a domain frees them: its memory, then Xen's pages; the newest first. */
  #takenFrames(): number {
    return this.#frames.keep(this.#taken);
  }

  #release(host: number, frames: number): void {
    this.#frames.release(frames, (node, words, from, to) => this.#heap.free(host, node, words, from, to));
  }
}

/** libxl's paging pool. */
function xlPoolPages(vcpus: number, { staticMaxMib }: MemoryConfig): number {
  return xlPagingKib({ maxmemBytes: staticMaxMib * MIB, vcpus }) / 4;
}

/** As a file of VMs describes it, without ballooning. */
export function vmSpec(vcpus: number, memoryBytes: number, name = 'vm'): VmSpec {
  return {
    name,
    kind: 'hvm',
    vcpusMax: vcpus,
    vcpusAtStartup: vcpus,
    memoryStaticMaxBytes: memoryBytes,
    memoryTargetBytes: memoryBytes,
    vcpusParams: {},
  };
}
