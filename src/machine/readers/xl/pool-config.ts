// Reader of the config of a CPU pool, xlcpupool.cfg(5), as `xl cpupool-create` reads it
// (tools/xl/xl_cpupool.c of Xen 4.17, main_cpupoolcreate).
import { basename } from 'node:path';
import type { Host, HostPool } from '../../model.js';
import type { InputText } from '../input-text.js';
import { CpuListRefusal, parseCpuList, type XlMachine } from './cpu-list.js';
import { XlSettings } from './settings.js';

const KEYS: ReadonlySet<string> = new Set(['name', 'sched', 'nodes', 'cpus']);
const SCHEDULERS = ['credit', 'credit2'] as const;

/**
 * @param host with Xen's node numbers
 * @throws InputError for settings that xl refuses. CPUs in another pool count as free, because the
 *   caller takes them out of Pool-0 first
 */
export function readPoolConfig(input: InputText, host: Pick<Host, 'cpus' | 'nodes'>): HostPool {
  const settings = new XlSettings(input);
  const unknown = settings.names.find((name) => !KEYS.has(name));
  if (unknown !== undefined) {
    throw settings.refusal(unknown, `expected ${[...KEYS].join(', ')}, got '${unknown}'`, 'see xlcpupool.cfg(5)');
  }
  const sched = settings.text('sched');
  const scheduler = SCHEDULERS.find((one) => one === sched);
  if (sched !== undefined && scheduler === undefined) {
    throw settings.refusal(
      'sched',
      `expected ${SCHEDULERS.join(' or ')}, got '${sched.slice(0, 40)}'`,
      'the model has no other schedulers',
    );
  }
  return {
    name: settings.text('name') ?? basename(input.file),
    cpus: cpusOf(settings, host),
    ...(scheduler === undefined ? {} : { scheduler }),
  };
}

/** `nodes`, a list, wins over `cpus`; without both the pool is empty. */
function cpusOf(settings: XlSettings, { cpus, nodes: hostNodes }: Pick<Host, 'cpus' | 'nodes'>): number[] {
  const nodes = settings.list('nodes')?.map(toInt);
  if (nodes !== undefined) {
    const found = cpus.flatMap(({ id, node }) => (nodes.includes(node) ? [id] : []));
    if (found.length > 0) return found;
    throw settings.refusal(
      'nodes',
      'no free cpu found',
      `the nodes with CPUs are ${[...new Set(cpus.map(({ node }) => node))].join(', ')}`,
    );
  }
  const list = settings.list('cpus')?.map(toInt);
  const text = list === undefined ? settings.text('cpus') : undefined;
  const present = new Set(cpus.map(({ id }) => id));
  const machine: XlMachine = {
    maxCpus: (cpus.at(-1)?.id ?? -1) + 1,
    onlineCpus: cpus.length,
    nodes: hostNodes.length,
    cpusOfNode: (number) => cpus.flatMap(({ id, node }) => (node === number ? [id] : [])),
  };
  try {
    const wanted = list ?? (text === undefined ? [] : parseCpuList(text, machine));
    const absent = wanted.find((cpu) => !present.has(cpu));
    if (absent !== undefined) throw new CpuListRefusal(`cpu ${absent} illegal or not free`);
    return [...new Set(wanted)].sort((a, b) => a - b);
  } catch (error) {
    if (error instanceof CpuListRefusal) throw settings.refusal('cpus', error.message, 'name CPUs of the host: cpus = "4-7" or ["4", "5"]');
    throw error;
  }
}

/** C's atoi: the number at the start, else 0. A list in a list is none of xl's. */
function toInt(item: unknown): number {
  return Number(/^\s*[+-]?\d{1,9}/.exec(String(item))?.[0] ?? 0);
}
