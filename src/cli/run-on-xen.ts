// `xennuma run SCENARIO --on xen`: the scenario's VMs and events for real, on the host that runs here; what it started is taken away again.
// Box of the chart: all.
import { InputError } from '../errors.js';
import { hostOf } from '../live/live-copy.js';
import { knownDomains, liveMap } from '../live/live-map.js';
import { readScenario, type Scenario } from '../scenario/read-scenario.js';
import { EVENT_KINDS, type EventKind } from '../scenario/schema.js';
import { FileMetadata } from '../xenopsd/file-metadata.js';
import { createToolstack } from '../xenopsd/host-toolstack.js';
import type { Toolstack } from '../xenopsd/toolstack.js';
import { whyNotLoadable } from '../xenopsd/vm-create.js';
import type { XenHost } from '../xenopsd/xen-host.js';
import { withXen } from './on-xen.js';
import { readInput } from './read-input.js';
import type { Played, RunOptions } from './run.js';
import { settingsOfScenario, vmsOfScenario } from './scenario-input.js';
import { userWarnings } from './warnings.js';

/** What these change stays when the scenario is over. */
const HOST_EVENTS: readonly EventKind[] = ['cpuOffline', 'cpuOnline', 'poolCreate', 'poolDestroy', 'poolAdd', 'poolRemove'];

type Play = (opened: { readonly scenario: Scenario; readonly workload: Played }, options: RunOptions) => Promise<number>;

/**
 * @returns the exit code
 * @throws InputError for the scenario, before anything is started
 * @throws UnreachableError when there is no Xen here
 */
export async function runOnXen(file: string, options: RunOptions, play: Play): Promise<number> {
  refuseOfEmbedded(options);
  const scenario = readScenario(readInput(file));
  if (options.changeHost !== true) refuseHostEvents(scenario);
  return withXen(async (host) => {
    const metadata = await FileMetadata.open(options.state);
    try {
      const toolstack = await toolstackOn(host, metadata, scenario, options);
      const before = new Set(toolstack.vms().map(({ spec }) => spec.name));
      const vms = vmsOfScenario(file, scenario, hostOf(await liveMap(host, { memory: false })));
      refuseKnown(before, [...vms.map(({ name }) => name), ...createdLater(scenario)], options.state);
      for (const vm of vms) {
        const why = whyNotLoadable(vm);
        if (why !== null) throw new InputError(why.what, { file, path: vm.name }, why.mend);
      }
      try {
        for (const vm of vms) toolstack.add(vm);
        return await play({ scenario, workload: { toolstack, warnings: userWarnings(toolstack) } }, options);
      } finally {
        if (options.keep !== true) await takeAway(toolstack, before);
        await toolstack.settled();
      }
    } finally {
      await metadata.close();
    }
  });
}

async function toolstackOn(host: XenHost, metadata: FileMetadata, scenario: Scenario, options: RunOptions): Promise<Toolstack> {
  const domids = host.xc.domainList().map(({ domid }) => domid);
  const others = await knownDomains(host.xs, domids);
  return createToolstack({ ...host, others }, { ...settingsOfScenario(scenario, options), metadata });
}

/** All that the scenario made: stopped and forgotten, also after a failure. */
async function takeAway(toolstack: Toolstack, before: ReadonlySet<string>): Promise<void> {
  for (const { spec, domid } of toolstack.vms()) {
    if (before.has(spec.name)) continue;
    const stopped = domid === null ? null : await toolstack.stop(spec.name);
    if (stopped === null || stopped.failure === null) toolstack.remove(spec.name);
    else process.stderr.write(`xennuma: ${spec.name} could not be stopped: ${stopped.failure.message}\n`);
  }
}

function refuseOfEmbedded({ host, xenstore, personality }: RunOptions): void {
  const given = [
    ...(host === undefined ? [] : ['--host']),
    ...(xenstore === undefined || xenstore === 'embedded' ? [] : ['--xenstore']),
    ...(personality === undefined ? [] : ['--personality']),
  ];
  if (given.length > 0) throw new InputError(`expected --on or ${given[0]}, got both`, {}, 'leave one of them out');
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

function refuseKnown(before: ReadonlySet<string>, names: readonly string[], state: string): void {
  const known = names.find((name) => before.has(name));
  if (known === undefined) return;
  throw new InputError(`there is a VM '${known}' in ${state} already`, { path: known }, 'name it otherwise, or give another --state');
}
