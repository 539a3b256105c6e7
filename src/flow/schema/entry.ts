// One entry of a record from outside (a file, another process). It is validated as a whole before
// use.
import * as z from 'zod';
import { EDGES, type EdgeId } from '../chart.js';
import type { FlowEntry } from '../record.js';
import { NODE_SCHEMAS } from './nodes.js';
import { NOTE_SCHEMAS } from './notes.js';
import { SURPRISE_SCHEMAS } from './surprises.js';

/** The entries of one kind: `key` selects the schema of the values. */
function kindSchema(kind: string, key: string, schemas: Readonly<Record<string, z.ZodType>>) {
  return z.discriminatedUnion(
    key,
    Object.entries(schemas).map(([name, values]) =>
      z.strictObject({ kind: z.literal(kind), [key]: z.literal(name), values }),
    ) as unknown as [z.ZodObject, ...z.ZodObject[]],
  );
}

export const flowEntrySchema = z.discriminatedUnion('kind', [
  kindSchema('node', 'node', NODE_SCHEMAS),
  z.strictObject({ kind: z.literal('edge'), edge: z.enum(EDGES.map(({ id }) => id) as [EdgeId, ...EdgeId[]]), inferred: z.boolean() }),
  kindSchema('note', 'topic', NOTE_SCHEMAS),
  kindSchema('surprise', 'code', SURPRISE_SCHEMAS),
]) as unknown as z.ZodType<FlowEntry>;

/** null for anything but an entry of a record. */
export function parseFlowEntry(value: unknown): FlowEntry | null {
  const parsed = flowEntrySchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
