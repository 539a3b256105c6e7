// Conformance kind `hypercalls`: recorded scenarios on the embedded hypervisor, through its door,
// in bytes (format: conformance/README.md).
import { DOMCTL } from '../../abi/commands.js';
import { interfaceVersion } from '../../abi/interface-version.js';
import { InputError } from '../../base/errors.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import { differences, isObject } from '../differences.js';
import type { ConformancePlayer, JsonObject } from '../player.js';
import { recordedMachine } from './recorded-machine.js';
import { parseScenario, type Scenario, type Step } from './scenario.js';
import { ScenarioSteps } from './scenario-steps.js';
import { expandSeq } from './seq.js';

const CHECKS = ['exact', 'but_pages', 'loose'] as const;
type Check = (typeof CHECKS)[number];

/** A loose step's free pages, against the recorded ones: Xen's own allocations. */
const LOOSE_PAGES = 1000;
const NOT_COMPARED: Record<Check, readonly string[]> = {
  exact: ['from'],
  but_pages: ['from', 'tot_pages', 'outstanding'],
  loose: ['from', 'free_pages', 'per_node', 'done', 'seq'],
};

export function createHypercallsPlayer(): ConformancePlayer {
  const dom0 = new Dom0Affinity();

  const perform = (line: JsonObject): { steps: readonly Step[]; answers: JsonObject[]; faults: string[] } => {
    const { scenario, steps } = parseScenario(line);
    const machine = {
      ...recordedMachine(scenario.machine, scenario.initial.free_pages, dom0.isAutomatic(scenario)),
      version: scenario.xen,
    };
    const door = new EmbeddedDoor(machine);
    const performer = new ScenarioSteps(door, interfaceVersion(scenario.xen), scenario.machine);
    createBallast(performer);
    const answers = steps.map((step, index) => at(index, step, () => performer.perform(step)));
    const faults = door.inspect.invariants();
    door.close();
    return { steps, answers, faults };
  };

  return {
    survey: (line) => dom0.survey(line),
    play(line) {
      const { steps, answers } = perform(line);
      return { ...line, steps: steps.map((step, index) => ({ ...step, result: answers[index] })) };
    },
    check(line) {
      const { steps, answers, faults } = perform(line);
      const found = steps.flatMap((step, index) =>
        at(index, step, () => stepDifferences(step, answers[index]!)).map((one) => `step ${index} ${step.op} ${step.dom ?? ''}: ${one}`),
      );
      return [...found, ...faults.map((fault) => `the embedded hypervisor broke its own rule: ${fault}`)];
    },
  };
}

/**
 * One unnamed domain besides Domain-0, as on the recorded machines; its memory counts as not free
 * from the start.
 */
export function createBallast({ calls }: ScenarioSteps): void {
  calls.domctl(DOMCTL.createdomain, 0, (view, at) => view.setUint32(at + 28, 1, true));
  const domid = calls.op.view.getUint16(8, true);
  calls.domctl(DOMCTL.max_vcpus, domid, (view, at) => view.setUint32(at, 1, true));
}

/**
 * Domain-0's node affinity at the start of each scenario. Domain-0 outlives all scenarios of a
 * machine, which run in the order of their ids. Its node affinity is explicit at first (Xen's
 * option dom0_nodes=), until a scenario gives it all nodes.
 */
export class Dom0Affinity {
  /** By machine, the lowest id of a scenario that leaves the node affinity automatic. */
  readonly #madeAutomatic = new Map<string, number>();

  survey(line: JsonObject): void {
    if (!isAutomaticAtEnd(line)) return;
    const { scenario } = parseScenario(line);
    const key = keyOf(scenario);
    this.#madeAutomatic.set(key, Math.min(scenario.id, this.#madeAutomatic.get(key) ?? Number.POSITIVE_INFINITY));
  }

  isAutomatic(scenario: Scenario): boolean {
    return (this.#madeAutomatic.get(keyOf(scenario)) ?? Number.POSITIVE_INFINITY) < scenario.id;
  }
}

function keyOf({ machine, xen }: Scenario): string {
  return JSON.stringify([xen, machine]);
}

/** Whether the scenario's last change of Domain-0's node affinity gives it all nodes. */
function isAutomaticAtEnd(line: JsonObject): boolean {
  const steps = Array.isArray(line.steps) ? line.steps : [];
  const last = steps.findLast((step) => isObject(step) && step.op === 'setnodeaffinity' && step.dom === 'dom0') as JsonObject | undefined;
  const nodemap = last?.nodemap;
  return isObject(nodemap) && typeof nodemap.bytes === 'string' && /^f{16}/.test(nodemap.bytes) && Number(nodemap.nr_bits) >= 64;
}

export function at<T>(index: number, step: Step, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const path = error.place.path ?? step.op;
    throw new InputError(error.message, { ...error.place, path: `steps[${index}] ${path}` }, error.mend);
  }
}

/** The comparison of the step's `check`; exact by default. */
export function stepDifferences(step: Step, ours: JsonObject): string[] {
  const check = (step.check ?? 'exact') as Check;
  if (!CHECKS.includes(check)) throw new InputError(`expected ${CHECKS.join(', ')}, got ${JSON.stringify(check)}`, { path: 'check' });
  const recorded = step.result;
  if (!isObject(recorded)) throw new InputError('expected a recorded result, got none', { path: 'result' }, 'leave --check out');
  const compared = (answer: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(answer)
        .filter(([key]) => !NOT_COMPARED[check].includes(key))
        .map(([key, value]) => [key, key === 'seq' ? expandSeq(String(value)) : value]),
    );
  return [...differences(compared(recorded), compared(ours), ''), ...freePagesDifferences(recorded.free_pages, ours.free_pages)];
}

/** Xen itself moves single free pages, but not thousands of them. */
function freePagesDifferences(recorded: JsonObject[string], ours: JsonObject[string]): string[] {
  if (!Array.isArray(recorded) || !Array.isArray(ours)) return [];
  return recorded.flatMap((pages, node) =>
    Math.abs(Number(pages) - Number(ours[node])) <= LOOSE_PAGES ? [] : [`node ${node}: recorded ${pages} free, here ${ours[node]}`],
  );
}
