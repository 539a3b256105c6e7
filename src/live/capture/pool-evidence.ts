// Does the list of the CPU pools agree with the other listings? A list that was cut off would make
// CPUs offline, and drift of it, that nobody has.
import { formatList } from '../../base/bitset.js';
import { plural } from '../../base/phrases.js';
import type { Listing } from './listings.js';
import type { ListedPool, ListedVcpu } from './xl-tables.js';

/** A note if the listings do not tell the CPUs of each pool, or contradict each other on them. */
export function poolDoubt(listed: readonly ListedPool[], vcpus: readonly ListedVcpu[], info: readonly Listing[]): string | null {
  if (listed.length === 0) return null;
  const counted = listed.every(({ cpus }) => cpus === null);
  if (counted && new Set(listed.map(({ name }) => name)).size > 1)
    return 'The CPUs of the CPU pools are not known, and are not judged: run `xl cpupool-list -c`.';
  const found = counted ? countedByXen(listed[0]!.count ?? 0, info) : poolContradiction(listed, vcpus, info);
  if (found === null) return null;
  return `\`xl cpupool-list${counted ? '' : ' -c'}\` contradicts the other listings: ${found}. It is left out, and CPU pools and offline CPUs are not judged; take it again.`;
}

/**
 * What contradicts the CPUs of the listed pools, as a clause; null where nothing does.
 * @param listed with their CPUs, from `xl cpupool-list -c`, and with their counts, from the same
 *   command without -c
 */
function poolContradiction(listed: readonly ListedPool[], vcpus: readonly ListedVcpu[], info: readonly Listing[]): string | null {
  const pools = listed.flatMap(({ name, cpus, ascending }) => (cpus === null ? [] : [{ name, cpus, ascending }]));
  const counts = new Map(listed.flatMap(({ name, count }) => (count === undefined ? [] : [[name, count] as const])));
  for (const { name, cpus, ascending } of pools) {
    if (!ascending) return `the CPUs of ${name} do not ascend, as xl prints them`;
    const count = counts.get(name);
    if (counts.size > 0 && count === undefined) return `\`xl cpupool-list\` has no pool ${name}`;
    if (count !== undefined && count !== cpus.length)
      return `it has ${plural(cpus.length, 'CPU')} of ${name}, and \`xl cpupool-list\` counts ${count}`;
  }
  for (const name of counts.keys()) if (!pools.some((pool) => pool.name === name)) return `it lacks pool ${name} of \`xl cpupool-list\``;
  const pooled = new Set(pools.flatMap(({ cpus }) => cpus));
  return countedByXen(pooled.size, info) ?? ofVcpus(pools, pooled, vcpus);
}

/** nr_cpus of `xl info` counts the online CPUs, and free_cpus those of them that are in no pool. */
function countedByXen(pooled: number, info: readonly Listing[]): string | null {
  const field = (name: string) => {
    const lines = info.flatMap((listing) => listing.lines);
    const text = lines.findLast((line) => new RegExp(`^${name}\\s*:`).test(line.text))?.text;
    const value = /:\s*(\d{1,6})\s*$/.exec(text ?? '')?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const [online, free] = [field('nr_cpus'), field('free_cpus') ?? 0];
  if (online === undefined || online - free === pooled) return null;
  return `it has ${plural(pooled, 'CPU')}, and \`xl info\` counts ${online} online${free === 0 ? '' : `, ${free} of them in no pool`}`;
}

/** A vCPU runs on a CPU of a pool, and the vCPUs of a domain run in one pool. */
function ofVcpus(pools: readonly { readonly cpus: readonly number[] }[], pooled: ReadonlySet<number>, vcpus: readonly ListedVcpu[]) {
  const ran = vcpus.flatMap(({ domid, name, cpu }) => (cpu === null ? [] : [{ domid, name, cpu }]));
  const elsewhere = [...new Set(ran.filter(({ cpu }) => !pooled.has(cpu)).map(({ cpu }) => cpu))].sort((a, b) => a - b);
  if (elsewhere.length > 0) return `vCPUs run on CPUs that it lacks: ${formatList(elsewhere)}`;
  const homes = new Map<number, number>();
  for (const { domid, name, cpu } of ran) {
    const home = pools.findIndex(({ cpus }) => cpus.includes(cpu));
    if ((homes.get(domid) ?? home) !== home) return `the vCPUs of ${name} run on CPUs of two pools`;
    homes.set(domid, home);
  }
  return null;
}
