// A real Xen for scenarios: a description of the machine, a ballast domain that sets the amount of
// free memory, and the clean-up after a scenario.
import { type InterfaceVersion, interfaceOf } from '../../abi/interface-version.js';
import { XenError } from '../../base/errors.js';
import { CallBuffers } from '../../xenctrl/calls/call-buffers.js';
import { ConsoleReader } from '../../xenctrl/calls/console-ring.js';
import type { HypercallDoor } from '../../xenctrl/doors/door.js';
import { openLibxencall } from '../../xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import { readNodeSpans } from './node-spans.js';
import { ScenarioCalls } from './scenario-calls.js';

const BLOCK_ORDER = 9;
const BLOCK_PAGES = 2 ** BLOCK_ORDER;
/** Lets a later process find the domain again. */
const BALLAST_UUID = new Uint8Array(Buffer.from('xennuma ballast!', 'latin1'));
const UNLIMITED_KIB = 2 ** 40;
const SETTLE_TRIES = 1000;
const SETTLE_MS = 3;
const SCRUBBED_PER_MS = 100;
/** Removing or adding a CPU is refused while Xen still works on the last change. */
const CPU_TRIES = 200;

/** The machine, in the form of a recorded line. */
export interface LiveMachine {
  readonly sched: number;
  readonly nodes: readonly { readonly cpus: readonly number[]; readonly pages: readonly [number, number] | null }[];
  readonly cpu_to_node: readonly number[];
  readonly distances: readonly (readonly number[])[];
}

interface Dom0Affinity {
  readonly vcpus: readonly { readonly hard: readonly number[]; readonly soft: readonly number[] }[];
  readonly nodes: readonly number[];
}

export class LiveXen {
  readonly door: HypercallDoor;
  readonly xc: Xenctrl;
  readonly version: InterfaceVersion;
  readonly machine: LiveMachine;
  /** The state when this was opened. */
  readonly dom0: Dom0Affinity;
  readonly calls: ScenarioCalls;
  readonly #keyCalls: CallBuffers;
  readonly #console: ConsoleReader;
  #ballast: number | null;

  /** @throws InputError when there is no Xen here */
  static async open(): Promise<LiveXen> {
    return new LiveXen(await openLibxencall());
  }

  private constructor(door: HypercallDoor) {
    this.door = door;
    this.xc = openXenctrl(door);
    const { xen, domctl, sysctl } = this.xc.version;
    this.version = interfaceOf(Number(xen.split('.')[1]), domctl, sysctl);
    this.calls = new ScenarioCalls(door, this.version);
    this.#keyCalls = new CallBuffers(door, this.version);
    this.#console = new ConsoleReader(this.#keyCalls);
    this.machine = this.#readMachine();
    this.dom0 = this.#readDom0();
    this.#ballast = this.xc.domainList().find((domain) => Buffer.compare(domain.uuid, BALLAST_UUID) === 0)?.domid ?? null;
  }

  close(): void {
    this.calls.close();
    this.#keyCalls.close();
    this.xc.close();
    this.door.close();
  }

  get ballast(): number | null {
    return this.#ballast;
  }

  freePages(): number[] {
    const pages = this.calls.freePages();
    if (typeof pages === 'number') throw new Error(`numainfo: errno ${-pages}`);
    return pages;
  }

  /**
   * Waits until Xen has given back what it frees later (RCU) and has scrubbed it: an order above 0
   * takes clean blocks of another node before dirty ones.
   * @throws Error when it takes too long
   */
  settle(): void {
    let before = -1;
    for (let i = 0; i < SETTLE_TRIES; i++) {
      const { freePages } = this.xc.physInfo();
      const dirty = freePages === before ? this.xc.unscrubbedPages() : 0;
      if (freePages === before && dirty === 0 && this.#noneDying()) return;
      before = freePages;
      // The dump costs more than the wait, so one late check is better than five early ones.
      sleep(SETTLE_MS + dirty / SCRUBBED_PER_MS);
    }
    throw new Error(`Xen still scrubs memory after ${SETTLE_TRIES} checks`);
  }

  /** A destroyed domain counts in its pool until Xen has freed the last of it. */
  #noneDying(): boolean {
    const counted = this.xc.cpupoolList().reduce((sum, pool) => sum + pool.domains, 0);
    return counted === this.xc.domainList().length;
  }

  /**
   * Starts a domain that holds so much memory that about `freePages` are left on each node: never
   * fewer, and less than 2 MiB more if possible.
   */
  fillUp(freePages: readonly number[]): void {
    const domid = this.#ballast ?? this.#createBallast();
    this.freePages().forEach((free, node) => {
      const blocks = Math.floor((free - freePages[node]!) / BLOCK_PAGES);
      if (blocks > 0) this.xc.domainPopulatePhysmap(domid, { extents: blocks, order: BLOCK_ORDER, node, exactNode: true, wantMfns: false });
    });
  }

  dropBallast(): void {
    if (this.#ballast === null) return;
    this.xc.domainDestroy(this.#ballast);
    this.#ballast = null;
    this.settle();
  }

  /**
   * Restores domains, pools, CPUs and Domain-0's affinities.
   * @throws Error when something stays behind
   */
  undo(): void {
    const { xc } = this;
    this.#cancelMove();
    for (const { domid } of xc.domainList()) if (domid !== 0 && domid !== this.#ballast) xc.domainDestroy(domid);
    for (const pool of xc.cpupoolList()) {
      if (pool.id === 0) continue;
      for (const cpu of pool.cpus) this.#patiently(() => xc.cpupoolRemoveCpu(pool.id, cpu));
      this.#patiently(() => xc.cpupoolDestroy(pool.id));
    }
    const present = new Set(this.machine.cpu_to_node.keys());
    for (const cpu of xc.cpupoolList()[0]!.cpus) present.delete(cpu);
    for (const cpu of xc.cpupoolFreeCpus()) {
      this.#patiently(() => xc.cpupoolAddCpu(0, cpu));
      present.delete(cpu);
    }
    for (const cpu of present) this.#patiently(() => xc.cpuOnline(cpu));
    this.#restoreDom0();
    this.settle();
    this.#checkNothingLeft();
  }

  /**
   * A CPU that Xen could not move out of its pool at once stays half moved, and blocks all other
   * moves, so it is moved back to that pool.
   */
  #cancelMove(): void {
    const { xc } = this;
    const pools = xc.cpupoolList();
    const known = new Set([...pools.flatMap((pool) => [...pool.cpus]), ...xc.cpupoolFreeCpus()]);
    for (const cpu of this.machine.cpu_to_node.keys()) {
      if (known.has(cpu)) continue;
      for (const { id } of pools) {
        try {
          xc.cpupoolAddCpu(id, cpu);
          break;
        } catch (error) {
          if (!(error instanceof XenError)) throw error;
        }
      }
    }
  }

  /** Domain-0's node affinity: every node bit (automatic) or the mask it had at boot. */
  setDom0Automatic(automatic: boolean): void {
    this.xc.domainNodeSetAffinity(0, automatic ? 'all' : this.dom0.nodes);
  }

  #restoreDom0(): void {
    this.dom0.vcpus.forEach(({ hard, soft }, vcpu) => {
      const now = this.xc.vcpuGetAffinity(0, vcpu);
      if (now.hard.join() === hard.join() && now.soft.join() === soft.join()) return;
      this.xc.vcpuSetAffinity(0, vcpu, { hard, soft, force: true });
    });
  }

  #checkNothingLeft(): void {
    const domains = this.xc.domainList().map((domain) => domain.domid);
    const expected = this.#ballast === null ? [0] : [0, this.#ballast];
    const pools = this.xc.cpupoolList();
    const cpus = pools[0]!.cpus.length;
    if (domains.join() === expected.join() && pools.length === 1 && cpus === this.machine.cpu_to_node.length) return;
    throw new Error(
      `a scenario left something behind: domains ${domains.join()}, pools ${pools.map((pool) => pool.id).join()}, ${cpus} CPUs in pool 0`,
    );
  }

  #patiently(call: () => void): void {
    for (let tried = 1; ; tried++) {
      try {
        call();
        return;
      } catch (error) {
        const again = error instanceof XenError && (error.errno === 'EBUSY' || error.errno === 'EAGAIN') && tried < CPU_TRIES;
        if (!again) throw error;
        sleep(SETTLE_MS);
      }
    }
  }

  #createBallast(): number {
    const { xc } = this;
    const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: BALLAST_UUID });
    this.#ballast = domid;
    xc.domainMaxVcpus(domid, 1);
    xc.domainSetMaxmem(domid, UNLIMITED_KIB);
    return domid;
  }

  #readMachine(): LiveMachine {
    const { xc } = this;
    const { distances, nodes } = xc.numaInfo();
    const cpuToNode = xc.cpuTopology().map((cpu) => cpu?.node ?? 0);
    const spans = readNodeSpans(this.#console.pressKey('u').text);
    const pools = xc.cpupoolList();
    return {
      sched: pools[0]!.scheduler,
      nodes: nodes.map((_, node) => {
        const [start, end] = spans[node] ?? [0, 0];
        return { cpus: [...cpuToNode.keys()].filter((cpu) => cpuToNode[cpu] === node), pages: end > start ? [start, end] : [0, 0] };
      }),
      cpu_to_node: cpuToNode,
      distances,
    };
  }

  #readDom0(): Dom0Affinity {
    const vcpus = this.xc.domainInfo(0)!.maxVcpuId + 1;
    return {
      vcpus: Array.from({ length: vcpus }, (_, vcpu) => this.xc.vcpuGetAffinity(0, vcpu)),
      nodes: this.xc.domainNodeGetAffinity(0),
    };
  }
}

/** Blocks this thread. */
export function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
