// The check of every reader's result: a machine that can exist, within the limits of this project.
import { formatList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { type Host, LIMITS, UNREACHABLE } from '../model.js';

/**
 * Highest CPU number: Xen's own bound is NR_CPUS; numbers may be sparse, so it is above
 * LIMITS.pcpus.
 */
export const MAX_CPU_ID = 65_535;
/** Highest node number that a source may use (Linux: MAX_NUMNODES is at most 1024). */
export const MAX_NODE_ID = 65_535;

/**
 * Refuses machines that cannot exist, and those past LIMITS. Distances must be as Xen keeps a SLIT
 * (xen/arch/x86/srat.c slit_valid): square, 10 on the diagonal, more than 10 elsewhere; UNREACHABLE
 * is allowed.
 * @returns the host itself
 * @throws InputError with `place` (the file, and the line if the reader knows it)
 */
export function checkHost(host: Host, place: { readonly file?: string; readonly line?: number } = {}): Host {
  const refuse = (message: string, mend: string): never => {
    throw new InputError(message, place, mend);
  };
  const count = host.nodes.length;
  if (count === 0) refuse('expected at least one NUMA node, got none', 'describe the nodes; a machine without NUMA has one');
  if (count > LIMITS.nodes) refuse(`expected at most ${LIMITS.nodes} NUMA nodes, got ${count}`, 'Xen supports no more');
  if (host.cpus.length === 0) refuse('expected at least one CPU, got none', 'give a source that lists the CPUs of each node');
  const cpus = host.cpus.length + (host.offlineCpus?.length ?? 0);
  if (cpus > LIMITS.pcpus) refuse(`expected at most ${LIMITS.pcpus} CPUs, got ${cpus}`, 'describe a smaller machine');
  checkNodes(host, refuse);
  checkCpus(host, refuse);
  checkDistances(host, refuse);
  return host;
}

type Refuse = (message: string, mend: string) => never;

function checkNodes(host: Host, refuse: Refuse): void {
  const ids = new Set<number>();
  for (const node of host.nodes) {
    if (!Number.isInteger(node.id) || node.id < 0 || node.id > MAX_NODE_ID) {
      refuse(`expected node numbers from 0 to ${MAX_NODE_ID}, got ${node.id}`, 'number the nodes from 0');
    }
    if (ids.has(node.id)) refuse(`node ${node.id} is given twice`, 'give each node its own number');
    ids.add(node.id);
    if (!Number.isSafeInteger(node.memoryBytes) || node.memoryBytes < 0) {
      refuse(`node ${node.id}: expected a size in whole bytes, got ${node.memoryBytes}`, 'give the memory of the node');
    }
    if (!Number.isSafeInteger(node.freeBytes) || node.freeBytes < 0 || node.freeBytes > node.memoryBytes) {
      refuse(
        `node ${node.id}: the used or free memory exceeds the total (${node.freeBytes} bytes free of ${node.memoryBytes})`,
        'free memory must be between 0 and the memory of the node',
      );
    }
  }
}

function checkCpus(host: Host, refuse: Refuse): void {
  const ids = new Set<number>();
  for (const cpus of [host.cpus, host.offlineCpus ?? []]) checkSomeCpus(host, cpus, ids, refuse);
}

function checkSomeCpus(host: Host, cpus: Host['cpus'], ids: Set<number>, refuse: Refuse): void {
  let last = -1;
  for (const cpu of cpus) {
    if (!Number.isInteger(cpu.id) || cpu.id < 0 || cpu.id > MAX_CPU_ID) {
      refuse(`expected CPU numbers from 0 to ${MAX_CPU_ID}, got ${cpu.id}`, 'number the CPUs from 0');
    }
    if (ids.has(cpu.id)) refuse(`CPU ${cpu.id} is given twice`, 'a CPU belongs to one node; name it once');
    ids.add(cpu.id);
    if (cpu.id < last) refuse(`CPU ${cpu.id} comes after CPU ${last}`, 'list the CPUs in ascending order');
    last = cpu.id;
    if (!Number.isInteger(cpu.node) || cpu.node < 0 || cpu.node >= host.nodes.length) {
      refuse(`CPU ${cpu.id} is on a node that does not exist`, `the nodes are ${formatList(host.nodes.map((node) => node.id))}`);
    }
  }
}

function checkDistances(host: Host, refuse: Refuse): void {
  const count = host.nodes.length;
  if (host.distances.length !== count) {
    refuse(`expected ${count} rows of distances, one a node, got ${host.distances.length}`, 'the matrix must be square');
  }
  host.distances.forEach((row, from) => {
    const name = host.nodes[from]!.id;
    if (row.length !== count) {
      refuse(`expected ${count} distances from node ${name}, got ${row.length}`, 'the matrix must be square');
    }
    row.forEach((distance, to) => {
      if (from === to ? distance === 10 : distance === UNREACHABLE || (Number.isInteger(distance) && distance > 10 && distance < 255))
        return;
      const wanted = from === to ? '10' : 'a number from 11 to 254, or unreachable';
      refuse(
        `expected the distance from node ${name} to node ${host.nodes[to]!.id} to be ${wanted}, got ${distance}`,
        'see the SLIT of the machine',
      );
    });
  });
}
