// Conformance kind `planner`: xenopsd's planner at both commits (format: docs/conformance.md). Box of the chart: numa_placement.
import { z } from 'zod';
import { InputError } from '../errors.js';
import { BestEffortState } from '../planner/best-effort.js';
import { type Candidates, makeCandidates, PlannerException, type Reading } from '../planner/candidates.js';
import type { PlannerHost } from '../planner/policy.js';
import type { ConformancePlayer, JsonObject, JsonValue } from './player.js';

const numbers = z.array(z.number());
const inputSchema = z.object({
  distances: z.array(numbers).min(1).max(1024),
  cpu_to_node: numbers,
  node_cores: numbers,
  candidates: z.int().min(0).default(0),
  vms: z.array(
    z.object({
      vcpus: z.number(),
      memory: z.number(),
      cores: z.number().default(0),
      memfree: numbers.optional(),
      claimed: numbers.optional(),
    }),
  ),
});
type Input = z.output<typeof inputSchema>;

const OPTIONS = {
  seed: { reading: 'seed', ratchet: true, deductClaims: false, wantCores: false },
  new: { reading: 'new', ratchet: false, deductClaims: true, wantCores: true },
} as const;

export function createPlannerPlayer(): ConformancePlayer {
  const play = (line: JsonObject): JsonObject => {
    const input = inputSchema.safeParse(line.input);
    if (!input.success) {
      const issue = input.error.issues[0]!;
      throw new InputError(issue.message, { path: ['input', ...issue.path].join('.') }, 'give a case as conformance/README.md describes');
    }
    return { ...line, seed: answer(input.data, 'seed'), new: answer(input.data, 'new') };
  };
  return {
    play,
    check(line) {
      const ours = play(line);
      return (['seed', 'new'] as const).flatMap((side) => differences(line[side], ours[side], side));
    },
  };
}

function answer(input: Input, reading: Reading): JsonObject {
  const host: PlannerHost = { distances: input.distances, cpuToNode: input.cpu_to_node, nodeCores: input.node_cores };
  let candidates: Candidates | null;
  try {
    candidates = makeCandidates(host, reading);
  } catch (error) {
    if (error instanceof PlannerException) return { numa: false, error: error.message };
    throw error;
  }
  if (candidates === null) return { numa: false };
  const state = new BestEffortState(host, candidates, OPTIONS[reading]);
  let freeBytes: number[] = input.distances.map(() => 0);
  const plans = input.vms.map((vm): JsonObject => {
    freeBytes = vm.memfree ?? freeBytes;
    const request = { vcpus: vm.vcpus, cores: vm.cores, memoryBytes: vm.memory, freeBytes, claimedBytes: vm.claimed ?? [] };
    try {
      const plan = state.plan(request);
      const local = reading === 'new' && plan?.nodes.length === 1 ? { node: plan.nodes[0]!, pages: Math.ceil(vm.memory / 4096) } : null;
      return {
        cpus: plan?.cpus ?? null,
        nodes: plan?.nodes ?? null,
        avail: state.availableBytes,
        usage: [...state.nodeUsage],
        ...(reading === 'new' ? { local_claim: local } : {}),
      };
    } catch (error) {
      if (error instanceof PlannerException) return { error: error.message, usage: [...state.nodeUsage] };
      throw error;
    }
  });
  const shown = Math.min(input.candidates, candidates.sets.length);
  return { numa: true, ...(input.candidates > 0 ? { candidates: firstCandidates(candidates, shown) } : {}), plans };
}

function firstCandidates(candidates: Candidates, count: number): JsonValue[] {
  return Array.from({ length: count }, (_, at) => {
    const set = candidates.sets[at]!;
    const nodes = candidates.single
      ? [candidates.validNodes[set]!]
      : candidates.validNodes.filter((_, position) => ((set >>> position) & 1) === 1);
    return [candidates.averages[at]!, nodes];
  });
}

/** Where two JSON values differ; a key whose value is null on one side may be absent on the other. */
export function differences(recorded: JsonValue | undefined, ours: JsonValue | undefined, path: string): string[] {
  if (Array.isArray(recorded) && Array.isArray(ours) && recorded.length === ours.length) {
    return recorded.flatMap((value, index) => differences(value as JsonValue, ours[index] as JsonValue, `${path}[${index}]`));
  }
  if (isObject(recorded) && isObject(ours)) {
    return [...new Set([...Object.keys(recorded), ...Object.keys(ours)])].flatMap((key) =>
      differences(recorded[key], ours[key], `${path}.${key}`),
    );
  }
  if ((recorded ?? null) === (ours ?? null)) return [];
  return [`${path}: recorded ${JSON.stringify(recorded ?? null)}, here ${JSON.stringify(ours ?? null)}`];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
