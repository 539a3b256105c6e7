// The stored form of VMs and their last builds, and its validation when it is read back: the one
// place for files and database.

import * as z from 'zod';
import { ERRNO, type Errno } from '../../base/errors.js';
import { DOMID_FIRST_RESERVED } from '../../base/ids.js';
import { flowEntrySchema } from '../../flow/schema/entry.js';
import { LIMITS } from '../../machine/model.js';
import { POLICIES } from '../../machine/policies.js';
import type { VmSpec } from '../../machine/vm.js';
import type { LastBuild, VmMetadata } from '../api/metadata.js';
import type { OutcomeFailure } from '../api/outcome.js';

/** Of the text of a VM and of a build. */
export const FORMAT = 1;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const cpuLists = z.array(z.array(z.int().min(0)));
const domid = z
  .int()
  .min(0)
  .max(DOMID_FIRST_RESERVED - 1);

const specSchema = z.strictObject({
  name: z.string().min(1),
  uuid: z.string().regex(UUID).optional(),
  label: z.string().optional(),
  kind: z.enum(['hvm', 'pvh', 'pv']),
  vcpusMax: z.int().min(1).max(LIMITS.vcpusPerVm),
  vcpusAtStartup: z.int().min(1).max(LIMITS.vcpusPerVm),
  memoryStaticMaxBytes: z.int().min(1),
  memoryTargetBytes: z.int().min(1),
  vcpusParams: z.record(z.string(), z.string()),
  xlSoftCpus: cpuLists.optional(),
  xlHardCpus: cpuLists.optional(),
  xlHardCpusForm: z.enum(['string', 'list']).optional(),
  vnuma: z
    .array(
      z.strictObject({
        pnode: z.int().min(0),
        memoryBytes: z.int().min(0),
        vcpus: z.array(z.int().min(0)),
        distances: z.array(z.int().min(0)),
      }),
    )
    .optional(),
  virtualNodes: z.union([z.int().min(1).max(64), z.literal('auto')]).optional(),
  policy: z.enum(POLICIES).optional(),
  pool: z.string().optional(),
  notes: z.array(z.string()).optional(),
  firmware: z.string().optional(),
  disks: z
    .array(z.strictObject({ file: z.string().min(1), format: z.enum(['raw', 'qcow2']), readOnly: z.boolean().optional() }))
    .optional(),
  boot: z.strictObject({ kernel: z.string().min(1), ramdisk: z.string().optional(), cmdline: z.string().optional() }).optional(),
});

const vmShape = {
  uuid: z.string().regex(UUID),
  phase: z.enum(['halted', 'starting', 'running', 'paused', 'stopping', 'suspending', 'suspended', 'resuming']),
  domid: domid.nullable(),
  pending: z.array(domid),
  deviceModelPid: z.int().min(1).optional(),
  spec: specSchema,
};
const vmSchema = z.strictObject(vmShape);
/** With its place among the VMs, in the order in which they were added. */
const placedVmSchema = z.strictObject({ format: z.literal(FORMAT), position: z.int().min(0), ...vmShape });

const failureText = {
  step: z.string(),
  message: z.string(),
  errno: z.enum(Object.keys(ERRNO) as [Errno, ...Errno[]]).nullable(),
};
const bytes = z.int().min(0);
const failureSchema = z.union([
  z.strictObject({ ...failureText, kind: z.literal('not-enough-memory'), neededBytes: bytes, freeBytes: bytes }),
  z.strictObject({ ...failureText, kind: z.enum(['not-bootable', 'refused', 'builder', 'state-not-kept', 'unexpected']) }),
  // As written before failures had kinds.
  z.strictObject(failureText).transform((text): OutcomeFailure => ({ ...text, kind: text.errno === null ? 'unexpected' : 'refused' })),
]);

const buildSchema = z.strictObject({
  format: z.literal(FORMAT),
  name: z.string(),
  operation: z.enum(['start', 'reboot', 'migrate', 'resume']),
  domid: domid.nullable(),
  failure: failureSchema.nullable(),
  title: z.string(),
  entries: z.array(flowEntrySchema),
});

/** What is wrong with a text: "spec.vcpusMax: Too small ...". */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

export function encodeVm(vm: VmMetadata): string {
  return JSON.stringify(fieldsOf(vm));
}

/** Of a halted VM nothing of a device model is kept. */
function fieldsOf({ spec, uuid, phase, domid: of, pending, deviceModelPid: pid }: VmMetadata) {
  return { uuid, phase, domid: of, pending, ...(pid === undefined || of === null ? {} : { deviceModelPid: pid }), spec };
}

/** @throws FormatError */
export function decodeVm(text: string): VmMetadata {
  return vmOf(parse(text, vmSchema));
}

export function encodePlacedVm(position: number, vm: VmMetadata): string {
  return JSON.stringify({ format: FORMAT, position, ...fieldsOf(vm) });
}

/** @throws FormatError */
export function decodePlacedVm(text: string): { readonly position: number; readonly vm: VmMetadata } {
  const { position, format: _, ...vm } = parse(text, placedVmSchema);
  return { position, vm: vmOf(vm) };
}

export function encodeBuild(name: string, { operation, domid: of, failure, title, entries }: LastBuild): string {
  return JSON.stringify({ format: FORMAT, name, operation, domid: of, failure, title, entries });
}

/** @throws FormatError */
export function decodeBuild(text: string): { readonly name: string; readonly build: LastBuild } {
  const { format: _, name, ...build } = parse(text, buildSchema);
  return { name, build };
}

function parse<T>(text: string, schema: z.ZodType<T>): T {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new FormatError(error instanceof Error ? error.message : String(error));
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FormatError(`${issue?.path.join('.')}: ${issue?.message}`);
}

/** zod gives `undefined` for omitted fields, which the interface does not have. */
function vmOf({ spec, deviceModelPid, ...rest }: z.output<typeof vmSchema>): VmMetadata {
  const known = deviceModelPid === undefined ? rest : { ...rest, deviceModelPid };
  return { ...known, spec: JSON.parse(JSON.stringify(spec)) as VmSpec };
}
