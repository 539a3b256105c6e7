// `xennuma run SCENARIO --on xen`: the scenario's VMs and events on the host that this command runs
// on. The VMs that it started are removed at the end.
import { InputError } from '../../base/errors.js';
import { readScenario, type Scenario } from '../../scenario/read-scenario.js';
import { EVENT_KINDS, type EventKind } from '../../scenario/schema.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { readInput } from '../input/read-input.js';
import { type RunOptions, type ScenarioWorkload, settingsOfScenario, vmsOfScenario } from '../input/scenario-input.js';
import { mustBeLoadable, mustBeNew, runningHost, withToolstack } from '../input/toolstack-on-xen.js';
import { userWarnings } from '../output/warnings.js';

/** Events whose changes outlast the scenario. */
const HOST_EVENTS: readonly EventKind[] = ['cpuOffline', 'cpuOnline', 'poolCreate', 'poolDestroy', 'poolAdd', 'poolRemove'];

type Play = (opened: { readonly scenario: Scenario; readonly workload: ScenarioWorkload }, options: RunOptions) => Promise<number>;

/**
 * @returns the exit code
 * @throws InputError for the scenario, before anything is started
 * @throws UnreachableError when there is no Xen here
 */
export async function runOnXen(file: string, options: RunOptions, play: Play): Promise<number> {
  refuseOfEmbedded(options);
  const scenario = readScenario(readInput(file));
  if (options.changeHost !== true) refuseHostEvents(scenario);
  return withToolstack(options.state, settingsOfScenario(scenario, options), {}, async (toolstack) => {
    const before = new Set(toolstack.vms().map(({ spec }) => spec.name));
    const vms = vmsOfScenario(file, scenario, await runningHost(toolstack));
    mustBeNew(toolstack, [...vms.map(({ name }) => name), ...createdLater(scenario)], options.state);
    mustBeLoadable(vms);
    try {
      for (const vm of vms) await toolstack.add(vm);
      return await play({ scenario, workload: { toolstack, warnings: userWarnings(toolstack) } }, options);
    } finally {
      if (options.keep !== true) await takeAway(toolstack, before);
    }
  });
}

/** Stops and forgets the scenario's VMs, also after a failure. */
async function takeAway(toolstack: Toolstack, before: ReadonlySet<string>): Promise<void> {
  for (const { spec, domid } of toolstack.vms()) {
    if (before.has(spec.name)) continue;
    const stopped = domid === null ? null : await toolstack.stop(spec.name);
    if (stopped === null || stopped.failure === null) await toolstack.remove(spec.name);
    else process.stderr.write(`xennuma: ${spec.name} could not be stopped: ${stopped.failure.message}\n`);
  }
}

function refuseOfEmbedded({ host, xenstore, personality }: RunOptions): void {
  const conflicting = [
    ...(host === undefined ? [] : ['--host']),
    ...(xenstore === undefined || xenstore === 'embedded' ? [] : ['--xenstore']),
    ...(personality === undefined ? [] : ['--personality']),
  ];
  if (conflicting.length > 0) throw new InputError(`expected --on or ${conflicting[0]}, got both`, {}, 'leave one of them out');
}

function refuseHostEvents(scenario: Scenario): void {
  scenario.events.forEach((event, index) => {
    const kind = EVENT_KINDS.find((name) => event[name] !== undefined)!;
    if (!HOST_EVENTS.includes(kind)) return;
    throw scenario.fault(
      index,
      [kind],
      'this event changes the host itself, and stays when the scenario is over',
      'give --change-host, or leave it out',
    );
  });
}

function createdLater(scenario: Scenario): string[] {
  return scenario.events.flatMap(({ create }) => (create === undefined ? [] : [create.name]));
}
