// Places the domains of another toolstack. Right before the domain builder populates a domain, it
// plans with policy `tight`, reserves the memory until the domain is built, and sets the soft
// affinity of every vCPU. From that Xen derives the node affinity, which decides the nodes of the
// memory.

import { formatList } from '../../base/bitset.js';
import { XenError } from '../../base/errors.js';
import { INVALID_ID } from '../../base/ids.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { FlowRecord } from '../../flow/record.js';
import type { NodeShare } from '../../planner/tight/request.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import { machineHost } from '../../xenopsd/start/numa-hierarchy.js';
import { TightBookings } from '../../xenopsd/start/tight-placement.js';

/** Past this a build that is neither done nor gone no longer keeps memory from others. */
const BUILD_MOST_MS = 15 * 60_000;

export type AgentAnswer =
  /** CPUs as a list; every vCPU prefers them now. */
  | { readonly verdict: 'placed'; readonly cpus: string }
  /** Nothing was set, and why. */
  | { readonly verdict: 'left'; readonly reason: string };

interface Build {
  readonly pages: number;
  readonly began: number;
}

export class PlaceAgent {
  readonly #xc: Xenctrl;
  readonly #bookings: TightBookings;
  readonly #now: () => number;
  readonly #nodeOfCpu: readonly number[];
  /** By domid: builds that may still take memory. */
  readonly #builds = new Map<number, Build>();

  /**
   * @param node0ReserveBytes bytes of node 0 that no plan uses
   * @param now a clock in milliseconds
   */
  constructor(
    xc: Xenctrl,
    { node0ReserveBytes = 0, now = Date.now }: { readonly node0ReserveBytes?: number; readonly now?: () => number } = {},
  ) {
    this.#xc = xc;
    this.#bookings = new TightBookings(node0ReserveBytes);
    this.#now = now;
    this.#nodeOfCpu = machineHost(xc).cpuToNode;
  }

  /**
   * Plans, books and sets in one go; nothing waits in here, so that two starts never get the same
   * memory.
   * @throws XenError when Xen refuses a call
   */
  place(domid: number, memoryMib: number): AgentAnswer {
    const info = this.#xc.domainInfo(domid);
    if (info === null) return { verdict: 'left', reason: `there is no domain ${domid}` };
    if (domid === 0 || info.maxVcpuId < 0) return { verdict: 'left', reason: 'the domain has no vCPUs to place' };
    this.#follow();
    // The same domain again: a builder that was started anew.
    this.#bookings.gone(domid);
    const run = { vm: { vcpusMax: info.maxVcpuId + 1 }, record: new FlowRecord(`domain ${domid}`), doors: { xc: this.#xc } };
    const { cpus } = this.#bookings.plan(run, domid, memoryMib * MIB, this.#allowedCpus(domid, info.maxVcpuId + 1));
    if (cpus === null) return { verdict: 'left', reason: 'no set of nodes holds the domain' };
    this.#builds.set(domid, { pages: (memoryMib * MIB) / PAGE_BYTES, began: this.#now() });
    for (let vcpu = 0; vcpu <= info.maxVcpuId; vcpu++) this.#xc.vcpuSetAffinity(domid, vcpu, { soft: cpus });
    return { verdict: 'placed', cpus: formatList(cpus) };
  }

  /** Domains come, go and finish their builds without a word: Xen's list tells. */
  #follow(): void {
    const domains = this.#xc.domainList();
    const living = new Map(domains.map((info) => [info.domid, info]));
    for (const domid of this.#bookings.domids) if (!living.has(domid)) this.#bookings.gone(domid);
    const known = new Set(this.#bookings.domids);
    for (const [domid, { pages, began }] of this.#builds) {
      const info = living.get(domid);
      if (info !== undefined && info.totPages < pages && this.#now() - began < BUILD_MOST_MS) continue;
      this.#builds.delete(domid);
      this.#bookings.built(domid);
    }
    for (const { domid, maxVcpuId } of domains) {
      if (domid !== 0 && maxVcpuId >= 0 && !known.has(domid)) this.#adopt(domid, maxVcpuId + 1);
    }
  }

  /** A domain can be gone since Xen listed it; it takes nothing then. */
  #adopt(domid: number, vcpus: number): void {
    try {
      this.#bookings.adopt(domid, this.#sharesOf(domid, vcpus));
    } catch (error) {
      if (!(error instanceof XenError && error.errno === 'ESRCH')) throw error;
    }
  }

  /** Shares of a domain that another tool placed: its vCPUs over their preferred nodes. */
  #sharesOf(domid: number, vcpus: number): NodeShare[] {
    const { soft, hard } = this.#xc.vcpuGetAffinity(domid, 0);
    const both = soft.filter((cpu) => hard.includes(cpu));
    const nodes = [...new Set((both.length > 0 ? both : hard).map((cpu) => this.#nodeOfCpu[cpu]!))];
    const each = vcpus / Math.max(1, nodes.length);
    return nodes.map((node) => ({ node, vcpus: each, memoryBytes: 0 }));
  }

  /** undefined = all of them; a mask that differs by vCPU allows what all of it names. */
  #allowedCpus(domid: number, vcpus: number): number[] | undefined {
    const allowed = new Set<number>();
    for (let vcpu = 0; vcpu < vcpus; vcpu++) for (const cpu of this.#xc.vcpuGetAffinity(domid, vcpu).hard) allowed.add(cpu);
    const there = this.#nodeOfCpu.flatMap((node, cpu) => (node === INVALID_ID ? [] : [cpu]));
    return there.every((cpu) => allowed.has(cpu)) ? undefined : there.filter((cpu) => allowed.has(cpu));
  }
}
