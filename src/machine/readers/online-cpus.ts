// Finds the online CPUs of a table when Xen counts fewer than it lists: with smt=off, maxcpus= and
// CPUs taken offline the rest is parked, and the table still has them (xen/common/sysctl.c,
// XEN_SYSCTL_cputopoinfo; xen/arch/x86/cpu/common.c, park_offline_cpus).
import { formatList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { parseCount, parseRanges } from '../../base/lists.js';
import type { HostPool } from '../model.js';
import { FIRST_POOL } from '../pools.js';
import type { DraftCpu } from './assemble.js';
import { MAX_CPU_ID } from './check.js';
import { type InputText, linesOf } from './input-text.js';

const TAKE_AGAIN = 'take the listing again';

/** Information about the CPUs from other listings of the same host. */
export interface OnlineEvidence {
  /** All online CPUs: those of the CPU pools, or of debug key 'u'. */
  readonly online?: ReadonlySet<number>;
  /** CPUs on which a vCPU was seen: a subset of the online ones. */
  readonly seen?: ReadonlySet<number>;
}

export interface OnlineCpus {
  readonly cpus: readonly DraftCpu[];
  /** The others of the table. */
  readonly offline: readonly DraftCpu[];
  /** A sentence for the user; undefined if all CPUs of the table are online. */
  readonly note?: string;
}

/** @param count online CPUs by Xen's count, at most as many as the table has */
export function onlineCpus(table: readonly DraftCpu[], count: number, evidence: OnlineEvidence): OnlineCpus {
  const { cpus, why } = chosenCpus(table, count, evidence);
  if (cpus.length === table.length) return { cpus: table, offline: [] };
  const there = new Set(cpus.map(({ id }) => id));
  const offline = table.filter(({ id }) => !there.has(id));
  const list = formatList(offline.map(({ id }) => id));
  const note = `Xen has ${cpus.length} CPUs online of ${table.length} that it lists; CPUs ${list} count as offline (${why}).`;
  return { cpus, offline, note };
}

function chosenCpus(
  table: readonly DraftCpu[],
  count: number,
  { online, seen: ran = new Set() }: OnlineEvidence,
): { readonly cpus: readonly DraftCpu[]; readonly why: string } {
  // CPU 0 cannot go offline (xen/common/cpu.c, cpu_down).
  const seen = new Set([0, ...ran]);
  if (online !== undefined) {
    const there = table.filter(({ id }) => online.has(id));
    if (there.length === count) return { cpus: there, why: 'according to another listing' };
  }
  if (count === table.length) return { cpus: table, why: '' };
  const certain = table.filter(({ id }) => seen.has(id));
  if (certain.length === count) return { cpus: certain, why: 'vCPUs run on all the others' };
  const threads = oneThreadOfEachCore(table, seen);
  if (threads.length === count && certain.every((cpu) => threads.includes(cpu)))
    return { cpus: threads, why: 'a guess: one thread of each core is online, as with smt=off' };
  const others = table.filter(({ id }) => !seen.has(id)).slice(0, count - certain.length);
  const lowest = [...certain, ...others].sort((a, b) => a.id - b.id);
  return { cpus: lowest, why: 'a guess: the lowest numbers are online, as with maxcpus=' };
}

/** `smt=off` in all the forms of a boolean option (xen/common/kernel.c, parse_bool). */
const SMT_OFF = /(?:^|\s)(?:smt=(?:0|no|off|false|disable)|no-smt)(?:\s|$)/;

/**
 * The numbers of the online CPUs of a host without a table of them, which only `xl info -n` prints.
 * max_cpu_id is the highest number that a CPU could have (nr_cpu_ids - 1): parked CPUs and slots
 * for CPUs that are not there count (xen/common/sysctl.c, XEN_SYSCTL_physinfo).
 * @param count nr_cpus
 * @throws InputError where vCPUs run on more CPUs than that
 */
export function countedCpus(
  count: number,
  last: number | undefined,
  { online, seen: ran = new Set(), commandLine }: OnlineEvidence & { readonly commandLine: string },
  file: string,
): { readonly ids: readonly number[]; readonly note?: string } {
  if (count === 0 || count > MAX_CPU_ID)
    throw new InputError(`expected 1 to ${MAX_CPU_ID} CPUs (nr_cpus), got ${count}`, { file }, TAKE_AGAIN);
  const ascending = (ids: Iterable<number>) => [...ids].sort((a, b) => a - b);
  if (online?.size === count) return { ids: ascending(online) };
  const seen = new Set([0, ...ran]);
  if (seen.size > count) {
    throw new InputError(`expected ${count} CPUs (nr_cpus), but vCPUs run on ${seen.size}`, { file }, 'the text mixes two hosts; give one');
  }
  const isSmtOff = SMT_OFF.test(commandLine) && last === 2 * count - 1;
  const guess = Array.from({ length: count }, (_, at) => (isSmtOff ? 2 * at : at));
  const fits = ascending(seen).every((id) => guess.includes(id));
  const others = guess.filter((id) => !seen.has(id)).slice(0, count - seen.size);
  const ids = fits ? guess : ascending([...seen, ...others]);
  if (seen.size === count || (fits && (last === undefined || last === count - 1))) return { ids };
  const why = isSmtOff && fits ? 'one thread of each core, as with smt=off' : 'the lowest numbers';
  return {
    ids,
    note: `Which ${count} CPUs are online is not in the listings: ${formatList(ids)} is a guess (${why}); \`xl info -n\` prints them.`,
  };
}

/**
 * The CPUs between those of a table, which are offline: where Xen does not park them, as on AMD, it
 * forgets their core and keeps their node (xen/arch/x86/smpboot.c, cpu_smpboot_free), and xl
 * prints no row without a core (tools/xl/xl_info.c, output_topologyinfo). Their node is that of
 * the CPUs on both sides; of a single CPU between two nodes, the second thread of a core, that of
 * the CPU before it. Others are left out.
 * @param table in any order
 */
export function unlistedCpus(table: readonly DraftCpu[]): { readonly cpus: readonly DraftCpu[]; readonly note?: string } {
  const sorted = [...table].sort((a, b) => a.id - b.id);
  const cpus = sorted.flatMap((next, at): DraftCpu[] => {
    const before = sorted[at - 1];
    const count = before === undefined ? 0 : next.id - before.id - 1;
    if (before === undefined || count <= 0 || (count > 1 && before.nodeId !== next.nodeId)) return [];
    return Array.from({ length: count }, (_, index) => ({ id: before.id + 1 + index, nodeId: before.nodeId, core: null, socket: null }));
  });
  if (cpus.length === 0) return { cpus };
  const list = formatList(cpus.map(({ id }) => id));
  return {
    cpus,
    note: `xl lists no CPUs ${list}: they count as offline, on the nodes of the CPUs beside them (a guess: Xen keeps their nodes).`,
  };
}

/** For each core the thread that was seen, otherwise the lowest; [] if a core is not known. */
function oneThreadOfEachCore(table: readonly DraftCpu[], seen: ReadonlySet<number>): DraftCpu[] {
  if (table.some(({ core }) => core === null)) return [];
  const chosen = new Map<string, DraftCpu>();
  for (const cpu of table) {
    const key = `${cpu.nodeId}/${cpu.socket}/${cpu.core}`;
    const before = chosen.get(key);
    if (before === undefined || (seen.has(cpu.id) && !seen.has(before.id))) chosen.set(key, cpu);
  }
  return [...chosen.values()].sort((a, b) => a.id - b.id);
}

const POOLS_HEAD = /^Name CPU list$/;
const VCPUS_HEAD = /^Name ID VCPU CPU State Time/;

/** `xl cpupool-list -c` or `xl vcpu-list`. */
export function looksLikeXlTable(text: string): boolean {
  return linesOf(text).some((line) => POOLS_HEAD.test(line.text) || VCPUS_HEAD.test(line.text));
}

interface XlTables {
  /** By name, in the order of the list. */
  readonly pools: ReadonlyMap<string, readonly number[]>;
  readonly seen: ReadonlySet<number>;
}

/** The tables of `xl cpupool-list -c` and `xl vcpu-list` in the texts; other lines are skipped. */
function xlTables(texts: readonly InputText[]): XlTables {
  const pools = new Map<string, readonly number[]>();
  const seen = new Set<number>();
  for (const { text } of texts) {
    let table: 'pools' | 'vcpus' | 'none' = 'none';
    for (const line of linesOf(text)) {
      const pool = table === 'pools' ? /^(.+) ([0-9,-]+)$/.exec(line.text) : null;
      const cpu = table === 'vcpus' ? /^.+ \d+ \d+ (\d+|-) [-rbp]{2,3} [\d.]+ /.exec(line.text)?.[1] : undefined;
      if (POOLS_HEAD.test(line.text)) table = 'pools';
      else if (VCPUS_HEAD.test(line.text)) table = 'vcpus';
      else if (pool !== null) pools.set(pool[1]!, parseRanges(pool[2]!, MAX_CPU_ID + 1) ?? []);
      else if (cpu === undefined) table = 'none';
      else if (cpu !== '-') seen.add(parseCount(cpu, MAX_CPU_ID) ?? 0);
    }
  }
  return { pools, seen };
}

/** Online CPUs according to those tables. */
export function onlineEvidence(texts: readonly InputText[]): OnlineEvidence {
  const { pools, seen } = xlTables(texts);
  const pooled = new Set([...pools.values()].flat());
  return { ...(pooled.size === 0 ? {} : { online: pooled }), seen };
}

/**
 * The CPU pools of `xl cpupool-list -c`, with the CPUs that are online; undefined where all are in
 * Pool-0.
 */
export function listedPools(texts: readonly InputText[], cpus: readonly { readonly id: number }[]): HostPool[] | undefined {
  const { pools } = xlTables(texts);
  if (pools.size === 0 || (pools.size === 1 && pools.has(FIRST_POOL))) return undefined;
  const present = new Set(cpus.map(({ id }) => id));
  return [...pools].map(([name, own]) => ({ name, cpus: own.filter((cpu) => present.has(cpu)) }));
}
