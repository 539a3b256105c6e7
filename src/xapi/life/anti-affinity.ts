// Where the VMs of anti-affinity groups go when their host is emptied (xapi_ha_vm_failover.ml of
// xen-api e2ee48d6: compute_spread_evenly_plan, compute_no_breach_plan). Pure.

export interface Sized {
  readonly ref: string;
  readonly bytes: number;
}

interface GroupedVm extends Sized {
  readonly group: string;
}

/** VMs of a group that run on a host. */
type GroupCount = (group: string, host: string) => number;

interface Candidate {
  readonly ref: string;
  vms: number;
  bytes: number;
}

/** By group; a host that was too small once is left out, since the VMs come in order of size. */
type Candidates = ReadonlyMap<string, Set<Candidate>>;

/** So many hosts must have VMs of a group, or xapi says that its rule is broken. */
const ENOUGH_HOSTS = 2;

function candidatesOf(vms: readonly GroupedVm[], hosts: readonly Sized[], count: GroupCount): Candidates {
  const groups = new Set(vms.map(({ group }) => group));
  const of = (group: string) => new Set(hosts.map(({ ref, bytes }) => ({ ref, bytes, vms: count(group, ref) })));
  return new Map([...groups].map((group) => [group, of(group)]));
}

function bySize(vms: readonly GroupedVm[]): GroupedVm[] {
  return [...vms].sort((a, b) => a.bytes - b.bytes);
}

/** The fewest VMs of the group, the least memory, the smallest reference. */
function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.vms !== b.vms) return a.vms < b.vms;
  if (a.bytes !== b.bytes) return a.bytes < b.bytes;
  return a.ref < b.ref;
}

function select(candidates: Set<Candidate>, bytes: number): Candidate | null {
  while (candidates.size > 0) {
    const first = [...candidates].reduce((best, one) => (isBefore(one, best) ? one : best));
    if (bytes <= first.bytes) return first;
    candidates.delete(first);
  }
  return null;
}

/** The host has less memory for all groups. */
function occupy(all: Candidates, host: string, bytes: number): void {
  for (const candidates of all.values()) for (const one of candidates) if (one.ref === host) one.bytes -= bytes;
}

export interface LeavingVm extends Sized {
  /** null = in no group that is kept apart. */
  readonly group: string | null;
}

/**
 * Groups spread evenly, or else on two hosts at least (compute_anti_aff_evac_plan).
 * @param pack for the VMs that no group binds
 * @returns null where there are no groups, or no such plan for all VMs
 */
export function keptApart(
  vms: readonly LeavingVm[],
  hosts: readonly Sized[],
  count: GroupCount,
  pack: (vms: readonly Sized[], hosts: readonly Sized[]) => Map<string, string>,
): Map<string, string> | null {
  const grouped = vms.flatMap(({ ref, bytes, group }) => (group === null ? [] : [{ ref, bytes, group }]));
  for (const plan of [spreadEvenly, withoutBreach]) {
    const moves = plan(grouped, hosts, count);
    if (moves === null || moves.size === 0) continue;
    const taken = (host: string) => vms.reduce((sum, { ref, bytes }) => sum + (moves.get(ref) === host ? bytes : 0), 0);
    const room = hosts.map(({ ref, bytes }) => ({ ref, bytes: bytes - taken(ref) }));
    const rest = vms.filter(({ ref }) => !moves.has(ref));
    const others = pack(rest, room);
    if (others.size === rest.length) return new Map([...moves, ...others]);
  }
  return null;
}

/** The VMs of each group on as many hosts as there are; null = some VM fits nowhere so. */
function spreadEvenly(vms: readonly GroupedVm[], hosts: readonly Sized[], count: GroupCount): Map<string, string> | null {
  const all = candidatesOf(vms, hosts, count);
  const moves = new Map<string, string>();
  for (const { ref, bytes, group } of bySize(vms)) {
    const host = select(all.get(group)!, bytes);
    if (host === null) return null;
    moves.set(ref, host.ref);
    occupy(all, host.ref, bytes);
    host.vms++;
  }
  return moves;
}

/** The VMs of each group on two hosts at least; the moves of those VMs that this needs. */
function withoutBreach(vms: readonly GroupedVm[], hosts: readonly Sized[], count: GroupCount): Map<string, string> {
  const all = candidatesOf(vms, hosts, count);
  const homes = new Map<string, number>();
  for (const [group, candidates] of all) {
    const taken = [...candidates].filter((one) => one.vms > 0);
    for (const one of taken) candidates.delete(one);
    homes.set(group, taken.length);
  }
  const moves = new Map<string, string>();
  for (const { ref, bytes, group } of bySize(vms)) {
    if (homes.get(group)! >= ENOUGH_HOSTS) continue;
    const host = select(all.get(group)!, bytes);
    if (host === null) continue;
    moves.set(ref, host.ref);
    all.get(group)!.delete(host);
    homes.set(group, homes.get(group)! + 1);
    occupy(all, host.ref, bytes);
  }
  return moves;
}
