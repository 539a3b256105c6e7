// Virtual NUMA of a domain (xen/common/domctl.c, vnuma_init()). Only the physical nodes of its
// virtual nodes are stored.
import { VNUMA_AT as AT, DISTANCE_BYTES, NONE_U32, VNUMA_NUMBER_BYTES } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE } from '../state/domain.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';

export function setVnumaInfo(domain: Domain, memory: GuestMemory, view: DataView, at: number): number {
  const vnodes = view.getUint32(at + AT.vnodes, true);
  const ranges = view.getUint32(at + AT.ranges, true);
  const vcpus = view.getUint32(at + AT.vcpus, true);
  if (vnodes === 0 || ranges === 0 || vcpus !== domain.config.maxVcpus || view.getUint32(at + AT.pad, true) !== 0) return -ERRNO.EINVAL;
  const arrays = [
    { at: AT.distances, bytes: vnodes * vnodes * DISTANCE_BYTES },
    { at: AT.vcpuToVnode, bytes: vcpus * VNUMA_NUMBER_BYTES },
    { at: AT.vnodeToPnode, bytes: vnodes * VNUMA_NUMBER_BYTES },
    { at: AT.memory, bytes: ranges * AT.rangeBytes },
  ];
  if (arrays.some((array) => readU64(view, at + array.at) === 0)) return -ERRNO.EINVAL;
  for (const array of arrays) {
    if (buffer(memory, readU64(view, at + array.at), array.bytes) === undefined) return -ERRNO.EFAULT;
  }
  const address = readU64(view, at + AT.vnodeToPnode);
  const found = buffer(memory, address, vnodes * VNUMA_NUMBER_BYTES)!;
  const pnodes: number[] = [];
  for (let i = 0; i < vnodes; i++) {
    const pnode = found.view.getUint32(address - found.address + i * VNUMA_NUMBER_BYTES, true);
    if (pnode >= MAX_NUMNODES && pnode !== NUMA_NO_NODE && pnode !== NONE_U32) return -ERRNO.EINVAL;
    pnodes.push(pnode >= MAX_NUMNODES ? NUMA_NO_NODE : pnode);
  }
  domain.vnodeToPnode = pnodes;
  return 0;
}
