// Reader of a scenario file.
import type { InputError } from '../base/errors.js';
import type { Host } from '../machine/model.js';
import { describedHost } from '../machine/readers/host-file.js';
import type { InputText } from '../machine/readers/input-text.js';
import { readStructured } from '../machine/readers/structured.js';
import { expandVms } from '../machine/readers/vm-file.js';
import type { VmSpec } from '../machine/vm.js';
import { type ScenarioEvent, type ScenarioFile, scenarioSchema } from './schema.js';

export interface Scenario {
  readonly file: string;
  readonly title: string;
  readonly settings: Pick<ScenarioFile, 'profile' | 'policy' | 'hostMask' | 'xen' | 'scheduler' | 'seed'>;
  /** As written: relative to the scenario's own file; [] for a host described in the scenario. */
  readonly hostPaths: readonly string[];
  /** A host described in the scenario itself. */
  readonly host: Host | null;
  /** numa-split, or paths as written. */
  readonly cpupools: readonly string[];
  readonly vmPaths: readonly string[];
  /** VMs described in the scenario itself. */
  readonly vms: readonly VmSpec[];
  readonly events: readonly ScenarioEvent[];
  /** An error at event `index`, with its line. */
  fault(index: number, field: readonly PropertyKey[], message: string, mend: string): InputError;
}

/**
 * Reads a scenario (schemas/scenario.schema.json).
 * @throws InputError with file, line and path
 */
export function readScenario(input: InputText): Scenario {
  const file = readStructured(input, scenarioSchema, 'see docs/scenario-format.md and examples/scenarios/');
  const { host, cpupools, vms, events, title, profile, policy, hostMask, xen, scheduler, seed } = file.value;
  const list = typeof vms === 'string' ? [vms] : (vms ?? []);
  const described = typeof host === 'object' && !Array.isArray(host) ? host : null;
  const inline = list.filter((item) => typeof item !== 'string');
  return {
    file: input.file,
    title: title ?? input.file,
    settings: {
      ...(profile === undefined ? {} : { profile }),
      policy,
      seed,
      ...(hostMask === undefined ? {} : { hostMask }),
      ...(xen === undefined ? {} : { xen }),
      ...(scheduler === undefined ? {} : { scheduler }),
    },
    hostPaths: [host].flat().filter((item) => typeof item === 'string'),
    host:
      described === null
        ? null
        : describedHost({ value: described, fault: (at, ...rest) => file.fault(['host', ...at], ...rest) }, input.file),
    cpupools: [cpupools ?? []].flat(),
    vmPaths: list.filter((item) => typeof item === 'string'),
    vms: expandVms(inline, (index, field, message, mend) => file.fault(['vms', index, field], message, mend)),
    events,
    fault: (index, field, message, mend) => file.fault(['events', index, ...field], message, mend),
  };
}
