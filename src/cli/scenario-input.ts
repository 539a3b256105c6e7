// From a scenario file to a toolstack that is ready for its events. Box of the chart: none.
import { dirname, isAbsolute, join } from 'node:path';
import { InputError } from '../errors.js';
import { readScenario, type Scenario } from '../scenario/read-scenario.js';
import { raise, readHost, readVms, type Workload } from './open-host.js';
import { readInput } from './read-input.js';
import type { XenstoreOptions } from './workload-options.js';

export interface ScenarioOptions extends XenstoreOptions {
  /** Another host than the scenario's own. */
  readonly host?: readonly string[];
  readonly seed?: number;
}

export interface Opened {
  readonly scenario: Scenario;
  readonly workload: Workload;
}

/** @throws InputError for the scenario, its host, its VMs or its XenStore */
export async function openScenario(file: string, options: ScenarioOptions): Promise<Opened> {
  const scenario = readScenario(readInput(file));
  const beside = (path: string) => (path === '-' || isAbsolute(path) ? path : join(dirname(file), path));
  const host = readHost(options.host ?? scenario.hostPaths.map(beside));
  const vms = [...readVms(scenario.vmPaths.map(beside), host), ...scenario.vms];
  const twice = vms.find((vm, index) => vms.findIndex((other) => other.name === vm.name) !== index);
  if (twice !== undefined) throw new InputError(`'${twice.name}' is there twice`, { file, path: 'vms' }, 'give each VM its own name');
  const { profile, policy, hostMask, seed } = scenario.settings;
  const settings = { profile, policy, seed: options.seed ?? seed, ...(hostMask === undefined ? {} : { hostMask }) };
  return { scenario, workload: await raise({ host, live: null }, vms, settings, { ...scenario.settings, ...xenstoreOf(options) }) };
}

function xenstoreOf({ xenstore, personality }: XenstoreOptions): XenstoreOptions {
  return { ...(xenstore === undefined ? {} : { xenstore }), ...(personality === undefined ? {} : { personality }) };
}
