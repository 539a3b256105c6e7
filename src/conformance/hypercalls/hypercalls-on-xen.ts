// Conformance kind `hypercalls` on the real Xen that this process runs on: the same scenarios,
// performed in Domain-0. Afterwards all effects of a scenario are undone.
import { InputError } from '../../base/errors.js';
import type { ConformancePlayer, JsonObject } from '../player.js';
import { at, Dom0Affinity, stepDifferences } from './hypercalls.js';
import { LiveXen, sleep } from './live-xen.js';
import { parseScenario, type Scenario, type Step } from './scenario.js';
import { ScenarioSteps } from './scenario-steps.js';

/** Free pages of a node may differ by this much before the ballast is rebuilt. */
const NEAR_PAGES = 1024;
const RETRY_MS = 2;

/** @throws InputError when there is no Xen here */
export async function createLiveHypercallsPlayer(): Promise<ConformancePlayer> {
  const xen = await LiveXen.open();
  const dom0 = new Dom0Affinity();

  const perform = (line: JsonObject) => {
    const { scenario, steps } = parseScenario(line);
    requireMachine(xen, scenario);
    xen.setDom0Automatic(dom0.isAutomatic(scenario));
    const free = bringFreePages(xen, scenario.initial.free_pages);
    const dirty = Array.isArray(line.tags) && line.tags.includes('dirty');
    const machine = { ...scenario.machine, nodes: xen.machine.nodes.map(({ pages }) => ({ pages: pages === null ? null : [...pages] })) };
    const performer = new ScenarioSteps(xen.door, xen.version, machine as Scenario['machine'], () => sleep(RETRY_MS));
    try {
      const answers = steps.map((step, index) => at(index, step, () => performWaiting(xen, performer, step, dirty)));
      return { steps, answers, free };
    } finally {
      performer.close();
      xen.undo();
    }
  };

  return {
    survey: (line) => dom0.survey(line),
    play(line) {
      const { steps, answers, free } = perform(line);
      return { ...line, initial: { free_pages: free }, steps: steps.map((step, index) => ({ ...step, result: answers[index] })) };
    },
    check(line) {
      const { steps, answers } = perform(line);
      return steps.flatMap((step, index) =>
        at(index, step, () => stepDifferences(step, answers[index]!)).map((one) => `step ${index} ${step.op} ${step.dom ?? ''}: ${one}`),
      );
    },
    close() {
      xen.setDom0Automatic(false);
      xen.close();
    },
  };
}

/**
 * Memory of a destroyed domain is scrubbed before the next step, except in scenarios about dirty
 * memory.
 */
function performWaiting(xen: LiveXen, performer: ScenarioSteps, step: Step, dirty: boolean): JsonObject {
  const answer = performer.perform(step);
  if (step.op === 'destroydomain' && answer.ok === true && !dirty) xen.settle();
  return answer;
}

/** @returns the free pages of each node that the scenario starts with */
function bringFreePages(xen: LiveXen, wanted: readonly number[]): number[] {
  const far = (free: number[]) => free.some((pages, node) => Math.abs(pages - wanted[node]!) > NEAR_PAGES);
  let free = xen.freePages();
  if (far(free) && free.some((pages, node) => pages < wanted[node]! - NEAR_PAGES)) {
    xen.dropBallast();
    free = xen.freePages();
  }
  if (far(free) || xen.ballast === null) {
    xen.fillUp(wanted);
    free = xen.freePages();
  }
  return free;
}

function requireMachine(xen: LiveXen, { machine }: Scenario): void {
  const same =
    machine.cpu_to_node.join() === xen.machine.cpu_to_node.join() &&
    JSON.stringify(machine.distances) === JSON.stringify(xen.machine.distances) &&
    machine.sched === xen.machine.sched;
  if (same) return;
  throw new InputError(
    `the scenario is of machine '${machine.name}', but this is another one: CPUs, distances or scheduler differ`,
    { path: 'machine' },
    'run it on that shape of the rig (rig/README.md)',
  );
}
