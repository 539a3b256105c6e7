// The hosts of a fleet: one description for all of them, or a machine of two sockets in a few
// numbers.
import { type Command, InvalidArgumentError } from 'commander';
import { InputError } from '../../base/errors.js';
import { formatBytes, MIB, PAGE_BYTES, parseSizeBytes, SIZE_FORM } from '../../base/units.js';
import { type Host, LIMITS } from '../../machine/model.js';
import { readHost } from './open-host.js';

export interface FleetHostOptions {
  readonly host?: readonly string[];
  readonly nodes?: number;
  readonly cores: number;
  readonly threads: number;
  readonly memory: number;
}

/** Distances of the machine in numbers: another node of the socket, and the other socket. */
const SOCKET_DISTANCE = 12;
const OTHER_SOCKET_DISTANCE = 21;
const OWN_DISTANCE = 10;
const NUMBERS = ['nodes', 'cores', 'threads', 'memory'] as const;

export function addFleetHostOptions(command: Command): Command {
  return command
    .option('--host <file...>', 'description of each host, as for plan')
    .option('--nodes <number>', 'in place of --host: NUMA nodes of each host, over two sockets', wholeFrom(1, LIMITS.nodes))
    .option('--cores <number>', 'with --nodes: cores of each host', wholeFrom(1, LIMITS.pcpus), 64)
    .option('--threads <number>', 'with --nodes: threads of each core', wholeFrom(1, 8), 2)
    .option('--memory <size>', 'with --nodes: memory for guests of each host', sizeOption, 384 * 2 ** 30);
}

export function wholeFrom(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

function sizeOption(text: string): number {
  const bytes = /[A-Za-z]$/.test(text) ? parseSizeBytes(text) : undefined;
  if (bytes === undefined || bytes < MIB) throw new InvalidArgumentError(`expected ${SIZE_FORM}`);
  return bytes;
}

/** @throws InputError when there is no host, or two */
export function fleetHost(options: FleetHostOptions, command: Command): Host {
  if (options.host === undefined) {
    if (options.nodes === undefined) throw new InputError('expected a host, got none', {}, 'give --host FILE, or --nodes N');
    return machineOf({ ...options, nodes: options.nodes });
  }
  const numberOption = NUMBERS.find((name) => command.getOptionValueSource(name) === 'cli');
  if (numberOption !== undefined) throw new InputError(`expected --host or --${numberOption}, got both`, {}, 'leave one of them out');
  return readHost(options.host);
}

/** Equal nodes, half of them on each of two sockets; all of the memory is free for guests. */
function machineOf({ nodes, cores, threads, memory }: FleetHostOptions & { readonly nodes: number }): Host {
  const cpus = cores * threads;
  if (cores % nodes !== 0) {
    throw new InputError(`${cores} cores cannot be divided by ${nodes} nodes`, {}, 'choose --cores as a multiple of --nodes');
  }
  if (cpus > LIMITS.pcpus) throw new InputError(`${cores} cores of ${threads} threads are ${cpus} CPUs`, {}, `at most ${LIMITS.pcpus}`);
  const bytes = Math.floor(memory / nodes / PAGE_BYTES) * PAGE_BYTES;
  const socketOf = (node: number) => Math.floor((2 * node) / nodes);
  const distance = (a: number, b: number) => (socketOf(a) === socketOf(b) ? SOCKET_DISTANCE : OTHER_SOCKET_DISTANCE);
  const every = [...Array(nodes).keys()];
  return {
    name: `${nodes} node${nodes === 1 ? '' : 's'}, ${cores} cores, ${formatBytes(memory)}`,
    source: 'options',
    nodes: every.map((id) => ({ id, memoryBytes: bytes, freeBytes: bytes })),
    cpus: Array.from({ length: cpus }, (_, id) => {
      const core = Math.floor(id / threads);
      const node = Math.floor(core / (cores / nodes));
      return { id, node, core, socket: socketOf(node) };
    }),
    distances: every.map((a) => every.map((b) => (a === b ? OWN_DISTANCE : distance(a, b)))),
    notes: [],
  };
}
