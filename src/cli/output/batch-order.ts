// `plan --batch`: the order in which policy `tight` would start all VMs of a workload.
import { MIB } from '../../base/units.js';
import { planBatch } from '../../planner/tight/batch.js';
import { busyCores } from '../../planner/tight/busy-cores.js';
import { type Profile, profileOf } from '../../xenopsd/api/profiles.js';
import { memoryConfig } from '../../xenopsd/start/memory-model.js';
import { machineHost, nodeMemory } from '../../xenopsd/start/numa-hierarchy.js';
import type { Workload } from '../input/open-host.js';

/**
 * Masks do not count for the order; the starts themselves respect them. VMs that run already count
 * with their memory.
 */
export function batchOrder({ vms, toolstack }: Workload, profileName: Profile['name']): string[] {
  const { xc } = toolstack.doors;
  const { freeBytes, claimedBytes } = nodeMemory(xc);
  const profile = profileOf(profileName);
  const batch = planBatch(
    machineHost(xc),
    vms.map((vm) => ({
      vcpus: vm.vcpusMax,
      memoryBytes: memoryConfig(vm, 'xenopsd').requiredHostFreeMib * MIB,
      ...(typeof vm.virtualNodes === 'number' ? { parts: vm.virtualNodes } : {}),
    })),
    { freeBytes, claimedBytes, busyCores: busyCores(freeBytes.map(() => 0)) },
    { reserveBytes: [profile.planner.node0ReserveBytes ?? 0] },
  );
  return (batch?.order ?? [...vms.keys()]).map((at) => vms[at]!.name);
}
