// A profile's rules of placement, without the calls that carry them out: replays of whole fleets
// follow the same rules. Part of the box numa_placement.
import type { Errno } from '../../base/errors.js';
import type { Profile } from '../api/profiles.js';
import type { MemoryConfig } from './memory-model.js';

/** Memory that placement asks for. */
export function placedMib({ placedMemory }: Profile, { xenMaxMib, buildStartMib }: MemoryConfig): number {
  return placedMemory === 'xen_max' ? xenMaxMib : buildStartMib;
}

/**
 * How a Xen without claims on a node answers one: upstream refuses the node in mem_flags, older
 * ones the operation.
 */
const NO_NODE_CLAIMS: readonly (string | null)[] = ['EINVAL', 'ENOSYS', 'EOPNOTSUPP'];

/** Whether the answer to a claim keeps the VM off the node. */
export function refusesNode({ nodeRefusedBy }: Profile, errno: Errno | null): boolean {
  if (errno === null) return false;
  return nodeRefusedBy === 'ENOMEM' ? errno === 'ENOMEM' : !NO_NODE_CLAIMS.includes(errno);
}
