// Builds one random scenario step by step: it tracks letters and pools, and has a method for each
// kind of step.

import type { Random } from '../base/random.js';
import type { Step } from '../conformance/hypercalls/scenario.js';
import { Arguments, type MachineFacts } from './arguments.js';

const LETTERS = 'ABCDEFGH';
const VERSIONS = [0, 19, 20, 22];
const CREDIT2 = 6;
const PAGING_POOL_BYTES = 4 * 2 ** 20;

interface Domain {
  readonly letter: string;
  readonly pv: boolean;
  readonly vcpus: number;
}

export class Generator {
  readonly random: Random;
  readonly args: Arguments;
  readonly facts: MachineFacts;
  readonly steps: Step[] = [];
  readonly domains: Domain[] = [];
  /** Ids that cpupool_create was given or returned, if the scenario predicts them correctly. */
  readonly pools: number[] = [];
  /**
   * CPUs that may have left Pool-0: they must not be taken offline, or they stay locked until
   * reboot.
   */
  readonly movedCpus = new Set<number>();
  #domainCount = 0;
  #errorLetters = 0;

  constructor(random: Random, facts: MachineFacts) {
    this.random = random;
    this.args = new Arguments(random, facts);
    this.facts = facts;
  }

  push(step: Step): void {
    this.steps.push(step);
  }

  /** A letter that exists, most of the time A. */
  letter(): string {
    const { random, domains } = this;
    if (domains.length === 0) return 'absent';
    return random.chance(65) ? domains[0]!.letter : random.pick(domains).letter;
  }

  vcpusOf(letter: string): number {
    return this.domains.find((domain) => domain.letter === letter)?.vcpus ?? 1;
  }

  /** @returns its letter */
  create(options: { pv?: boolean; vcpus?: number; pool?: number; complete?: boolean; maxKib?: number } = {}): string {
    const { random } = this;
    const letter = LETTERS[this.#domainCount++ % LETTERS.length]!;
    const pv = options.pv ?? random.chance(85);
    const vcpus = options.vcpus ?? random.pick([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 6, 8, 8, random.between(1, 24)]);
    this.push({ op: 'createdomain', as: letter, pv, max_vcpus: vcpus, ...(options.pool === undefined ? {} : { cpupool: options.pool }) });
    this.domains.push({ letter, pv, vcpus });
    if (options.complete === false) return letter;
    this.push({ op: 'max_vcpus', dom: letter, max: vcpus });
    if (!pv) this.push({ op: 'set_paging_mempool_size', dom: letter, bytes: PAGING_POOL_BYTES });
    this.push({ op: 'max_mem', dom: letter, max_memkb: options.maxKib ?? 4194304 });
    return letter;
  }

  destroy(letter = this.letter()): void {
    this.push({ op: 'destroydomain', dom: letter });
    const at = this.domains.findIndex((domain) => domain.letter === letter);
    if (at >= 0) this.domains.splice(at, 1);
  }

  setAffinity(dom = this.letter(), odd = 12): void {
    const { random, args } = this;
    const vcpus = this.vcpusOf(dom);
    const vcpu = random.chance(96) ? random.below(vcpus) : random.pick([vcpus, vcpus + 7, 8191, 4294967295]);
    const flags = random.chance(Math.min(90, 80 + odd)) ? random.pick([1, 2, 2, 3]) : args.affinityFlags();
    const hard = (flags & 1) !== 0 || random.chance(4) ? args.map(args.cpuSet(), odd) : null;
    const soft = (flags & 2) !== 0 || random.chance(4) ? args.map(args.cpuSet(), odd) : null;
    this.push({ op: 'setvcpuaffinity', dom, vcpu, flags, hard, soft });
  }

  getAffinity(dom = this.letter(), odd = 12): void {
    const { random, args } = this;
    const vcpu = random.chance(97) ? random.below(this.vcpusOf(dom)) : random.pick([this.vcpusOf(dom), 8191]);
    const flags = random.chance(80) ? 3 : random.pick([0, 1, 2, 4, 8]);
    this.push({ op: 'getvcpuaffinity', dom, vcpu, flags, hard: args.out(odd), soft: args.out(odd) });
  }

  setNodes(dom = this.letter(), odd = 15): void {
    this.push({ op: 'setnodeaffinity', dom, nodemap: this.args.map(this.args.nodeSet(), odd) });
  }

  getNodes(dom = this.letter(), odd = 4): void {
    this.push({ op: 'getnodeaffinity', dom, nodemap: this.args.out(odd) });
  }

  info(dom = this.letter()): void {
    this.push({ op: 'getdomaininfo', dom });
  }

  populate(dom = this.letter(), options: { order?: number; extents?: number; memFlags?: number; firstFrame?: number } = {}): void {
    const { random, args } = this;
    const order =
      options.order ??
      random.weighted([
        [0, 55],
        [9, 20],
        [1, 7],
        [2, 5],
        [3, 5],
        [5, 4],
        [8, 4],
      ]);
    const extents = options.extents ?? extentsOf(order, random);
    const { firstFrame } = options;
    const frames = firstFrame === undefined ? {} : { first_frame: firstFrame };
    this.push({ op: 'populate_physmap', dom, extents, order, mem_flags: options.memFlags ?? args.memFlags(20), ...frames });
  }

  maxMem(dom = this.letter()): void {
    this.push({
      op: 'max_mem',
      dom,
      max_memkb: this.random.pick([4194304, 4194304, 1048576, 0, 3, 4, 100, 1024, 4096, 4100, 8192, 65536, 1099511627776]),
    });
  }

  claim(dom = this.letter()): void {
    const { random } = this;
    const pages = random.pick([0, 0, 1, 8, 10, 100, 500, 512, 600, 1024, 1025, 2048, 4096, 5000, 8192, 16384, 99999999]);
    const odd = random.chance(4) ? random.pick([{ extent_start: true }, { mem_flags: 256 }, { order: 1 }]) : {};
    this.push({ op: 'claim_pages', dom, pages, ...odd });
  }

  numaInfo(): void {
    this.push({ op: 'numainfo' });
  }

  createPool(): void {
    const { random } = this;
    const id = random.weighted([
      [null, 35],
      [1, 30],
      [2, 20],
      [3, 10],
      [0, 5],
    ]);
    const sched = random.chance(90) ? CREDIT2 : random.pick([99, 7, 8, 9]);
    this.push({ op: 'cpupool_create', id, sched });
    if (sched !== CREDIT2) return;
    const newPool = id ?? Math.max(0, ...this.pools) + 1;
    if (!this.pools.includes(newPool) && newPool !== 0) this.pools.push(newPool);
  }

  /** Mostly one that exists. */
  pool(): number {
    const { random } = this;
    if (random.chance(6)) return random.pick([0, 5, 9, 77]);
    return this.pools.length === 0 ? 0 : random.pick(this.pools);
  }

  /**
   * CPUs that may change pools: never those of node 0, on which Domain-0 runs. Xen 4.17's credit2
   * can panic (credit2.c:3587) when one goes to another pool while Domain-0 runs on it.
   */
  get movableCpus(): number[] {
    return [...this.facts.cpuToNode.keys()].filter((cpu) => this.facts.cpuToNode[cpu] !== 0);
  }

  anyCpu(): number {
    const cpus = this.movableCpus;
    return cpus.length > 0 && this.random.chance(95) ? this.random.pick(cpus) : this.random.pick([this.args.cpus, 500]);
  }

  removeCpu(pool = this.random.chance(75) ? 0 : this.pool(), cpu = this.anyCpu()): void {
    this.movedCpus.add(cpu);
    this.push({ op: 'cpupool_rmcpu', pool, cpu });
  }

  addCpu(pool = this.random.chance(65) ? this.pool() : 0, cpu = this.random.chance(15) ? -1 : this.anyCpu()): void {
    this.push({ op: 'cpupool_addcpu', pool, cpu });
  }

  /** Takes CPUs from Pool-0 and gives them to a pool. */
  handCpus(pool: number, cpus: readonly number[]): void {
    for (const cpu of cpus) {
      this.removeCpu(0, cpu);
      this.addCpu(pool, cpu);
    }
  }

  moveDomain(dom = this.letter(), pool = this.random.chance(60) ? this.pool() : 0): void {
    this.push({ op: 'cpupool_movedomain', dom, pool });
  }

  poolInfo(odd = 8): void {
    const free = this.random.chance(25);
    const pool = this.random.chance(60) ? this.pool() : this.random.pick([0, 1, 2, 3, 50]);
    this.push({ op: 'cpupool_info', pool, ...(free ? { free: true } : {}), cpumap: this.args.out(odd) });
  }

  destroyPool(pool = this.pool()): void {
    this.push({ op: 'cpupool_destroy', pool });
  }

  /** A CPU of Pool-0 that never left it. */
  hotplug(op: 'cpu_offline' | 'cpu_online'): void {
    const { random } = this;
    const cpus = this.movableCpus.filter((cpu) => !this.movedCpus.has(cpu));
    const cpu = cpus.length > 0 && random.chance(92) ? random.pick(cpus) : random.pick(op === 'cpu_offline' ? [0, 99] : [99, 8191]);
    this.push({ op, cpu });
  }

  simple(op: 'pausedomain' | 'unpausedomain' | 'soft_reset' | 'resumedomain', dom = this.letter()): void {
    this.push({ op, dom });
  }

  shutdown(dom = this.letter()): void {
    if (dom !== 'absent') this.push({ op: 'shutdown', dom, reason: this.random.pick([0, 1, 2, 3, 5]) });
  }

  /** One call that Xen must refuse, or a harmless one to a domain that does not exist. */
  error(): void {
    const { random } = this;
    const dom = random.weighted([
      ['absent', 40],
      ['self', 30],
      [this.letter(), 30],
    ]);
    const version = random.chance(35) ? { version: random.pick(VERSIONS) } : {};
    const before = this.steps.length;
    random.pick<() => void>([
      () => this.setAffinity(dom, 30),
      () => this.getAffinity(dom, 30),
      () => this.setNodes(dom, 40),
      () => this.getNodes(dom, 40),
      () => this.info(dom),
      () => this.push({ op: 'max_vcpus', dom, max: random.pick([0, 1, 7, 64, 100, 8192]) }),
      () => this.push({ op: 'max_mem', dom: dom === 'self' ? 'absent' : dom, max_memkb: 4096 }),
      () => this.simple('pausedomain', dom),
      () => this.simple('unpausedomain', dom),
      () => this.simple('soft_reset', random.chance(30) ? 'dom0' : dom),
      () => this.push({ op: 'destroydomain', dom: random.pick(['absent', 'self', 'dom0']) }),
      () => this.moveDomain(random.pick(['dom0', 'absent', 'self'])),
      () => this.createBadly(),
    ])();
    for (let i = before; i < this.steps.length; i++) this.steps[i] = { ...this.steps[i]!, ...version };
    if (random.chance(10)) {
      this.push({
        op: 'populate_physmap',
        dom: random.pick(['absent', this.letter()]),
        extents: random.pick([0, 1, 4]),
        order: random.pick([0, 19, 20, 30]),
        mem_flags: 0,
        ...(random.chance(40) ? { bad: true } : {}),
      });
    }
  }

  createBadly(): void {
    const { random } = this;
    const letter = `Y${this.#errorLetters++}`;
    const fault = random.pick([
      { max_vcpus: 0 },
      { max_vcpus: 129 },
      { max_vcpus: 8193 },
      { max_vcpus: 1000000 },
      { cpupool: 77 },
      { cpupool: 5 },
    ]);
    // 129 vCPUs are too many only for PVH. A PV domain would be created, which takes long.
    const pv = 'max_vcpus' in fault && fault.max_vcpus === 129 ? false : random.chance(50);
    this.push({ op: 'createdomain', as: letter, pv, max_vcpus: 1, ...fault });
  }
}

/**
 * How many extents of the order to populate: fewer of the large ones, so that a node still holds
 * them.
 */
function extentsOf(order: number, random: Random): number {
  if (order === 9) return random.between(1, 5);
  if (order === 8) return random.between(1, 8);
  return random.pick([1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64]);
}
