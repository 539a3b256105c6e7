// Reader of our own list of VMs, in YAML or JSON, and the JSON Schema of it.
import * as z from 'zod';
import type { InputError } from '../../base/errors.js';
import { parseRanges } from '../../base/lists.js';
import { hasControls } from '../../base/safe-text.js';
import { parseSizeBytes } from '../../base/units.js';
import { LIMITS } from '../model.js';
import type { VirtualNode, VmBoot, VmDisk, VmSpec } from '../vm.js';
import { sizeSchema } from './host-file.js';
import type { InputText } from './input-text.js';
import { readStructured } from './structured.js';

const vcpuCount = z.int().min(1).max(LIMITS.vcpusPerVm);
const param = z.union([z.string().max(65_536), z.int()], { error: 'expected a string or a whole number' });

const vnumaNodes = z
  .array(
    z.strictObject({
      node: z.int().min(0).max(63).describe("Physical node, by Xen's number"),
      memory: sizeSchema,
      vcpus: z.union([z.string(), z.int().min(0)], { error: 'expected vCPUs such as "0-3"' }).describe('vCPUs of the virtual node: "0-3"'),
      distances: z
        .array(z.int().min(1).max(255))
        .optional()
        .describe('Distance to each virtual node; by default 10 to itself and 20 to others'),
    }),
  )
  .min(1)
  .max(LIMITS.virtualNodes)
  .describe('Virtual nodes, which together have all of the memory and the vCPUs; profile xl only');

/** One VM of our own form; scenarios use it too. */
export const vmEntrySchema = z.strictObject({
  name: z.string().min(1).max(200).describe('Unique; with count: the part before -1, -2, ...'),
  kind: z.enum(['hvm', 'pvh', 'pv']).default('hvm').describe("pvh is XenServer's PV-in-PVH"),
  vcpus: z
    .union([vcpuCount, z.strictObject({ max: vcpuCount, atStartup: vcpuCount })], {
      error: `expected a number of vCPUs from 1 to ${LIMITS.vcpusPerVm}, or max and atStartup`,
    })
    .describe('VCPUs_max and VCPUs_at_startup, or one number for both'),
  memory: sizeSchema.describe('memory_static_max'),
  target: sizeSchema.optional().describe('Memory at start; by default all of memory'),
  params: z
    .strictObject({ mask: param.optional(), weight: param.optional(), cap: param.optional() })
    .optional()
    .describe('VCPUs_params as in xe; mask "1,2,3", or "1,2;3,4" with a part for each vCPU'),
  boot: z
    .strictObject({
      kernel: z.string().min(1).max(4096).describe('File on the host'),
      ramdisk: z.string().min(1).max(4096).optional().describe('File on the host'),
      cmdline: z.string().max(2048).optional().describe("The kernel's command line"),
    })
    .optional()
    .describe('Kernel of the guest on a real host (PVH and PV); the embedded host loads no image'),
  firmware: z
    .string()
    .regex(/^(seabios|ovmf|\/.*)$/, { error: 'expected seabios, ovmf or the absolute path of a file' })
    .max(4096)
    .optional()
    .describe('Firmware of an HVM guest on a real host: seabios (the default), ovmf, or the path of a file'),
  disks: z
    .array(
      z.strictObject({
        file: z.string().regex(/^\//, { error: 'expected an absolute path' }).max(4096).describe('File or block device of the host'),
        format: z.enum(['raw', 'qcow2']).default('raw'),
        readOnly: z.boolean().optional(),
      }),
    )
    .max(4)
    .optional()
    .describe('Disks of an HVM guest on a real host, in the order of its IDE bus'),
  pool: z
    .union([z.string().min(1).max(200), z.int().min(0).max(0xfffe)], { error: 'expected the name or the number of a CPU pool' })
    .optional()
    .describe('CPU pool of the VM at start, by name or number; profile xl only'),
  vnuma: z
    .union([z.int().min(1).max(LIMITS.virtualNodes), z.literal('auto'), vnumaNodes], {
      error: `expected a number of virtual nodes from 1 to ${LIMITS.virtualNodes}, auto, or a list of virtual nodes`,
    })
    .optional()
    .describe('Virtual nodes: their number or auto for policy tight, or a list of all of them for profile xl'),
  count: z.int().min(1).max(LIMITS.domains).optional().describe('Number of such VMs, named name-1 ... name-N'),
});

export const vmFileSchema = z.strictObject({ vms: z.array(vmEntrySchema).min(1).max(LIMITS.domains) });

type VmEntry = z.output<typeof vmEntrySchema>;
type EntryFault = (index: number, field: string, message: string, mend: string) => InputError;

/** JSON Schema (2020-12) of a file of VMs, as shipped in schemas/vms.schema.json. */
export function vmsJsonSchema(): Record<string, unknown> {
  return { title: 'xennuma VMs', ...z.toJSONSchema(vmFileSchema, { io: 'input' }) };
}

/** `vms:` at the start of a line, or a JSON object with "vms". */
export function looksLikeVmFile(text: string): boolean {
  return /^['"]?vms['"]?[ \t]*:/m.test(text) || (/^\uFEFF?\s*\{/.test(text.slice(0, 4096)) && /"vms"\s?:/.test(text));
}

/**
 * Reads VMs in our own form (schemas/vms.schema.json), in the order of the file, counts expanded.
 * @throws InputError with file, line and path
 */
export function readVmFile(input: InputText): VmSpec[] {
  const file = readStructured(input, vmFileSchema, 'see schemas/vms.schema.json and examples/vms/');
  return expandVms(file.value.vms, (index, field, message, mend) => file.fault(['vms', index, field], message, mend));
}

/**
 * VMs of checked entries, in their order, counts expanded.
 * @throws InputError made by `fault` for faults that the schema cannot see: a duplicate name, a
 * target above the memory
 */
export function expandVms(entries: readonly VmEntry[], faultAt: EntryFault): VmSpec[] {
  const vms: VmSpec[] = [];
  const names = new Set<string>();
  entries.forEach((entry, index) => {
    const fault = (field: string, message: string, mend: string) => faultAt(index, field, message, mend);
    const spec = toSpec(entry, fault);
    const copies = entry.count ?? 1;
    if (vms.length + copies > LIMITS.domains) throw fault('count', `expected at most ${LIMITS.domains} VMs in all`, 'lower the counts');
    for (let copy = 1; copy <= copies; copy++) {
      const name = entry.count === undefined ? entry.name : `${entry.name}-${copy}`;
      if (names.has(name)) throw fault('name', `'${name}' is given twice`, 'give each VM its own name');
      names.add(name);
      vms.push({ ...spec, name });
    }
  });
  return vms;
}

function toSpec(entry: VmEntry, fault: (field: string, message: string, mend: string) => InputError): VmSpec {
  const { max, atStartup } = typeof entry.vcpus === 'number' ? { max: entry.vcpus, atStartup: entry.vcpus } : entry.vcpus;
  if (hasControls(entry.name)) throw fault('name', 'expected a name without control characters', 'write it in letters, digits and signs');
  if (atStartup > max) throw fault('vcpus', `expected at most ${max} vCPUs at startup, got ${atStartup}`, 'raise max or lower atStartup');
  const memoryStaticMaxBytes = parseSizeBytes(entry.memory)!;
  const memoryTargetBytes = parseSizeBytes(entry.target ?? entry.memory)!;
  if (memoryStaticMaxBytes === 0) throw fault('memory', 'expected some memory, got none', 'give a size such as 4GiB');
  if (memoryTargetBytes > memoryStaticMaxBytes || memoryTargetBytes === 0) {
    throw fault(
      'target',
      `expected a target above 0 and up to memory (${entry.memory}), got ${entry.target}`,
      'raise memory or change target',
    );
  }
  const params = Object.entries(entry.params ?? {}).filter(([, value]) => value !== undefined);
  return {
    name: entry.name,
    kind: entry.kind,
    vcpusMax: max,
    vcpusAtStartup: atStartup,
    memoryStaticMaxBytes,
    memoryTargetBytes,
    vcpusParams: Object.fromEntries(params.map(([key, value]) => [key, String(value)])),
    ...(entry.pool === undefined ? {} : { pool: String(entry.pool) }),
    ...vnumaOf(entry.vnuma, max, fault),
    ...(entry.boot === undefined ? {} : { boot: bootOf(entry.boot) }),
    ...(entry.firmware === undefined ? {} : { firmware: entry.firmware }),
    ...(entry.disks === undefined ? {} : { disks: entry.disks.map(diskOf) }),
  };
}

function vnumaOf(
  vnuma: VmEntry['vnuma'],
  vcpusMax: number,
  fault: (field: string, message: string, mend: string) => InputError,
): Pick<VmSpec, 'vnuma' | 'virtualNodes'> {
  if (vnuma === undefined) return {};
  if (typeof vnuma === 'number' && vnuma > vcpusMax) {
    throw fault('vnuma', `expected at most ${vcpusMax} virtual nodes, one a vCPU, got ${vnuma}`, 'lower vnuma or raise vcpus');
  }
  return Array.isArray(vnuma) ? { vnuma: virtualNodes(vnuma, vcpusMax, fault) } : { virtualNodes: vnuma };
}

function virtualNodes(
  vnuma: z.output<typeof vnumaNodes>,
  vcpusMax: number,
  fault: (field: string, message: string, mend: string) => InputError,
): VirtualNode[] {
  return vnuma.map(({ node, memory, vcpus, distances }, index) => {
    const list = parseRanges(String(vcpus), vcpusMax);
    if (list === undefined) throw fault('vnuma', `expected vCPUs from 0 to ${vcpusMax - 1}, got ${vcpus}`, 'write vcpus: "0-3"');
    if (distances !== undefined && distances.length !== vnuma.length) {
      throw fault('vnuma', `expected ${vnuma.length} distances, one a virtual node, got ${distances.length}`, 'give one for each');
    }
    return {
      pnode: node,
      memoryBytes: parseSizeBytes(memory)!,
      vcpus: list,
      distances: distances ?? vnuma.map((_, to) => (to === index ? 10 : 20)),
    };
  });
}

function diskOf({ file, format, readOnly }: NonNullable<VmEntry['disks']>[number]): VmDisk {
  return { file, format, ...(readOnly === undefined ? {} : { readOnly }) };
}

function bootOf({ kernel, ramdisk, cmdline }: NonNullable<VmEntry['boot']>): VmBoot {
  return { kernel, ...(ramdisk === undefined ? {} : { ramdisk }), ...(cmdline === undefined ? {} : { cmdline }) };
}
