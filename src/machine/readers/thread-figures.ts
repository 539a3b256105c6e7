// Cores and sockets of CPUs from counts alone: `Thread(s) per core` of lscpu, `threads_per_core` of
// `xl info`. Those do not say which CPUs share a core; the numbers of CPUs of a node do.
import type { DraftCpu } from './assemble.js';

export interface ThreadFigures {
  readonly threadsPerCore: number;
  readonly coresPerSocket: number;
  readonly sockets: number;
}

/**
 * The CPUs with cores and sockets; null where the counts do not fit the CPUs. Linux numbers the
 * first threads of all cores and then the second ones, so that a node has as many runs of numbers
 * as a core has threads. Xen numbers the threads of a core side by side, in one run.
 */
export function withCores(cpus: readonly DraftCpu[], { threadsPerCore, coresPerSocket, sockets }: ThreadFigures): DraftCpu[] | null {
  const nodes = [...new Set(cpus.map(({ nodeId }) => nodeId))].sort((a, b) => a - b);
  if (threadsPerCore * coresPerSocket * sockets !== cpus.length || nodes.length % sockets !== 0) return null;
  const nextCore = new Array<number>(sockets).fill(0);
  const found: DraftCpu[] = [];
  for (const [at, nodeId] of nodes.entries()) {
    const socket = Math.floor(at / (nodes.length / sockets));
    const own = cpus.filter((cpu) => cpu.nodeId === nodeId).sort((a, b) => a.id - b.id);
    const cores = own.length / threadsPerCore;
    const runs = own.filter(({ id }, index) => index === 0 || own[index - 1]!.id + 1 !== id).length;
    if (!Number.isInteger(cores) || (threadsPerCore > 1 && runs !== 1 && runs !== threadsPerCore)) return null;
    const first = nextCore[socket]!;
    for (const [index, cpu] of own.entries()) {
      const core = first + (runs === 1 ? Math.floor(index / threadsPerCore) : index % cores);
      found.push({ ...cpu, core, socket });
    }
    nextCore[socket] = first + cores;
  }
  return nextCore.every((cores) => cores === coresPerSocket) ? found : null;
}

/** A sentence for the user. */
export function coresNote(source: string, { threadsPerCore }: ThreadFigures): string {
  const which = threadsPerCore === 1 ? 'sockets are' : 'the CPUs that share a core are';
  return `Cores and sockets are from the counts of ${source}; ${which} inferred from the numbers of the CPUs.`;
}
