// A step of a run: an action, then the invariants.
import { Random } from '../base/random.js';
import { ACTIONS } from './actions.js';
import { checkAlways, checkQuiet } from './checks.js';
import type { Run } from './run.js';

/**
 * Each step has its own random numbers, so that others can be left out.
 * @throws InvariantError
 */
export async function step(run: Run, index: number): Promise<void> {
  const { world } = run;
  const random = new Random(Math.imul(run.seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  // A restart of an earlier step may have ended it again when this one is resumed.
  do await run.raise();
  while (!world.isUp);
  const action = random.weighted(ACTIONS);
  const waits = random.below(10);
  const result = action(run, random);
  if (typeof result === 'string') run.note(index, result);
  else if (result !== null) run.follow(index, result);
  if (waits < 5) await run.quiet();
  else for (let turns = waits; turns > 5; turns--) await world.virtual.turn();
  if (waits === 0) await checkpoint(run);
  if (world.isUp) for (const fault of checkAlways(run)) run.fault(fault);
  run.assertSound();
}

/** All work ends, storage is healed, and every invariant is checked. @throws InvariantError */
export async function checkpoint(run: Run): Promise<void> {
  const { world } = run;
  await run.raise();
  world.faults.heal();
  world.life.spare();
  await run.quiet();
  await run.buildsEnded();
  await world.virtual.advance(2000);
  await run.quiet();
  await run.raise();
  world.atPeace();
  for (const fault of await checkQuiet(run)) run.fault(fault);
  run.note(-1, JSON.stringify([world.host.inspect.freePages(), run.model.vms.map(({ power }) => power.values)]));
  run.assertSound();
}
