// A batch of VMs planned as one. The host rules look at one VM at a time: small VMs that come first
// leave no node for a large one. So a batch is tried on a copy of the hosts in the order of its
// files and with the largest VMs first, and started in the better order, which is never worse than
// the order of the files on the hosts as they are known.
import type { Parts } from '../protocol/entries.js';
import { type Choice, FleetChooser, type FleetRule, type RoomOfHost } from './chooser.js';

/** What the plan of a batch needs of a VM. */
export interface StormVm {
  readonly vcpus: number;
  readonly mib: number;
  /** VMs of one group go to different hosts. */
  readonly apart?: string;
}

interface Tried {
  readonly order: readonly number[];
  readonly placed: number;
  readonly onOneNode: number;
}

/**
 * @param rooms hosts that take VMs; they are not changed
 * @param allowed hosts that the batch may go to
 * @returns indices of `vms` in the order of their starts
 */
export function stormOrder(
  vms: readonly StormVm[],
  rule: FleetRule,
  rooms: ReadonlyMap<string, RoomOfHost>,
  allowed: (host: string) => boolean = () => true,
): readonly number[] {
  const asGiven = [...vms.keys()];
  if (vms.length < 2) return asGiven;
  const largestFirst = [...asGiven].sort((a, b) => vms[b]!.mib - vms[a]!.mib || vms[b]!.vcpus - vms[a]!.vcpus || a - b);
  if (largestFirst.every((vm, at) => vm === at)) return asGiven;
  const [given, largest] = [asGiven, largestFirst].map((order) => tried(order, vms, rule, rooms, allowed));
  const gain = largest!.placed - given!.placed || largest!.onOneNode - given!.onOneNode;
  return (gain > 0 ? largest! : given!).order;
}

function tried(
  order: readonly number[],
  vms: readonly StormVm[],
  rule: FleetRule,
  rooms: ReadonlyMap<string, RoomOfHost>,
  allowed: (host: string) => boolean,
): Tried {
  const chooser = new FleetChooser(rule, rooms);
  const now = new Map(rooms);
  const groups = new Map<string, Set<string>>();
  let placed = 0;
  let onOneNode = 0;
  for (const at of order) {
    const { vcpus, mib, apart } = vms[at]!;
    const taken = apart === undefined ? undefined : groups.get(apart);
    const choice: Choice | null = chooser.choose(vcpus, mib, (host) => allowed(host) && taken?.has(host) !== true);
    if (choice === null) continue;
    placed++;
    if (choice.parts.length === 1) onOneNode++;
    const room = roomAfter(now.get(choice.host)!, choice.parts, vcpus);
    now.set(choice.host, room);
    chooser.changed(choice.host, room);
    if (apart !== undefined) groups.set(apart, (taken ?? new Set()).add(choice.host));
  }
  return { order, placed, onOneNode };
}

/** Room that is left beside a VM: its vCPUs run on its nodes in the proportion of its memory. */
export function roomAfter(room: RoomOfHost, parts: Parts, vcpus: number): RoomOfHost {
  const after = { freeMib: [...room.freeMib], vcpus: [...room.vcpus], cores: room.cores };
  for (const [node, mib] of parts) after.freeMib[node] = (after.freeMib[node] ?? 0) - mib;
  addVcpus(after.vcpus, parts, vcpus);
  return after;
}

/** Adds those of a VM to the vCPUs by node. */
export function addVcpus(vcpus: number[], parts: Parts, count: number): void {
  const sum = parts.reduce((whole, [, mib]) => whole + mib, 0);
  for (const [node, mib] of parts) vcpus[node] = (vcpus[node] ?? 0) + (count * mib) / sum;
}
