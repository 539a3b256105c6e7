// Conformance kind `planner`: xenopsd's planner at both commits (format: conformance/README.md).
import * as z from 'zod';
import { InputError } from '../base/errors.js';
import { type BestEffortOptions, BestEffortState } from '../planner/best-effort.js';
import { type Candidates, makeCandidates, PlannerException } from '../planner/candidates.js';
import type { PlannerHost } from '../planner/policy.js';
import { profileOf } from '../xenopsd/api/profiles.js';
import { differences } from './differences.js';
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
      done: numbers.default([]),
      required_free: z.number().optional(),
    }),
  ),
});
type Input = z.output<typeof inputSchema>;

/**
 * Each recorded side is the planner of a profile, with the profile's own options, so the records
 * also test the profiles.
 */
const OPTIONS = {
  seed: profileOf('xapi-25.6').planner,
  '26.1': profileOf('xapi-26.1').planner,
  new: profileOf('xapi-26.3').planner,
} as const satisfies Record<string, BestEffortOptions>;
const SIDES = ['seed', '26.1', 'new'] as const;
type Side = (typeof SIDES)[number];

export function createPlannerPlayer(): ConformancePlayer {
  const play = (line: JsonObject): JsonObject => {
    const input = inputSchema.safeParse(line.input);
    if (!input.success) {
      const issue = input.error.issues[0]!;
      throw new InputError(issue.message, { path: ['input', ...issue.path].join('.') }, 'give a case as conformance/README.md describes');
    }
    return { ...line, ...Object.fromEntries(SIDES.map((side) => [side, answer(input.data, side)])) };
  };
  return {
    play,
    check(line) {
      const ours = play(line);
      const recorded = SIDES.filter((side) => line[side] !== undefined);
      if (recorded.length === 0) return [`no recorded answer: expected one of ${SIDES.join(', ')}`];
      return recorded.flatMap((side) => differences(line[side], ours[side], side));
    },
  };
}

function answer(input: Input, side: Side): JsonObject {
  const options: BestEffortOptions = OPTIONS[side];
  const host: PlannerHost = { distances: input.distances, cpuToNode: input.cpu_to_node, nodeCores: input.node_cores };
  let candidates: Candidates | null;
  try {
    candidates = makeCandidates(host, options.reading);
  } catch (error) {
    if (error instanceof PlannerException) return { numa: false, error: error.message };
    throw error;
  }
  if (candidates === null) return { numa: false };
  const state = new BestEffortState(host, candidates, options);
  let freeBytes: number[] = input.distances.map(() => 0);
  const plans = input.vms.map((vm, id): JsonObject => {
    for (const built of vm.done) state.buildFinished(built);
    freeBytes = vm.memfree ?? freeBytes;
    const request = {
      vcpus: vm.vcpus,
      cores: vm.cores,
      memoryBytes: vm.memory,
      freeBytes,
      claimedBytes: vm.claimed ?? [],
      build: { id, neededBytes: vm.required_free ?? vm.memory },
    };
    try {
      const plan = state.plan(request);
      const local = plan?.nodes.length === 1 ? { node: plan.nodes[0]!, pages: Math.ceil(vm.memory / 4096) } : null;
      return {
        cpus: plan?.cpus ?? null,
        // Without a plan, the recorder of the 26.1 line writes xenopsd's value, an empty list.
        nodes: plan?.nodes ?? (side === '26.1' ? [] : null),
        ...(side === 'new' && plan !== null ? { local_claim: local } : {}),
        avail: state.availableBytes,
        usage: [...state.nodeUsage],
      };
    } catch (error) {
      if (error instanceof PlannerException) return { error: error.message, usage: [...state.nodeUsage] };
      throw error;
    }
  });
  const shown = Math.min(input.candidates, candidates.sets.length);
  return { numa: true, ...(input.candidates > 0 && side !== '26.1' ? { candidates: firstCandidates(candidates, shown) } : {}), plans };
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
