// The two hosts' answers to a scenario: on the real Xen in dom0, on the embedded one anywhere.
import { interfaceVersion } from '../abi/interface-version.js';
import { createBallast } from '../conformance/hypercalls/hypercalls.js';
import { type LiveXen, sleep } from '../conformance/hypercalls/live-xen.js';
import type { Step } from '../conformance/hypercalls/scenario.js';
import { ScenarioSteps } from '../conformance/hypercalls/scenario-steps.js';
import type { JsonObject } from '../conformance/player.js';
import { EmbeddedDoor } from '../xenctrl/doors/embedded-door.js';
import { embeddedMachine, type Snapshot, scenarioMachine } from './snapshot.js';

const RETRY_MS = 2;

export interface Answers {
  readonly freePages: readonly number[];
  /** One a step. */
  readonly results: readonly JsonObject[];
}

/** `dirty`: does not wait until the memory of a destroyed domain is scrubbed. */
export function performOnXen(xen: LiveXen, machine: ReturnType<typeof scenarioMachine>, steps: readonly Step[], dirty: boolean): Answers {
  const freePages = xen.freePages();
  const performer = new ScenarioSteps(xen.door, xen.version, machine, () => sleep(RETRY_MS));
  try {
    const results = steps.map((step) => {
      const result = performer.perform(step);
      if (step.op === 'destroydomain' && result.ok === true && !dirty) xen.settle();
      return result;
    });
    return { freePages, results };
  } finally {
    performer.close();
    xen.undo();
    xen.setDom0Automatic(false);
  }
}

/**
 * `freePages`: free pages of the real machine at the start. The answer also has violations of the
 * embedded hypervisor's own rules.
 */
export function performEmbedded(
  snapshot: Snapshot,
  freePages: readonly number[],
  steps: readonly Step[],
): Answers & { readonly free: readonly (readonly number[])[]; readonly faults: readonly string[] } {
  const door = new EmbeddedDoor(embeddedMachine(snapshot, freePages));
  const performer = new ScenarioSteps(door, interfaceVersion(snapshot.xen), scenarioMachine(snapshot));
  createBallast(performer);
  const free: number[][] = [];
  const results = steps.map((step) => {
    const result = performer.perform(step);
    free.push(door.inspect.freePages());
    return result;
  });
  const faults = door.inspect.invariants();
  door.close();
  return { freePages, results, free, faults };
}
