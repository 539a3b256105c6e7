// Reader of `virsh capabilities`: the NUMA cells of the host with their memory, distances and CPUs
// (libvirt, docs/formatcaps.rst; on Xen from libxl_get_numainfo and libxl_get_cpu_topology,
// src/libxl/libxl_capabilities.c, libxlCapsInitNuma). And of `virsh nodeinfo`, which counts only.
import { InputError } from '../../../base/errors.js';
import { parseCount } from '../../../base/lists.js';
import { KIB } from '../../../base/units.js';
import type { Host } from '../../model.js';
import { assembleHost, type DraftCpu, type DraftDistances, type DraftNode } from '../assemble.js';
import { MAX_CPU_ID, MAX_NODE_ID } from '../check.js';
import { guardSize, type InputText, linesOf } from '../input-text.js';
import { parseMemoryBytes } from './values.js';
import { childAt, childrenAt, parseXml, type XmlElement } from './xml-tree.js';

const MEND = 'write the file again with `virsh capabilities`';

export function looksLikeCapabilities(text: string): boolean {
  return textStart(text) >= 0;
}

/** In a paste, a prompt with the command stands before it, and the next prompt behind it. */
const START = /^[> \t\uFEFF]*(?:<\?xml[^>]*>\s*|<!--[^>]*-->\s*)*<capabilities[\s>]/m;
const END = '</capabilities>';

function textStart(text: string): number {
  return text.slice(0, 65_536).search(START);
}

/** The document alone. Its lines keep their numbers. */
function documentIn({ file, text }: InputText): InputText {
  if (textStart(text) < 0) return { file, text };
  const start = text.indexOf('<capabilities', textStart(text));
  const end = text.indexOf(END, start);
  const before = text.slice(0, start).replace(/[^\n]/g, '');
  const document = text.slice(start, end < 0 ? undefined : end + END.length);
  return { file, text: `${before}${document.replace(/^[> \t\uFEFF]*/gm, '')}` };
}

export function looksLikeNodeinfo(text: string): boolean {
  return /^NUMA cell\(s\):/m.test(text) && /^Memory size:/m.test(text);
}

/** @throws InputError with file and line */
export function readCapabilities(input: InputText): Host {
  const [capabilities] = parseXml(documentIn(input)).filter(({ name }) => name === 'capabilities');
  const cells = capabilities === undefined ? [] : childrenAt(capabilities, 'host/topology/cells/cell');
  if (cells.length === 0) {
    throw new InputError(
      'expected NUMA cells (<host><topology><cells>), got none',
      { file: input.file },
      'give the output of `xl info -n`, or `virsh capabilities` of the host itself',
    );
  }
  const nodes = cells.map((cell) => ({ cell, id: numberOf(cell, 'id', MAX_NODE_ID, input) }));
  return assembleHost({
    name: input.file,
    source: `${input.file} (virsh capabilities)`,
    file: input.file,
    nodes: nodes.map(({ cell, id }): DraftNode => ({ id, memoryBytes: memoryOf(cell, input), freeBytes: undefined })),
    cpus: numberedAnew(nodes.flatMap(({ cell, id }) => childrenAt(cell, 'cpus/cpu').map((cpu) => cpuOf(cpu, id, input)))),
    distances: distancesOf(nodes, input),
    oddDistances: 'drop',
    notes: [],
  });
}

function memoryOf(cell: XmlElement, input: InputText): number {
  const memory = childAt(cell, 'memory');
  const bytes = memory === undefined ? undefined : parseMemoryBytes(memory.text, memory.attributes.unit);
  if (bytes !== undefined) return bytes;
  throw new InputError(
    memory === undefined ? 'the cell has no <memory>' : `expected a size in KiB, got '${memory.text.slice(0, 40)}'`,
    { file: input.file, line: (memory ?? cell).line },
    memory === undefined ? 'old versions of libvirt write none: give the output of `xl info -n` or `numactl --hardware`' : MEND,
  );
}

function cpuOf(cpu: XmlElement, nodeId: number, input: InputText): DraftCpu {
  const known = (key: string) => (cpu.attributes[key] === undefined ? null : numberOf(cpu, key, MOST_FIRMWARE_ID, input));
  return { id: numberOf(cpu, 'id', MAX_CPU_ID, input), nodeId, core: known('core_id'), socket: known('socket_id') };
}

/** Of cores and sockets: on ARM firmware gives them offsets in a table of ACPI. */
const MOST_FIRMWARE_ID = 2 ** 32 - 1;

/** Such numbers in their order, from 0 on; those of other hosts as they are. */
function numberedAnew(cpus: readonly DraftCpu[]): DraftCpu[] {
  const anew = (key: 'core' | 'socket'): ((id: number | null) => number | null) => {
    const ids = [...new Set(cpus.flatMap((cpu) => cpu[key] ?? []))].sort((a, b) => a - b);
    if ((ids.at(-1) ?? 0) <= MAX_CPU_ID) return (id) => id;
    const at = new Map(ids.map((id, index) => [id, index]));
    return (id) => (id === null ? null : at.get(id)!);
  };
  const [core, socket] = [anew('core'), anew('socket')];
  return cpus.map((cpu) => ({ ...cpu, core: core(cpu.core), socket: socket(cpu.socket) }));
}

/** undefined where a cell has none, as with versions of libvirt before 1.2. */
function distancesOf(nodes: readonly { readonly cell: XmlElement; readonly id: number }[], input: InputText): DraftDistances | undefined {
  const rows = nodes.map(
    ({ cell }) => new Map(childrenAt(cell, 'distances/sibling').map((one) => [numberOf(one, 'id', MAX_NODE_ID, input), one] as const)),
  );
  const ids = nodes.map(({ id }) => id);
  if (rows.some((row) => ids.some((id) => !row.has(id)))) return undefined;
  return { ids, rows: rows.map((row) => ids.map((id) => numberOf(row.get(id)!, 'value', 255, input))) };
}

function numberOf(element: XmlElement, key: string, most: number, { file }: InputText): number {
  const text = element.attributes[key] ?? '';
  const value = parseCount(text, most);
  if (value !== undefined) return value;
  throw new InputError(
    `expected ${key} of <${element.name}> from 0 to ${most}, got '${text.slice(0, 40)}'`,
    { file, line: element.line },
    MEND,
  );
}

/**
 * Reads `virsh nodeinfo` of a host with one NUMA cell.
 * @throws InputError for several: it does not say which CPUs and how much memory each has
 */
export function readNodeinfo(input: InputText): Host {
  guardSize(input);
  const fields = new Map(
    linesOf(input.text).flatMap(({ text }) => [/^([^:]+): ?(.*)$/.exec(text)?.slice(1) as [string, string]].filter(Boolean)),
  );
  const [cells, cpus] = ['NUMA cell(s)', 'CPU(s)'].map((name) => parseCount(fields.get(name) ?? ''));
  const kib = parseCount(/^(\d+) KiB$/.exec(fields.get('Memory size') ?? '')?.[1] ?? '', 2 ** 42);
  if (cells === undefined || cpus === undefined || kib === undefined || cpus === 0 || cpus > MAX_CPU_ID) {
    throw new InputError('expected the lines CPU(s), NUMA cell(s) and Memory size', { file: input.file }, 'run `virsh nodeinfo` again');
  }
  if (cells !== 1) {
    throw new InputError(
      `virsh nodeinfo counts ${cells} NUMA cells, and does not say which CPUs and how much memory each has`,
      { file: input.file },
      'give the output of `virsh capabilities` or `xl info -n`',
    );
  }
  return assembleHost({
    name: input.file,
    source: `${input.file} (virsh nodeinfo)`,
    file: input.file,
    nodes: [{ id: 0, memoryBytes: kib * KIB, freeBytes: undefined }],
    cpus: Array.from({ length: cpus }, (_, id) => ({ id, nodeId: 0, core: null, socket: null })),
    distances: undefined,
    oddDistances: 'drop',
    notes: ['Cores and sockets are unknown; `virsh capabilities` has them.'],
  });
}
