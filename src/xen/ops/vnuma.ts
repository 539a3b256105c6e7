// Virtual NUMA of a domain (xen/common/domctl.c, vnuma_init()): only where its virtual nodes are is kept. Box of the chart: Xen hypervisor.
import { VNUMA_AT as AT } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE } from '../state/domain.js';
import { buffer, type GuestMemory, readWord } from '../state/guest-memory.js';

export function setVnumaInfo(domain: Domain, memory: GuestMemory, view: DataView, at: number): number {
  const vnodes = view.getUint32(at + AT.vnodes, true);
  const ranges = view.getUint32(at + AT.ranges, true);
  const vcpus = view.getUint32(at + AT.vcpus, true);
  if (vnodes === 0 || ranges === 0 || vcpus !== domain.config.maxVcpus || view.getUint32(at + AT.pad, true) !== 0) return -ERRNO.EINVAL;
  const arrays = [
    { at: AT.distances, bytes: vnodes * vnodes * 4 },
    { at: AT.vcpuToVnode, bytes: vcpus * 4 },
    { at: AT.vnodeToPnode, bytes: vnodes * 4 },
    { at: AT.memory, bytes: ranges * AT.rangeBytes },
  ];
  if (arrays.some((array) => readWord(view, at + array.at) === 0)) return -ERRNO.EINVAL;
  for (const array of arrays) {
    if (buffer(memory, readWord(view, at + array.at), array.bytes) === undefined) return -ERRNO.EFAULT;
  }
  const address = readWord(view, at + AT.vnodeToPnode);
  const found = buffer(memory, address, vnodes * 4)!;
  const pnodes: number[] = [];
  for (let i = 0; i < vnodes; i++) {
    const pnode = found.view.getUint32(address - found.address + i * 4, true);
    if (pnode >= MAX_NUMNODES && pnode !== NUMA_NO_NODE && pnode !== 0xffffffff) return -ERRNO.EINVAL;
    pnodes.push(pnode >= MAX_NUMNODES ? NUMA_NO_NODE : pnode);
  }
  domain.vnodeToPnode = pnodes;
  return 0;
}
