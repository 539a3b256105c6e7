// A recorded scenario of hypercalls as a line of JSON, checked before it is played (format:
// conformance/README.md).
import * as z from 'zod';
import { InputError } from '../../base/errors.js';
import type { JsonObject, JsonValue } from '../player.js';

const pages = z.tuple([z.int().min(0), z.int().min(0)]);
const scenarioSchema = z.object({
  id: z.int(),
  xen: z.string().default('4.17'),
  machine: z.object({
    name: z.string(),
    sched: z.int(),
    nodes: z
      .array(z.object({ pages: pages.nullable() }))
      .min(1)
      .max(64),
    cpu_to_node: z.array(z.int().min(0).max(63)).min(1).max(4096),
    distances: z.array(z.array(z.number())),
  }),
  initial: z.object({ free_pages: z.array(z.int().min(0)) }),
  steps: z.array(z.looseObject({ op: z.string() })).max(100_000),
});

export type Scenario = z.output<typeof scenarioSchema>;

export type Step = JsonObject & { readonly op: string };

/** @throws InputError when the line is not a scenario, or its machine cannot be */
export function parseScenario(line: JsonObject): { readonly scenario: Scenario; readonly steps: readonly Step[] } {
  const parsed = scenarioSchema.safeParse(line);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new InputError(issue.message, { path: issue.path.join('.') }, 'give a scenario as conformance/README.md describes');
  }
  const scenario = parsed.data;
  const { machine, initial } = scenario;
  const nodes = machine.nodes.length;
  if (initial.free_pages.length !== nodes) bad('initial.free_pages', `expected ${nodes} numbers, one a node of the machine`);
  const square = machine.distances.length === nodes && machine.distances.every((row) => row.length === nodes);
  if (!square) bad('machine.distances', `expected ${nodes} x ${nodes} numbers`);
  if (machine.cpu_to_node.some((node) => node >= nodes)) bad('machine.cpu_to_node', `expected nodes from 0 to ${nodes - 1}`);
  machine.nodes.forEach((node, index) => {
    const [start, end] = node.pages ?? [0, 0];
    if (initial.free_pages[index]! > end - start) bad('initial.free_pages', `node ${index} has fewer pages than are free`);
  });
  return { scenario, steps: scenario.steps as readonly Step[] };
}

function bad(path: string, message: string): never {
  throw new InputError(message, { path });
}

/** An integer field of a step; `absent` when it is not there (null counts as not there). */
export function integer(step: Step, name: string, absent?: number): number {
  const value = step[name] ?? absent;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new InputError(`expected an integer, got ${JSON.stringify(step[name] ?? null)}`, { path: `${step.op}.${name}` });
}

/** A caller's bitmap: a buffer, a null handle, or an address that faults. */
export type BitmapArgument =
  | { readonly kind: 'buffer'; readonly bytes: Uint8Array; readonly hex: string; readonly bits: number }
  | { readonly kind: 'null'; readonly bits: number }
  | { readonly kind: 'faulting'; readonly bits: number };

const bitmapSchema = z.union([
  z.object({ bytes: z.string().regex(/^([0-9a-f]{2})*$/), nr_bits: z.int().min(0).max(0xffffffff) }),
  z.object({ null: z.literal(true), nr_bits: z.int().min(0).max(0xffffffff) }),
  z.object({ bad: z.literal(true), nr_bits: z.int().min(0).max(0xffffffff) }),
]);

/**
 * The bitmap in a step; the JSON value null, and an absent one, is a null handle with nr_bits 0.
 */
export function bitmap(step: Step, name: string): BitmapArgument {
  const value: JsonValue | undefined = step[name];
  if (value === null || value === undefined) return { kind: 'null', bits: 0 };
  const parsed = bitmapSchema.safeParse(value);
  if (!parsed.success) {
    const expected = 'expected {"bytes": lower-case hex, "nr_bits"}, {"null": true, "nr_bits"} or {"bad": true, "nr_bits"}';
    throw new InputError(expected, { path: `${step.op}.${name}` });
  }
  const { data } = parsed;
  if ('bytes' in data) return { kind: 'buffer', bytes: Buffer.from(data.bytes, 'hex'), hex: data.bytes, bits: data.nr_bits };
  return { kind: 'null' in data ? 'null' : 'faulting', bits: data.nr_bits };
}
