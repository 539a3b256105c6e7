// What the listings of a host lack, and the command that prints it.
import { listNames } from '../../base/phrases.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { ListedDomain, ListedPool, ListedVcpu } from './xl-tables.js';

interface Listed {
  readonly domains: readonly ListedDomain[];
  readonly vcpus: readonly ListedVcpu[];
  readonly memory: ReadonlyMap<number, readonly number[]> | null;
  readonly listedPools: readonly ListedPool[];
  /** On a host of one node, the size of a domain tells where its memory is. */
  readonly nodes: number;
}

export function missing({ domains, vcpus, memory, listedPools, nodes }: Listed): string[] {
  const notes: string[] = [];
  if (domains.length === 0 && vcpus.length === 0) {
    const what = memory === null ? 'The running domains are' : 'The vCPUs of the domains in the dump are';
    notes.push(`${what} not known: run \`xl list -n\` and \`xl vcpu-list\`.`);
  } else if (vcpus.length === 0) notes.push('vCPU affinity is not known, so it is not judged: run `xl vcpu-list`.');
  else notes.push(...withoutVcpus(domains, vcpus));
  if (memory === null && nodes === 1) {
    if (domains.length > 0 || vcpus.length > 0) notes.push('The memory of the domains is not known: run `xl list`.');
  } else if (memory === null) notes.push('Memory by node is not known: run `xl debug-keys u; xl dmesg`.');
  else if (domains.some(({ domid }) => !memory.has(domid))) {
    const names = domains.filter(({ domid }) => !memory.has(domid)).map(({ name }) => name);
    notes.push(`Memory by node of ${names.join(', ')} is not in the dump, or not all of it: run \`xl debug-keys u; xl dmesg\` again.`);
  }
  if (listedPools.length === 0)
    notes.push('CPU pools are not in the listings: all CPUs are assumed to be online and in Pool-0 (`xl cpupool-list -c` prints them).');
  return notes;
}

/** Rows of `xl vcpu-list` that a domain lacks: it has at least as many as online vCPUs. */
export function lostVcpus(vcpus: number, rows: readonly ListedVcpu[]): number {
  const highest = rows.reduce((most, { vcpu }) => Math.max(most, vcpu + 1), vcpus);
  return highest - rows.length;
}

function withoutVcpus(domains: readonly ListedDomain[], vcpus: readonly ListedVcpu[]): string[] {
  const short: string[] = [];
  const absent: string[] = [];
  for (const { domid, name, vcpus: online } of domains) {
    const own = vcpus.filter((row) => row.domid === domid);
    const lost = lostVcpus(online, own);
    if (lost > 0 && own.length === 0) absent.push(name);
    else if (lost > 0) short.push(`${lost} of ${lost + own.length} vCPUs of ${name}`);
  }
  return [
    ...(absent.length === 0 ? [] : [`The affinity of ${listNames(absent)} is not in the table: run \`xl vcpu-list\` for all domains.`]),
    ...(short.length === 0
      ? []
      : [`The affinity of ${short.join(', of ')} is not in the table, which is cut off or damaged: run \`xl vcpu-list\` again.`]),
  ];
}

/** On a host of one node, all memory is there: the total is enough. */
export function memoryOfOneNode(domains: readonly ListedDomain[]): Map<number, readonly number[]> | null {
  const known = domains.filter(({ memoryMib }) => memoryMib > 0);
  return known.length === 0 ? null : new Map(known.map(({ domid, memoryMib }) => [domid, [Math.floor((memoryMib * MIB) / PAGE_BYTES)]]));
}
