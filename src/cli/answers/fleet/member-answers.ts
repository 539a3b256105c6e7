// Answers of members, checked field by field, because other machines wrote them. null = not a valid
// answer.
import type { FleetClient } from '../../../fleet/place/fleet-client.js';

export interface AskedVm {
  readonly name: string;
  readonly domid: number;
  readonly vcpus: number;
  readonly memoryMib: readonly number[];
}

export interface DriftedVm extends AskedVm {
  readonly remoteMib: number;
  readonly memoryNodes: readonly number[];
  readonly vcpuNodes: readonly number[];
}

export interface ExplainedVm extends DriftedVm {
  readonly onOneNode: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** VMs of a host in one answer. */
const MOST_VMS = 65_536;
const MOST_NODES = 64;
const MOST_TEXT = 256;
/** Names in one question. */
const TOGETHER = 1000;

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= MOST_TEXT;
const isWholes = (value: unknown): value is number[] => Array.isArray(value) && value.length <= MOST_NODES && value.every(whole);

function askedVm(value: unknown): AskedVm | null {
  const { name, domid, vcpus, memoryMib } = fieldsOf(value);
  return isText(name) && whole(domid) && whole(vcpus) && isWholes(memoryMib) ? { name, domid, vcpus, memoryMib } : null;
}

function driftedVm(value: unknown): DriftedVm | null {
  const vm = askedVm(value);
  const { remoteMib, memoryNodes, vcpuNodes } = fieldsOf(value);
  if (vm === null || !whole(remoteMib) || !isWholes(memoryNodes) || !isWholes(vcpuNodes)) return null;
  return { ...vm, remoteMib, memoryNodes, vcpuNodes };
}

function listOf<T>(value: unknown, read: (one: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > MOST_VMS) return null;
  const known = value.map(read);
  return known.every((one) => one !== null) ? (known as T[]) : null;
}

/** The VMs of an answer to `drain`. */
export const askedVmsOf = (answer: unknown): AskedVm[] | null => listOf(fieldsOf(answer).vms, askedVm);

/** The VMs of an answer to `verify`. */
export const driftedVmsOf = (answer: unknown): DriftedVm[] | null => listOf(fieldsOf(answer).vms, driftedVm);

/** Counts of a plan to rebalance a host; a worker may have made it. */
export function movePlanOf(answer: unknown): { readonly free: number; readonly migrations: number } | null {
  const { free, migrations } = fieldsOf(answer);
  return whole(free) && whole(migrations) ? { free, migrations } : null;
}

/** The VM of an answer to `vm`. */
export function explainedVmOf(answer: unknown): ExplainedVm | null {
  const { vm } = fieldsOf(answer);
  const read = driftedVm(vm);
  const { onOneNode } = fieldsOf(vm);
  return read === null || typeof onOneNode !== 'boolean' ? null : { ...read, onOneNode };
}

/** Which of the names are taken, and where; and the hosts that did not say. */
export async function existingNames(
  client: FleetClient,
  names: readonly string[],
): Promise<{ taken: { vm: string; host: string }[]; silent: string[] }> {
  const taken: { vm: string; host: string }[] = [];
  const wanted = new Set(names);
  const silent = new Set<string>();
  for (let at = 0; at < names.length; at += TOGETHER) {
    const answers = await client.askAll({ ask: 'names', names: names.slice(at, at + TOGETHER) }, [...client.picture.hosts.keys()]);
    for (const host of client.picture.hosts.keys()) {
      const found = listOf(fieldsOf(answers.get(host)).found, (one) => (isText(one) ? one : null));
      if (found === null) silent.add(host);
      for (const vm of found ?? []) if (wanted.has(vm)) taken.push({ vm, host });
    }
  }
  return { taken, silent: [...silent] };
}
