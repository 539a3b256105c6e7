// More kinds of random scenarios, about memory and pools: the nodes of extents when nodes are full,
// when the limit refuses extents, when addresses are limited, and when the domain has a paging pool
// or no vCPUs yet; several pools.

import type { Random } from '../base/random.js';
import { MIB } from '../base/units.js';
import type { Generator } from './generator.js';

type Kind = (make: Generator, random: Random) => void;

const EXACT_NODE = 1 << 17;
const POPULATE_ON_DEMAND = 1 << 16;
const VIRTUAL_NODE = 1 << 18;
/** Last frame of a guest: four levels of 512 entries. */
const LAST_FRAME = 2 ** 36 - 1;
const CREDIT = 5;
const CREDIT2 = 6;

const times = (count: number, run: (index: number) => void) => {
  for (let i = 0; i < count; i++) run(i);
};
const onlyNode = (node: number) => ((node + 1) << 8) | EXACT_NODE;

/** Allocates every 2 MiB block of these nodes. */
function takeBlocks(make: Generator, dom: string, nodes: readonly number[]): void {
  for (const node of nodes) make.push({ op: 'populate_physmap', dom, extents: 80, order: 9, mem_flags: onlyNode(node) });
}

/** Nodes filled to the last page: the spill-over, its order, and the use of the DMA zone. */
const spill: Kind = (make, random) => {
  const nodes = Array.from({ length: make.facts.nodes }, (_, node) => node);
  const letter = make.create({ pv: true, vcpus: random.between(1, 4), maxKib: 2 ** 30 });
  if (random.chance(70)) make.setNodes(letter, 0);
  if (random.chance(40)) make.setAffinity(letter, 0);
  for (const node of random.shuffled(nodes).slice(0, random.between(1, nodes.length))) {
    random.pick<() => void>([
      () => make.populate(letter, { order: 0, extents: 20_000, memFlags: onlyNode(node) }),
      () => takeBlocks(make, letter, [node]),
      () => make.populate(letter, { order: 9, extents: 400, memFlags: random.chance(50) ? 0 : (node + 1) << 8 }),
    ])();
    times(random.between(1, 3), () => make.populate(letter, { order: random.pick([0, 0, 9, 1, 3, 8]), memFlags: make.args.memFlags(35) }));
  }
  if (random.chance(30)) make.populate(letter, { order: 0, extents: 30_000, memFlags: 0 });
  make.numaInfo();
  make.info(letter);
};

/**
 * The limit of the domain refuses extents: the scenario shows whether its alternation between nodes
 * goes on from there.
 */
const refused: Kind = (make, random) => {
  const letter = make.create({ pv: random.chance(85), vcpus: random.between(1, 4), maxKib: random.pick([0, 4, 100, 1024, 4100, 8192]) });
  if (random.chance(40)) make.setNodes(letter, 0);
  times(random.between(3, 7), () => {
    make.populate(letter, { order: random.pick([0, 0, 0, 1, 9]), extents: random.between(1, 9), memFlags: make.args.memFlags(25) });
    if (random.chance(40)) make.info(letter);
    if (random.chance(55)) make.push({ op: 'max_mem', dom: letter, max_memkb: random.pick([0, 64, 4100, 8192, 1048576, 1048576]) });
    if (random.chance(20)) make.setNodes(letter, 0);
  });
  make.info(letter);
};

/** Orders of all sizes, address bits, populate-on-demand and virtual nodes. */
const flags: Kind = (make, random) => {
  const letter = make.create({ pv: random.chance(80) });
  const kinds = [POPULATE_ON_DEMAND, VIRTUAL_NODE, VIRTUAL_NODE | EXACT_NODE];
  times(random.between(4, 9), () => {
    const bits = random.chance(45) ? random.pick([1, 11, 13, 20, 24, 25, 30, 31, 32, 33, 34, 40, 64]) : 0;
    const kind = random.chance(25) ? random.pick(kinds) : 0;
    const order = random.pick([0, 0, 0, 9, 9, 1, 2, 3, 5, 8, 10, 11]);
    make.populate(letter, { order, extents: random.between(1, order > 9 ? 2 : 6), memFlags: bits | kind | make.args.memFlags(40) });
    if (random.chance(25)) make.setNodes(letter, 0);
    if (random.chance(20)) make.info(letter);
  });
  make.populate(letter, { order: 0, extents: 5, memFlags: 0 });
};

/**
 * Memory populated at once and on demand, at frames that overlap, touch or are not aligned; frames
 * at the end of what can be mapped.
 */
const onDemand: Kind = (make, random) => {
  const letter = make.create({ pv: false, vcpus: 1 });
  const near = random.pick([0, 0, 512, 2 ** 18, LAST_FRAME]);
  times(random.between(5, 14), () => {
    const order = random.pick([0, 0, 1, 2, 3, 5, 9]);
    const firstFrame = near === LAST_FRAME ? LAST_FRAME - random.below(10) : Math.max(0, near + random.between(-40, 40));
    const memFlags = random.chance(60) ? POPULATE_ON_DEMAND : 0;
    make.populate(letter, { order, extents: random.between(1, 8), memFlags, firstFrame });
  });
  make.info(letter);
};

/**
 * Memory before there are vCPUs, and after: the node affinity of either, and the alternation that
 * goes on.
 */
const early: Kind = (make, random) => {
  times(random.between(2, 5), () => {
    const vcpus = random.pick([1, 2, 3, 5, 8, 16]);
    const letter = make.create({ pv: true, vcpus, complete: false });
    make.push({ op: 'max_mem', dom: letter, max_memkb: 1048576 });
    const grow = () => make.push({ op: 'max_vcpus', dom: letter, max: vcpus });
    const before = random.chance(50);
    if (!before) grow();
    if (random.chance(30)) make.setNodes(letter, 0);
    make.getNodes(letter, 0);
    make.populate(letter, { order: 0, extents: random.between(3, 9), memFlags: 0 });
    if (before) {
      grow();
      make.getNodes(letter, 0);
      make.populate(letter, { order: 0, extents: random.between(3, 9), memFlags: 0 });
    }
    if (random.chance(70)) make.destroy(letter);
  });
};

/**
 * Paging pools and vCPUs of PVH domains move the alternation, as they take pages in the domain's
 * name; smaller pools give pages back.
 */
const paging: Kind = (make, random) => {
  const vcpus = random.pick([1, 2, 3, 4, 8, 12]);
  const letter = make.create({ pv: false, vcpus, complete: false });
  make.push({ op: 'max_mem', dom: letter, max_memkb: 4194304 });
  const steps = random.between(4, 9);
  const grown = random.below(steps);
  times(steps, (step) => {
    if (step === grown) make.push({ op: 'max_vcpus', dom: letter, max: vcpus });
    if (random.chance(40)) make.setNodes(letter, 0);
    if (random.chance(40)) make.setAffinity(letter, 0);
    if (random.chance(45)) make.push({ op: 'set_paging_mempool_size', dom: letter, bytes: random.pick([1, 2, 3, 4, 5, 6, 8]) * MIB });
    make.populate(letter, { order: random.pick([0, 0, 0, 9]), extents: random.between(1, 8), memFlags: make.args.memFlags(20) });
    make.getNodes(letter, 0);
  });
  make.info(letter);
};

/** The soft affinity of all vCPUs changes at once, as toolstacks set it; then memory follows. */
const everySoft: Kind = (make, random) => {
  const vcpus = random.between(1, 8);
  const letter = make.create({ pv: random.chance(90), vcpus });
  times(random.between(2, 4), () => {
    const soft = make.args.map(make.args.cpuSet(), 0);
    times(vcpus, (vcpu) => make.push({ op: 'setvcpuaffinity', dom: letter, vcpu, flags: 2, hard: null, soft }));
    make.getNodes(letter, 0);
    times(random.between(1, 4), () => make.populate(letter));
    if (random.chance(35)) make.setNodes(letter, 0);
  });
};

/**
 * Two or three pools with CPUs, domains of many vCPUs that move between them, pools that lose their
 * CPUs.
 */
const pools: Kind = (make, random) => {
  const cpus = random.shuffled(make.movableCpus);
  const letters = Array.from({ length: random.between(1, 3) }, () => make.create({ vcpus: random.between(1, 8) }));
  const ids = [1, 2, 3].slice(0, Math.min(random.between(2, 3), cpus.length));
  for (const id of ids) make.push({ op: 'cpupool_create', id, sched: CREDIT2 });
  make.pools.push(...ids);
  cpus.forEach((cpu, index) => {
    if (random.chance(80)) make.handCpus(ids[index % ids.length]!, [cpu]);
  });
  times(random.between(5, 12), () => {
    const letter = random.pick(letters);
    random.weighted<() => void>([
      [() => make.moveDomain(letter, random.pick([0, ...ids])), 30],
      [() => make.setAffinity(letter, 3), 22],
      [() => make.removeCpu(random.pick(ids), random.pick(cpus)), 12],
      [() => make.addCpu(random.pick(ids)), 8],
      [() => make.populate(letter), 12],
      [() => make.poolInfo(3), 8],
      [() => make.destroyPool(random.pick(ids)), 4],
    ])();
    make.getNodes(letter, 0);
    if (random.chance(50)) make.getAffinity(letter, 0);
  });
};

/**
 * Numbers of pools without CPUs: which one is next, how many there may be, which scheduler a build
 * has.
 */
const manyPools: Kind = (make, random) => {
  times(random.between(8, 22), () => {
    random.weighted<() => void>([
      [
        () =>
          make.push({
            op: 'cpupool_create',
            id: random.chance(75) ? null : random.pick([0, 1, 2, 50, 106, 113]),
            sched: random.pick([CREDIT, CREDIT2, CREDIT2, 7, 8, 9, 99]),
          }),
        70,
      ],
      [() => make.push({ op: 'cpupool_destroy', pool: random.between(1, 8) }), 15],
      [() => make.push({ op: 'cpupool_info', pool: random.between(0, 120), cpumap: make.args.out(5) }), 15],
    ])();
  });
};

/** Domain-0's vCPU 0 pinned by its own kernel: no other caller may set its affinity then. */
const pinned: Kind = (make, random) => {
  const cpus = make.args.cpusOfNodes([0]);
  make.push({ op: 'pin_override', pcpu: random.pick([...cpus, 99]) });
  times(random.between(2, 4), () => {
    make.getAffinity('dom0', 0);
    random.pick<() => void>([
      () => make.push({ op: 'pin_override', pcpu: random.pick([...cpus, 99, -1]) }),
      () => make.push({ op: 'setvcpuaffinity', dom: 'dom0', vcpu: 0, flags: 1, hard: make.args.map(cpus, 0), soft: null }),
      () => make.push({ op: 'setvcpuaffinity', dom: 'dom0', vcpu: 0, flags: 2, hard: null, soft: make.args.map(make.args.cpuSet(), 0) }),
      () => make.push({ op: 'setvcpuaffinity', dom: 'dom0', vcpu: 0, flags: 4, hard: null, soft: null }),
    ])();
    make.getNodes('dom0', 0);
  });
  make.push({ op: 'pin_override', pcpu: -1 });
  make.getAffinity('dom0', 0);
};

/**
 * Memory of a destroyed domain that Xen has not scrubbed yet: how much a next domain gets of it
 * (not where, which depends on the time).
 */
const dirty: Kind = (make, random) => {
  const nodes = random.shuffled(Array.from({ length: make.facts.nodes }, (_, node) => node));
  times(random.between(1, 2), () => {
    const letter = make.create({ pv: true, vcpus: 1 });
    takeBlocks(make, letter, nodes.slice(0, random.between(1, nodes.length)));
    make.destroy(letter);
  });
  make.numaInfo();
  const letter = make.create({ pv: random.chance(80), vcpus: random.between(1, 4) });
  if (random.chance(70)) make.setNodes(letter, 0);
  times(random.between(3, 6), () =>
    make.populate(letter, { order: random.pick([0, 0, 9, 9, 3]), extents: random.between(1, 4), memFlags: make.args.memFlags(30) }),
  );
  make.info(letter);
  make.numaInfo();
};

/**
 * Extents of up to 1 GiB, and larger ones, which are always refused; large blocks that smaller
 * extents break up.
 */
const order18: Kind = (make, random) => {
  const letter = make.create({ pv: random.chance(85), vcpus: random.between(1, 5), maxKib: 2 ** 24 });
  if (random.chance(40)) make.setNodes(letter, 0);
  times(random.between(3, 7), () => {
    const order = random.pick([18, 18, 18, 17, 16, 14, 12, 10, 9, 9, 0, 19]);
    const bits = random.chance(20) ? random.pick([31, 32, 33]) : 0;
    const extents = order > 12 ? random.between(1, 2) : random.between(1, 8);
    make.populate(letter, { order, extents, memFlags: bits | make.args.memFlags(35) });
    if (random.chance(20)) make.setNodes(letter, 0);
    if (random.chance(25)) make.numaInfo();
  });
  make.info(letter);
};

/** [kind, weight]; names as in kinds.ts. */
export const MEMORY_KINDS = {
  spill: [spill, 4],
  refused: [refused, 5],
  flags: [flags, 5],
  ondemand: [onDemand, 4],
  early: [early, 4],
  paging: [paging, 6],
  everysoft: [everySoft, 6],
  pools: [pools, 5],
  manypools: [manyPools, 2],
  pinned: [pinned, 1],
  dirty: [dirty, 2],
} satisfies Record<string, readonly [Kind, number]>;

/** On a machine whose memory no ballast domain holds. */
export const WHOLE_KINDS: ReadonlyMap<string, readonly [Kind, number]> = new Map([['order18', [order18, 1]]]);

/** Scenarios that do not wait until Xen has scrubbed the memory of a destroyed domain. */
export const DIRTY_KIND = 'dirty';
