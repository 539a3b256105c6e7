// From a scenario file to a toolstack that is ready for its events.
import { dirname, isAbsolute, join } from 'node:path';
import { InputError } from '../../base/errors.js';
import type { Host } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import { asXenSees } from '../../machine/xen-sees.js';
import { readScenario, type Scenario } from '../../scenario/read-scenario.js';
import { DEFAULT_PROFILE } from '../../xenopsd/api/profiles.js';
import type { ToolstackOptions } from '../../xenopsd/api/toolstack.js';
import { NUMA_SPLIT, withPools } from './host-pools.js';
import { type Origin, raise, readDescribed, readVms, type Workload } from './open-host.js';
import { readInput } from './read-input.js';
import type { XenstoreOptions } from './workload-options.js';

export interface ScenarioOptions extends XenstoreOptions {
  /** A host in place of the scenario's own. */
  readonly host?: readonly string[];
  readonly seed?: number;
}

export interface RunOptions extends ScenarioOptions {
  readonly on?: 'xen';
  readonly state: string;
  readonly keep?: true;
  readonly changeHost?: true;
  /** Only events that broke an expectation. */
  readonly summary?: true;
  readonly json?: true;
  readonly flow?: string;
  readonly map?: string;
}

/** The part of a workload on which a scenario is played. */
export type ScenarioWorkload = Pick<Workload, 'toolstack' | 'warnings' | 'profileNote'>;

export interface ScenarioInput {
  readonly scenario: Scenario;
  readonly workload: Workload;
}

/** @throws InputError for the scenario, its host, its VMs or its XenStore */
export async function openScenario(file: string, options: ScenarioOptions): Promise<ScenarioInput> {
  const scenario = readScenario(readInput(file));
  const origin = originOfScenario(file, scenario, options.host);
  const vms = vmsOfScenario(file, scenario, origin.host);
  const settings = settingsOfScenario(scenario, options, origin);
  return { scenario, workload: await raise(origin, vms, settings, { ...scenario.settings, ...xenstoreOf(options) }) };
}

/** @param files a host in place of the scenario's own, which then has no pools of the scenario */
function originOfScenario(file: string, scenario: Scenario, files: readonly string[] | undefined): Origin {
  const { profile } = scenario.settings;
  const named = profile === undefined ? {} : { profile };
  if (files !== undefined) return readDescribed({ host: [...files], ...named });
  const cpupools = scenario.cpupools.map((source) => (source === NUMA_SPLIT ? source : beside(file, source)));
  if (scenario.host !== null) return { host: withPools(asXenSees(scenario.host), cpupools), live: null };
  return readDescribed({ host: scenario.hostPaths.map((path) => beside(file, path)), cpupools, ...named });
}

/**
 * The VMs known from the start; the host decides how they are read.
 * @throws InputError for a bad file of VMs, or a name used twice
 */
export function vmsOfScenario(file: string, scenario: Scenario, host: Host): VmSpec[] {
  const paths = scenario.vmPaths.map((path) => beside(file, path));
  const vms = [...readVms(paths, host), ...scenario.vms];
  const twice = vms.find((vm, index) => vms.findIndex((other) => other.name === vm.name) !== index);
  if (twice !== undefined)
    throw new InputError(`the name '${twice.name}' is used twice`, { file, path: 'vms' }, 'give each VM its own name');
  return vms;
}

/** The profile is the scenario's, or the host's own. */
export function settingsOfScenario(
  scenario: Scenario,
  options: Pick<ScenarioOptions, 'seed'>,
  origin: Pick<Origin, 'profile'> = {},
): ToolstackOptions {
  const { profile = origin.profile ?? DEFAULT_PROFILE, policy, hostMask, seed } = scenario.settings;
  return { profile, policy, seed: options.seed ?? seed, ...(hostMask === undefined ? {} : { hostMask }) };
}

/** Paths in a scenario are relative to its file. */
function beside(file: string, path: string): string {
  return path === '-' || isAbsolute(path) ? path : join(dirname(file), path);
}

function xenstoreOf({ xenstore, personality }: XenstoreOptions): XenstoreOptions {
  return { ...(xenstore === undefined ? {} : { xenstore }), ...(personality === undefined ? {} : { personality }) };
}
