// Reader of our own description of a machine, in YAML or JSON, and the JSON Schema of it.
import * as z from 'zod';
import { parseRanges } from '../../base/lists.js';
import { hasControls } from '../../base/safe-text.js';
import { parseSizeBytes, SIZE_FORM } from '../../base/units.js';
import { type Host, type HostPool, LIMITS, UNREACHABLE } from '../model.js';
import { poolsInOrder } from '../pools.js';
import { assembleHost, type DraftCpu, type DraftNode, numberCores, type Thread } from './assemble.js';
import { MAX_CPU_ID, MAX_NODE_ID } from './check.js';
import type { InputText } from './input-text.js';
import { readStructured, type Structured } from './structured.js';

/** A bare number could mean MiB, as in xl, or bytes. So the unit is required, except for 0. */
export const sizeSchema = z
  .union([z.string(), z.literal(0)], { error: `expected ${SIZE_FORM}` })
  .refine((value) => parseSizeBytes(value) !== undefined && (Number(value) === 0 || /[A-Za-z]/.test(String(value))), {
    message: `expected ${SIZE_FORM}`,
  })
  .describe('A size with its unit: "64GiB", "512MiB", "4096B"; or 0');

const cpuId = z.int().min(0).max(MAX_CPU_ID);
const cpuList = z.union([z.string(), z.int().min(0).max(MAX_CPU_ID), z.array(cpuId).max(LIMITS.pcpus)], {
  error: 'expected CPUs such as "0-15,128-143" or a list of numbers',
});
const nodeSchema = z.strictObject({
  id: z.int().min(0).max(MAX_NODE_ID).optional().describe('Number of the node; by default its position in the list'),
  memory: sizeSchema.describe('Memory of the node'),
  free: sizeSchema.optional().describe('Memory free for guests; by default all of it, unless used is given'),
  used: sizeSchema.optional().describe('Memory in use; instead of free'),
  cpus: cpuList.optional().describe('CPUs of the node: "0-15,128-143", or a list; none for memory only'),
  socket: z.int().min(0).max(MAX_CPU_ID).optional().describe("Socket of this node's CPUs"),
});

/** The machine as written in the file. */
export const hostFileSchema = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  xen: z
    .string()
    .regex(/^\d+\.\d+$/, { message: 'expected a version such as "4.17"' })
    .optional()
    .describe('Version of Xen, in quotes'),
  nodes: z.array(nodeSchema).min(1).max(LIMITS.nodes),
  distances: z
    .array(
      z
        .array(z.union([z.int().min(0).max(UNREACHABLE), z.literal('unreachable')], { error: 'expected a whole number or unreachable' }))
        .max(LIMITS.nodes),
    )
    .max(LIMITS.nodes)
    .optional()
    .describe('Row by row as in the SLIT: 10 on the diagonal; 10 and 20 by default'),
  smt: z
    .strictObject({
      threads: z.int().min(1).max(8).describe('Threads of a core'),
      numbering: z.enum(['adjacent', 'split']).describe('adjacent: CPUs 0 and 1 share a core; split: CPUs 0 and N/threads do'),
    })
    .optional()
    .describe('How CPUs share cores; without it cores are unknown'),
  pools: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(200),
        cpus: cpuList,
        scheduler: z.enum(['credit', 'credit2']).optional().describe('By default that of Pool-0'),
      }),
    )
    .max(LIMITS.pcpus)
    .optional()
    .describe('CPU pools; Pool-0 is the one with the first CPU, or has the CPUs of no other pool'),
  cpus: z
    .array(z.strictObject({ id: cpuId, core: z.int().min(0), socket: z.int().min(0) }))
    .max(LIMITS.pcpus)
    .optional()
    .describe('Core and socket of single CPUs, instead of smt and socket'),
});

type HostFile = z.output<typeof hostFileSchema>;

/** `nodes:` at the start of a line, or a JSON object with "nodes". */
export function looksLikeHostFile(text: string): boolean {
  return /^['"]?nodes['"]?[ \t]*:/m.test(text) || (/^\uFEFF?\s*\{/.test(text.slice(0, 4096)) && /"nodes"\s?:/.test(text));
}

/** JSON Schema (2020-12) of a host file, as shipped in schemas/host.schema.json. */
export function hostJsonSchema(): Record<string, unknown> {
  return { title: 'xennuma host', ...z.toJSONSchema(hostFileSchema, { io: 'input' }) };
}

/**
 * Reads a machine in our own form (schemas/host.schema.json).
 * @throws InputError with file, line and path
 */
export function readHostFile(input: InputText): Host {
  return describedHost(readStructured(input, hostFileSchema, 'see schemas/host.schema.json and examples/hosts/'), input.file);
}

/**
 * The machine of a description that is checked already, such as the part of a scenario.
 * @param name of the file
 * @throws InputError with line and path
 */
export function describedHost(file: Structured<HostFile>, name: string): Host {
  const { value } = file;
  const nodes = value.nodes.map((node, index) => draftNode(node, index, file));
  const twice = nodes.findIndex((node, index) => nodes.findIndex((other) => other.id === node.id) !== index);
  if (twice >= 0) throw file.fault(['nodes', twice], `node ${nodes[twice]!.id} is given twice`, 'give each node its own number');
  if (hasControls(value.name ?? ''))
    throw file.fault(['name'], 'expected a name without control characters', 'write it in letters, digits and signs');
  checkMatrix(file, nodes);
  const host = assembleHost({
    name: value.name ?? name,
    source: `${name} (host file)`,
    file: name,
    nodes,
    cpus: draftCpus(file, nodes),
    distances:
      value.distances === undefined
        ? undefined
        : {
            ids: nodes.map((node) => node.id),
            rows: value.distances.map((row) => row.map((item) => (item === 'unreachable' ? UNREACHABLE : item))),
          },
    oddDistances: 'refuse',
    ...(value.xen === undefined ? {} : { xenVersion: value.xen }),
    notes: [],
  });
  return value.pools === undefined ? host : { ...host, pools: describedPools(file, value.pools, host) };
}

function describedPools(file: Structured<HostFile>, pools: NonNullable<HostFile['pools']>, { cpus }: Host): readonly HostPool[] {
  const read = pools.map(({ name, cpus: listed, scheduler }, index): HostPool => {
    const ids = cpuIdsOf(listed);
    if (ids === undefined) {
      const mend = 'the smaller number comes first';
      throw file.fault(['pools', index, 'cpus'], `expected CPUs such as "0-15,128-143", got ${JSON.stringify(listed).slice(0, 80)}`, mend);
    }
    return { name, cpus: [...new Set(ids)].sort((a, b) => a - b), ...(scheduler === undefined ? {} : { scheduler }) };
  });
  return poolsInOrder(cpus, read, (index, message, mend) => {
    throw file.fault(['pools', index], message, mend);
  });
}

function draftNode(node: HostFile['nodes'][number], index: number, file: Structured<HostFile>): DraftNode {
  const memoryBytes = parseSizeBytes(node.memory)!;
  if (node.free !== undefined && node.used !== undefined) {
    throw file.fault(['nodes', index], 'expected free or used, got both', 'leave one of them out');
  }
  const field = node.used === undefined ? 'free' : 'used';
  const amount = node[field];
  const bytes = amount === undefined ? undefined : parseSizeBytes(amount)!;
  if (bytes !== undefined && bytes > memoryBytes) {
    throw file.fault(
      ['nodes', index, field],
      `${field} (${amount}) exceeds the memory of the node (${node.memory})`,
      'correct one of them',
    );
  }
  const freeBytes = bytes !== undefined && field === 'used' ? memoryBytes - bytes : bytes;
  return { id: node.id ?? index, memoryBytes, freeBytes };
}

function checkMatrix(file: Structured<HostFile>, nodes: readonly DraftNode[]): void {
  const rows = file.value.distances;
  if (rows === undefined) return;
  const mend = `give ${nodes.length} rows of ${nodes.length} distances`;
  if (rows.length !== nodes.length) throw file.fault(['distances'], `expected ${nodes.length} rows, one a node, got ${rows.length}`, mend);
  rows.forEach((row, i) => {
    if (row.length !== nodes.length) throw file.fault(['distances', i], `expected ${nodes.length} distances, got ${row.length}`, mend);
    row.forEach((distance, j) => {
      const right =
        i === j ? distance === 10 : distance === 'unreachable' || distance === UNREACHABLE || (distance > 10 && distance <= 255);
      if (right) return;
      const wanted = i === j ? '10 for a node itself' : 'more than 10 and at most 255, or unreachable';
      throw file.fault(
        ['distances', i, j],
        `expected ${wanted}, got ${distance}`,
        'take the distances from the SLIT: `numactl --hardware` or `xl info -n`',
      );
    });
  });
}

function draftCpus(file: Structured<HostFile>, nodes: readonly DraftNode[]): DraftCpu[] {
  const { value } = file;
  const homes = new Map<number, { nodeId: number; socket: number | null }>();
  value.nodes.forEach((node, index) => {
    const listed = node.cpus ?? [];
    const ids = cpuIdsOf(listed);
    if (ids === undefined) {
      throw file.fault(
        ['nodes', index, 'cpus'],
        `expected CPUs such as "0-15,128-143", got ${JSON.stringify(listed).slice(0, 80)}`,
        'the smaller number comes first',
      );
    }
    for (const id of ids) {
      if (homes.has(id)) throw file.fault(['nodes', index, 'cpus'], `CPU ${id} is given twice`, 'a CPU belongs to one node; name it once');
      homes.set(id, { nodeId: nodes[index]!.id, socket: node.socket ?? null });
    }
  });
  const exact = new Map((value.cpus ?? []).map((cpu) => [cpu.id, cpu]));
  value.cpus?.forEach((cpu, index) => {
    if (!homes.has(cpu.id)) throw file.fault(['cpus', index], `CPU ${cpu.id} is on no node`, "add it to a node's cpus");
    if (exact.get(cpu.id) !== cpu) throw file.fault(['cpus', index], `CPU ${cpu.id} is given twice`, 'keep one of them');
  });
  const ids = [...homes.keys()].sort((a, b) => a - b);
  const cores = coresOf(file, ids, homes);
  return ids.map((id) => {
    const { nodeId, socket } = homes.get(id)!;
    return { id, nodeId, core: exact.get(id)?.core ?? cores.get(id) ?? null, socket: exact.get(id)?.socket ?? socket };
  });
}

/** Cores counted from 0 in each socket, by the rule of `smt`. */
function coresOf(
  file: Structured<HostFile>,
  ids: readonly number[],
  homes: ReadonlyMap<number, { nodeId: number; socket: number | null }>,
): Map<number, number> {
  const { smt } = file.value;
  if (smt === undefined) return new Map();
  if (ids.length % smt.threads !== 0) {
    throw file.fault(
      ['smt', 'threads'],
      `${ids.length} CPUs are no multiple of ${smt.threads} threads`,
      'correct threads, or describe cpus one by one',
    );
  }
  const coreCount = ids.length / smt.threads;
  const threads: Thread[] = ids.map((id, index) => ({
    id,
    socket: homes.get(id)!.socket,
    core: smt.numbering === 'adjacent' ? Math.floor(index / smt.threads) : index % coreCount,
  }));
  const nodeOf = new Map<unknown, number>();
  for (const thread of threads) {
    const { nodeId } = homes.get(thread.id)!;
    if ((nodeOf.get(thread.core) ?? nodeId) !== nodeId) {
      throw file.fault(
        ['smt', 'numbering'],
        `CPU ${thread.id} would share a core with a CPU of another node`,
        "choose the other numbering, or correct the nodes' cpus",
      );
    }
    nodeOf.set(thread.core, nodeId);
  }
  return new Map(numberCores(threads).map(({ id, core }) => [id, core ?? 0]));
}

/** CPU ids of a list, one number, or ranges as text; undefined when the text is no such ranges. */
function cpuIdsOf(listed: string | number | readonly number[]): readonly number[] | undefined {
  if (typeof listed === 'string') return parseRanges(listed, MAX_CPU_ID + 1);
  return typeof listed === 'number' ? [listed] : listed;
}
