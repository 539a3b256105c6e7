// The kinds of random scenarios. Kinds that also exist in the recorded scenarios have the same
// names.

import type { Random } from '../base/random.js';
import type { Generator } from './generator.js';
import { MEMORY_KINDS } from './memory-kinds.js';

type Kind = (make: Generator, random: Random) => void;
const times = (count: number, run: (index: number) => void) => {
  for (let i = 0; i < count; i++) run(i);
};

const affinity: Kind = (make, random) => {
  const letter = make.create();
  times(random.between(6, 14), () => {
    make.setAffinity(letter, 40);
    if (random.chance(60)) make.getNodes(letter, 15);
    if (random.chance(40)) make.getAffinity(letter, 25);
    if (random.chance(12)) make.populate(letter);
  });
};

/** Node affinity is the union over all vCPUs. */
const union: Kind = (make, random) => {
  const vcpus = random.between(2, 8);
  const letter = make.create({ vcpus });
  times(random.between(1, 3), () => {
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      const flags = random.pick([1, 2, 2, 2, 3]);
      const hard = (flags & 1) === 0 ? null : make.args.map(make.args.cpuSet(), 0);
      const soft = (flags & 2) === 0 ? null : make.args.map(make.args.cpuSet(), 0);
      make.push({ op: 'setvcpuaffinity', dom: letter, vcpu, flags, hard, soft });
      make.getNodes(letter, 0);
    }
    if (random.chance(60)) make.populate(letter);
  });
};

const manual: Kind = (make, random) => {
  const letter = make.create();
  times(random.between(5, 10), () => {
    make.setNodes(letter, 25);
    make.getNodes(letter, 5);
    if (random.chance(40)) make.setAffinity(letter, 5);
    if (random.chance(50)) make.populate(letter);
  });
};

const disjoint: Kind = (make, random) => {
  const letter = make.create({ vcpus: random.between(1, 3) });
  times(random.between(3, 7), () => {
    const hard = make.args.cpuSet();
    const all = [...make.facts.cpuToNode.keys()];
    const vcpu = random.below(make.vcpusOf(letter));
    make.push({ op: 'setvcpuaffinity', dom: letter, vcpu, flags: 1, hard: make.args.map(hard, 0), soft: null });
    const soft = all.filter((cpu) => !hard.includes(cpu));
    make.push({ op: 'setvcpuaffinity', dom: letter, vcpu, flags: 2, hard: null, soft: make.args.map(soft, 0) });
    make.getNodes(letter, 0);
    make.getAffinity(letter, 0);
    if (random.chance(60)) make.populate(letter);
  });
};

/** The first extents of fresh domains. */
const first: Kind = (make, random) => {
  times(random.between(3, 5), () => {
    const letter = make.create({ vcpus: random.between(1, 8) });
    if (random.chance(40)) make.setNodes(letter, 0);
    if (random.chance(40)) make.setAffinity(letter, 0);
    times(random.between(1, 3), () => make.populate(letter, { order: random.pick([0, 0, 1, 3]), memFlags: make.args.memFlags(10) }));
    if (random.chance(50)) make.destroy(letter);
  });
};

const alternate: Kind = (make, random) => {
  const letter = make.create();
  make.setNodes(letter, 0);
  times(random.between(5, 9), () => {
    make.populate(letter);
    if (random.chance(30)) make.setNodes(letter, 0);
    if (random.chance(15)) make.setAffinity(letter, 0);
  });
};

const memory: Kind = (make, random) => {
  const letter = make.create();
  times(random.between(5, 10), () => {
    if (random.chance(30)) make.setNodes(letter, 5);
    if (random.chance(25)) make.maxMem(letter);
    make.populate(letter, {
      memFlags: random.chance(10) ? random.pick([16384, 1 << 16, 1 << 18, 13, 25, 31, 33, 0xff00, 131072]) : make.args.memFlags(45),
    });
    if (random.chance(30)) make.info(letter);
    if (random.chance(15)) make.numaInfo();
  });
};

const novcpus: Kind = (make, random) => {
  const letter = make.create({ complete: false, pv: random.chance(70) });
  times(random.between(3, 8), () =>
    random.pick<() => void>([
      () => make.getNodes(letter, 5),
      () => make.setNodes(letter, 5),
      () => make.getAffinity(letter, 5),
      () => make.setAffinity(letter, 5),
      () => make.info(letter),
      () => make.maxMem(letter),
      () => make.simple('unpausedomain', letter),
    ])(),
  );
  make.push({ op: 'max_vcpus', dom: letter, max: random.between(1, 4) });
  make.push({ op: 'max_vcpus', dom: letter, max: make.vcpusOf(letter) });
  make.push({ op: 'max_mem', dom: letter, max_memkb: 4194304 });
  make.getNodes(letter, 0);
  if (make.domains[0]!.pv) make.populate(letter);
  make.info(letter);
};

const pool: Kind = (make, random) => {
  const letter = make.create();
  if (random.chance(50)) make.create();
  times(random.between(1, 4), () => make.setAffinity(letter, 0));
  make.createPool();
  make.handCpus(make.pool(), random.shuffled(make.movableCpus).slice(0, random.between(1, Math.max(1, make.movableCpus.length - 1))));
  times(random.between(6, 14), () => poolStep(make, random));
};

function poolStep(make: Generator, random: Random): void {
  random.weighted<() => void>([
    [() => make.moveDomain(), 18],
    [() => make.setAffinity(), 16],
    [() => make.getNodes(), 14],
    [() => make.getAffinity(), 12],
    [() => make.removeCpu(), 10],
    [() => make.addCpu(), 10],
    [() => make.poolInfo(), 6],
    [() => make.populate(), 6],
    [() => make.createPool(), 3],
    [() => make.destroyPool(), 3],
    [() => make.create({ pool: make.pool() }), 3],
    [() => make.setNodes(), 4],
    [() => make.info(), 4],
    [() => make.destroy(), 1],
  ])();
}

const poolerr: Kind = (make, random) => {
  make.create();
  times(random.between(10, 20), () => {
    random.pick<() => void>([
      () => make.createPool(),
      () => make.destroyPool(random.pick([0, 1, 2, 77])),
      () => make.addCpu(random.pick([0, 1, 2, 77])),
      () => make.removeCpu(random.pick([0, 1, 2, 77])),
      () => make.removeCpu(0, 0),
      () => make.moveDomain(random.pick(['absent', 'self', 'dom0', 'A']), random.pick([0, 1, 2, 77])),
      () => make.poolInfo(35),
      () => make.create({ pool: random.pick([0, 1, 2, 9]) }),
    ])();
    if (random.chance(15)) {
      const at = make.steps.length - 1;
      make.steps[at] = { ...make.steps[at]!, version: random.pick([0, 20, 22]) };
    }
  });
};

const hotplug: Kind = (make, random) => {
  const letter = make.create();
  times(random.between(1, 3), () => make.setAffinity(letter, 0));
  times(random.between(3, 6), () => {
    make.hotplug(random.chance(65) ? 'cpu_offline' : 'cpu_online');
    make.getNodes(letter, 0);
    make.getAffinity(letter, 0);
    if (random.chance(50)) make.setAffinity(letter, 5);
    if (random.chance(20)) make.poolInfo();
    if (random.chance(20)) make.populate(letter);
    if (random.chance(25)) make.create({ vcpus: random.between(1, 4) });
  });
};

/** The CPUs of a hard mask leave the pool one by one. */
const maskgone: Kind = (make, random) => {
  const letter = make.create({ vcpus: random.between(1, 3) });
  const hard = random.shuffled(make.movableCpus).slice(0, random.between(1, 3));
  const vcpu = random.below(make.vcpusOf(letter));
  make.push({
    op: 'setvcpuaffinity',
    dom: letter,
    vcpu,
    flags: 3,
    hard: make.args.map(hard, 0),
    soft: make.args.map(make.args.cpuSet(), 0),
  });
  if (random.chance(30)) make.setNodes(letter, 0);
  for (const cpu of hard) {
    make.removeCpu(0, cpu);
    make.getAffinity(letter, 0);
    make.getNodes(letter, 0);
  }
  if (random.chance(50)) make.populate(letter);
  for (const cpu of hard) if (random.chance(70)) make.addCpu(0, cpu);
  make.getAffinity(letter, 0);
  make.getNodes(letter, 0);
  make.setAffinity(letter, 0);
  make.getNodes(letter, 0);
};

const softreset: Kind = (make, random) => {
  const letter = make.create({ pv: random.chance(50) });
  times(random.between(1, 4), () => make.setAffinity(letter, 0));
  if (random.chance(40)) make.setNodes(letter, 0);
  times(random.between(2, 5), () =>
    random.pick<() => void>([
      () => make.simple('soft_reset', letter),
      () => make.shutdown(letter),
      () => make.simple('pausedomain', letter),
      () => make.simple('resumedomain', letter),
      () => make.info(letter),
    ])(),
  );
  make.getAffinity(letter, 0);
  make.getNodes(letter, 0);
  if (make.domains[0]!.pv) make.populate(letter);
  make.info(letter);
};

const pause: Kind = (make, random) => {
  const letter = make.create();
  times(random.between(6, 12), () => {
    make.simple(random.pick(['pausedomain', 'unpausedomain', 'unpausedomain'] as const), letter);
    if (random.chance(50)) make.info(letter);
    if (random.chance(15)) make.populate(letter);
    if (random.chance(15)) make.setAffinity(letter, 5);
  });
  if (random.chance(70)) return;
  // Xen counts pauses in a byte.
  make.push({ op: 'pausedomain', dom: letter, repeat: random.between(240, 300) });
  make.info(letter);
  make.push({ op: 'unpausedomain', dom: letter, repeat: random.between(240, 300) });
  make.info(letter);
};

const claims: Kind = (make, random) => {
  make.create({ pv: true });
  make.create({ pv: true });
  times(random.between(6, 12), () => {
    make.claim();
    if (random.chance(50)) make.info();
    if (random.chance(40)) make.populate();
    if (random.chance(12)) make.maxMem();
    if (random.chance(8)) make.claim('absent');
  });
  if (random.chance(40)) make.destroy();
  make.numaInfo();
};

/** The nodes of extents when a node, or every node, has no 2 MiB blocks. */
const fill: Kind = (make, random) => {
  const taker = make.create({ pv: true, maxKib: 2 ** 30 });
  const nodes = random.shuffled(Array.from({ length: make.facts.nodes }, (_, node) => node)).slice(0, random.between(1, make.facts.nodes));
  for (const node of nodes) {
    make.push({
      op: 'populate_physmap',
      dom: taker,
      extents: random.pick([8, 14, 80]),
      order: 9,
      mem_flags: ((node + 1) << 8) | (1 << 17),
    });
  }
  make.numaInfo();
  const letter = make.create({ pv: true, maxKib: 2 ** 30 });
  make.setNodes(letter, 0);
  times(random.between(3, 7), () => make.populate(letter, { order: random.pick([0, 9, 9, 1, 5]), memFlags: make.args.memFlags(25) }));
  make.info(letter);
  make.numaInfo();
};

/** The stored masks and the caller's buffers when half of a call fails. */
const rollback: Kind = (make, random) => {
  const letter = make.create({ vcpus: random.between(1, 3) });
  times(random.between(3, 6), () => {
    const vcpu = random.below(make.vcpusOf(letter));
    const hard = random.chance(80) ? make.args.map(make.args.cpuSet(), 20) : { bad: true, nr_bits: 64 };
    const soft = random.chance(65)
      ? random.pick([{ bad: true, nr_bits: 64 }, { bad: true, nr_bits: 0 }, { null: true, nr_bits: 64 }, null])
      : make.args.map(make.args.cpuSet(), 10);
    make.push({ op: 'setvcpuaffinity', dom: letter, vcpu, flags: random.pick([3, 3, 3, 7, 11]), hard, soft });
    make.getAffinity(letter, 0);
    make.getNodes(letter, 0);
  });
};

const dom0: Kind = (make, random) => {
  make.getAffinity('dom0', 0);
  times(random.between(2, 5), () => {
    // Never without a CPU of node 0, where Domain-0 has to go on running.
    const cpus = [...new Set([...make.args.cpusOfNodes([0]), ...make.args.cpuSet().filter((cpu) => cpu < make.args.cpus)])];
    const flags = random.pick([1, 2, 3]);
    const map = () => make.args.map(random.chance(50) ? cpus : make.args.cpusOfNodes([0]), 0);
    make.push({
      op: 'setvcpuaffinity',
      dom: 'dom0',
      vcpu: 0,
      flags,
      hard: (flags & 1) === 0 ? null : map(),
      soft: (flags & 2) === 0 ? null : map(),
    });
    if (random.chance(40)) make.setNodes('dom0', 20);
    make.getNodes('dom0', 5);
    make.getAffinity('dom0', 5);
  });
  make.info('dom0');
};

const errors: Kind = (make, random) => {
  make.create();
  if (random.chance(50)) {
    make.create();
    make.destroy();
  }
  times(random.between(10, 20), () => make.error());
  make.info();
  make.getNodes();
};

const mix: Kind = (make, random) => {
  make.create();
  times(random.between(20, 36), () =>
    random.weighted<() => void>([
      [() => make.setAffinity(), 20],
      [() => make.getNodes(), 14],
      [() => make.populate(), 14],
      [() => make.getAffinity(), 10],
      [() => make.setNodes(), 8],
      [() => make.info(), 6],
      [() => make.create(), 4],
      [() => make.maxMem(), 3],
      [() => make.claim(), 3],
      [() => make.simple(random.pick(['pausedomain', 'unpausedomain'] as const)), 3],
      [() => make.numaInfo(), 2],
      [() => make.destroy(), 2],
      [() => make.error(), 3],
      [() => make.shutdown(), 1],
      [() => make.simple('soft_reset'), 1],
    ])(),
  );
};

/** [kind, weight]. */
export const KINDS: ReadonlyMap<string, readonly [Kind, number]> = new Map(
  Object.entries({
    affinity: [affinity, 14],
    union: [union, 10],
    manual: [manual, 10],
    disjoint: [disjoint, 7],
    first: [first, 6],
    alternate: [alternate, 7],
    memory: [memory, 10],
    novcpus: [novcpus, 5],
    pool: [pool, 10],
    poolerr: [poolerr, 4],
    hotplug: [hotplug, 2],
    maskgone: [maskgone, 5],
    softreset: [softreset, 5],
    pause: [pause, 3],
    claims: [claims, 5],
    fill: [fill, 3],
    rollback: [rollback, 4],
    dom0: [dom0, 2],
    errors: [errors, 6],
    mix: [mix, 14],
    ...MEMORY_KINDS,
  } satisfies Record<string, readonly [Kind, number]>),
);

/**
 * Kinds that move CPUs between pools or take them away: Xen 4.17's credit scheduler can panic after
 * that.
 */
export const MOVING_KINDS: ReadonlySet<string> = new Set(['pool', 'pools', 'manypools', 'poolerr', 'hotplug', 'maskgone']);
