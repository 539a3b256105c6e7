// VMs to place on a fleet, from the same files as `--vms` of the other commands.
import { InputError } from '../../base/errors.js';
import { GIB, MIB } from '../../base/units.js';
import type { VmToPlace } from '../../fleet/place/placement.js';
import type { Host } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import { memoryConfig } from '../../xenopsd/start/memory-model.js';
import { readVms } from './open-host.js';

/** CPU numbers of a VM's file are of no host here. */
const ANY_HOST: Host = {
  name: 'any',
  source: 'fleet',
  nodes: [{ id: 0, memoryBytes: GIB, freeBytes: GIB }],
  cpus: Array.from({ length: 4096 }, (_, id) => ({ id, node: 0, core: id, socket: 0 })),
  distances: [[10]],
  notes: [],
};

/**
 * @param names of some of them; [] = all
 * @throws InputError for a name that the files do not have, and for VMs that set their own CPUs
 */
export function fleetVms(files: readonly string[], names: readonly string[], apart: boolean): VmToPlace[] {
  const vms = readVms(files, ANY_HOST);
  for (const name of names) {
    if (!vms.some((vm) => vm.name === name)) throw new InputError(`no VM ${name} in the files`, { path: '--vms' }, 'name one of their VMs');
  }
  return vms.filter(({ name }) => names.length === 0 || names.includes(name)).map((vm) => placedOf(vm, apart));
}

function placedOf(spec: VmSpec, apart: boolean): VmToPlace {
  const { name, kind, vcpusMax, memoryTargetBytes, vcpusParams } = spec;
  if (vcpusParams.mask !== undefined || spec.xlHardCpus !== undefined || spec.pool !== undefined) {
    throw new InputError(`VM ${name} sets its own CPUs`, { path: '--vms' }, 'leave out its mask or pool: the fleet chooses host and nodes');
  }
  const memoryBytes = Math.ceil(memoryTargetBytes / MIB) * MIB;
  const built = { ...spec, memoryStaticMaxBytes: memoryBytes, memoryTargetBytes: memoryBytes };
  const vm = { name, kind, vcpus: vcpusMax, memoryBytes };
  return { vm, mib: memoryConfig(built, 'xenopsd').requiredHostFreeMib, ...(apart ? { apart: 'batch' } : {}) };
}
