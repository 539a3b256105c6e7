// CPU pools of a described host: as written, or one a node as `xl cpupool-numa-split` makes them.
import { formatList } from '../base/bitset.js';
import type { Host, HostPool } from './model.js';

/** The pool in which the boot CPU is, which cannot leave it. */
export const FIRST_POOL = 'Pool-0';

/**
 * The pools by Xen's number: first the one with the host's first CPU, then the others in their
 * order. If no pool has that CPU, Pool-0 has all CPUs that are in no other pool.
 * @param refuse for pools that the host cannot have: position in `pools`, problem, remedy
 */
export function poolsInOrder(
  cpus: Host['cpus'],
  pools: readonly HostPool[],
  refuse: (index: number, message: string, mend: string) => never,
): readonly HostPool[] {
  const present = new Set(cpus.map(({ id }) => id));
  const homes = new Map<number, string>();
  for (const [index, { name, cpus: own }] of pools.entries()) {
    if (pools.findIndex((other) => other.name === name) !== index)
      refuse(index, `pool '${name}' is given twice`, 'give each pool its own name');
    for (const cpu of own) {
      if (!present.has(cpu)) refuse(index, `pool '${name}': the host has no CPU ${cpu}`, `the CPUs are ${formatList([...present])}`);
      if (homes.has(cpu)) refuse(index, `CPU ${cpu} is in pools '${homes.get(cpu)}' and '${name}'`, 'a CPU is in one pool');
      homes.set(cpu, name);
    }
  }
  const boot = cpus[0]?.id ?? 0;
  const first = pools.find((pool) => pool.cpus.includes(boot));
  const others = pools.filter((pool) => pool !== first);
  if (first !== undefined) return [first, ...others];
  const taken = others.findIndex(({ name }) => name === FIRST_POOL);
  if (taken >= 0) refuse(taken, `Pool-0 lacks CPU ${boot}, which cannot leave it`, `add CPU ${boot} to it`);
  return [{ name: FIRST_POOL, cpus: cpus.flatMap(({ id }) => (homes.has(id) ? [] : [id])) }, ...others];
}

/**
 * A pool for each node with CPUs, named Pool-nodeN by Xen's number of the node; the first is Pool-0
 * with another name (tools/xl/xl_cpupool.c of Xen 4.17, main_cpupoolnumasplit).
 * @param host with Xen's node numbers
 */
export function numaSplit({ cpus }: Pick<Host, 'cpus'>): HostPool[] {
  const nodes = [...new Set(cpus.map(({ node }) => node))];
  return nodes.map((node) => ({ name: `Pool-node${node}`, cpus: cpus.flatMap((cpu) => (cpu.node === node ? [cpu.id] : [])) }));
}
