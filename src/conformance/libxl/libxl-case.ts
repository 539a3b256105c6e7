// Lines of recorded runs of `xl create`, checked before they are played (format:
// conformance/README.md).
import * as z from 'zod';
import { InputError } from '../../base/errors.js';
import type { JsonObject } from '../player.js';

const bytes = z.int().min(0);
const machineSchema = z.object({
  shape: z.string(),
  op: z.literal('machine'),
  xen: z.string().default('4.17'),
  size: z.array(bytes).min(1).max(64),
  dist: z.array(z.array(z.number())),
  topo: z
    .array(z.tuple([z.number(), z.number(), z.int()]))
    .min(1)
    .max(4096),
});
const domainSchema = z.object({
  id: z.int().min(0),
  tot_pages: z.int(),
  max_pages: z.int(),
  vcpus: z.int().min(0).max(8192),
  nodes: z.string(),
  aff: z.array(z.tuple([z.string(), z.string()])),
});
const createSchema = z.object({
  shape: z.string(),
  op: z.literal('create'),
  name: z.string(),
  memoryMiB: z
    .int()
    .min(1)
    .max(2 ** 24),
  vcpus: z.int().min(1).max(8192),
  before: z.object({ free: z.array(bytes), domains: z.array(domainSchema).min(1) }),
});
const destroySchema = z.object({ shape: z.string(), op: z.literal('destroy'), name: z.string() });
const lineSchema = z.discriminatedUnion('op', [machineSchema, createSchema, destroySchema]);

export type LibxlMachine = z.output<typeof machineSchema>;
export type LibxlCreate = z.output<typeof createSchema>;
export type LibxlDomain = z.output<typeof domainSchema>;
export type LibxlLine = z.output<typeof lineSchema>;

/** @throws InputError when the line is of no kind of line known here */
export function parseLibxlLine(line: JsonObject): LibxlLine {
  const parsed = lineSchema.safeParse(line);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new InputError(issue.message, { path: issue.path.join('.') }, 'give a line as conformance/README.md describes');
  }
  const { data } = parsed;
  if (data.op === 'machine') {
    const nodes = data.size.length;
    const square = data.dist.length === nodes && data.dist.every((row) => row.length === nodes);
    if (!square) throw new InputError(`expected ${nodes} x ${nodes} numbers`, { path: 'dist' });
    const cpu = data.topo.findIndex(([, , node]) => node < 0 || node >= nodes);
    if (cpu !== -1) throw new InputError(`CPU ${cpu} is on no node of the machine`, { path: `topo[${cpu}]` });
  }
  return data;
}
