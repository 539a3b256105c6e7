// From the contents of a listing (node numbers of the source, some distances, some memory) to a
// Host. All readers share it, so that missing and odd distances are treated alike.
import { InputError } from '../../base/errors.js';
import { type Host, type HostCpu, type HostNode, LIMITS, UNREACHABLE } from '../model.js';
import { checkHost } from './check.js';

/**
 * ACPI's distances when there is no SLIT: Xen's LOCAL_DISTANCE and REMOTE_DISTANCE, and Linux's.
 */
export const LOCAL = 10;
export const REMOTE = 20;
/** SLIT entry for "no path"; Xen shows it as XEN_INVALID_NODE_DIST. */
const SLIT_UNREACHABLE = 255;

export interface DraftNode {
  readonly id: number;
  readonly memoryBytes: number;
  /** Undefined if the source has no figure; then all of it counts as free. */
  readonly freeBytes: number | undefined;
}

export interface DraftCpu {
  readonly id: number;
  /** Number of the source. */
  readonly nodeId: number;
  readonly core: number | null;
  readonly socket: number | null;
}

export interface DraftDistances {
  /** Node numbers of the source, in the order of the rows. */
  readonly ids: readonly number[];
  readonly rows: readonly (readonly number[])[];
}

export interface HostDraft {
  readonly name: string;
  readonly source: string;
  readonly file: string;
  readonly nodes: readonly DraftNode[];
  readonly cpus: readonly DraftCpu[];
  /** Those that are not online. */
  readonly offline?: readonly DraftCpu[];
  readonly distances: DraftDistances | undefined;
  /**
   * The meaning of an impossible matrix: a broken SLIT that Xen would drop ('drop'), or a damaged
   * file ('refuse').
   */
  readonly oddDistances: 'drop' | 'refuse';
  readonly xenVersion?: string;
  readonly notes: readonly string[];
}

/**
 * Orders nodes and CPUs by number, maps node numbers to positions, completes the distances, and
 * checks the result.
 * @throws InputError like checkHost
 */
export function assembleHost(draft: HostDraft): Host {
  const place = { file: draft.file };
  if (draft.nodes.length > LIMITS.nodes) {
    throw new InputError(`expected at most ${LIMITS.nodes} NUMA nodes, got ${draft.nodes.length}`, place, 'Xen supports no more');
  }
  const notes = [...draft.notes];
  const nodes = [...draft.nodes].sort((a, b) => a.id - b.id);
  const position = new Map(nodes.map((node, index) => [node.id, index]));
  if (nodes.length > 0 && nodes.every((node) => node.freeBytes === undefined)) {
    notes.push('The source does not say how much memory is free, so all of it counts as free.');
  }
  const hostNodes: HostNode[] = nodes.map(({ id, memoryBytes, freeBytes }) => ({ id, memoryBytes, freeBytes: freeBytes ?? memoryBytes }));
  const placed = ({ id, nodeId, core, socket }: DraftCpu): HostCpu => {
    const node = position.get(nodeId);
    if (node === undefined) {
      throw new InputError(
        `CPU ${id} is on node ${nodeId}, which is not described`,
        place,
        'add the node, or correct the number of the node',
      );
    }
    return { id, node, core, socket };
  };
  const [cpus, offline] = [draft.cpus, draft.offline ?? []].map((some) => some.map(placed).sort((a, b) => a.id - b.id)) as [
    HostCpu[],
    HostCpu[],
  ];
  const host: Host = {
    name: draft.name,
    source: draft.source,
    nodes: hostNodes,
    cpus,
    ...(offline.length === 0 ? {} : { offlineCpus: offline }),
    distances: completeDistances(draft, nodes, notes),
    ...(draft.xenVersion === undefined ? {} : { xenVersion: draft.xenVersion }),
    notes,
  };
  return checkHost(host, place);
}

/**
 * 10 and 20 without a matrix; a firmware's odd matrix is dropped as Xen drops it
 * (xen/arch/x86/srat.c slit_valid), with a note.
 */
function completeDistances(draft: HostDraft, nodes: readonly DraftNode[], notes: string[]): number[][] {
  const standard = nodes.map((from) => nodes.map((to) => (from.id === to.id ? LOCAL : REMOTE)));
  const listed = draft.distances;
  if (listed === undefined) {
    if (nodes.length > 1)
      notes.push(`The source has no distances; ${LOCAL} and ${REMOTE} are assumed, as in Xen and Linux without a SLIT.`);
    return standard;
  }
  const rowOf = new Map(listed.ids.map((id, index) => [id, index]));
  const missing = nodes.filter((node) => !rowOf.has(node.id)).map((node) => node.id);
  if (missing.length > 0 && draft.oddDistances === 'refuse') {
    throw new InputError(
      `the distances leave out node ${missing.join(', ')}`,
      { file: draft.file },
      'give a row and a column for each node',
    );
  }
  if (missing.length > 0) notes.push(`The source has no distances for node ${missing.join(', ')}; ${REMOTE} is assumed.`);
  const rows = nodes.map((from, i) =>
    nodes.map((to, j) => {
      const row = rowOf.get(from.id);
      const column = rowOf.get(to.id);
      return row === undefined || column === undefined ? standard[i]![j]! : readDistance(listed.rows[row]?.[column]);
    }),
  );
  const odd = rows.some((row, i) => row.some((value, j) => (i === j ? value !== LOCAL : value !== UNREACHABLE && !(value > LOCAL))));
  if (odd && draft.oddDistances === 'drop') {
    notes.push(
      `The distances are not a valid SLIT (10 to itself, more to others); Xen drops such a table, so ${LOCAL} and ${REMOTE} are assumed.`,
    );
    return standard;
  }
  return rows;
}

function readDistance(value: number | undefined): number {
  if (value === undefined) return Number.NaN;
  return value === SLIT_UNREACHABLE || value === -1 ? UNREACHABLE : value;
}

/**
 * A CPU with objects for its socket and its core, compared by identity; null if the source has
 * none.
 */
export interface Thread {
  readonly id: number;
  readonly socket: unknown;
  readonly core: unknown;
}

/**
 * Core and socket numbers in order of appearance, cores counted from 0 within each socket: a
 * source's own numbers may repeat across dies.
 */
export function numberCores(threads: readonly Thread[]): { id: number; core: number | null; socket: number | null }[] {
  const sockets = new Map<unknown, { readonly index: number; readonly cores: Map<unknown, number> }>();
  return threads.map((thread) => {
    const socket = sockets.get(thread.socket) ?? { index: sockets.size, cores: new Map<unknown, number>() };
    sockets.set(thread.socket, socket);
    if (thread.core !== null && !socket.cores.has(thread.core)) socket.cores.set(thread.core, socket.cores.size);
    return {
      id: thread.id,
      core: thread.core === null ? null : socket.cores.get(thread.core)!,
      socket: thread.socket === null ? null : socket.index,
    };
  });
}
