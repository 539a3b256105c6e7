// do_sysctl(): checks and dispatch (xen/common/sysctl.c). Box of the chart: Xen hypervisor.
import { SYSCTL } from '../abi/commands.js';
import { ERRNO } from '../errors.js';
import { cpuOffline, cpuOnline } from './cpu-hotplug.js';
import { dumpNuma } from './dump-numa.js';
import { buffer, type GuestMemory, readWord } from './guest-memory.js';
import type { Hypervisor } from './hypervisor.js';
import { cpupoolOp } from './sysctl-cpupool.js';
import { availHeap, cpuTopoInfo, numaInfo, physInfo } from './sysctl-info.js';

const SIZE_BYTES = 136;
const UNION = 8;
const HOTPLUG = { online: 0, offline: 1 } as const;

/** Order of checks: EFAULT, EACCES for the version, then the command. */
export function doSysctl(xen: Hypervisor, memory: GuestMemory, address: number): number {
  const found = buffer(memory, address, SIZE_BYTES);
  if (found === undefined) return -ERRNO.EFAULT;
  const { view } = found;
  const base = address - found.address;
  if (view.getUint32(base + 4, true) !== xen.version.sysctl) return -ERRNO.EACCES;
  const at = base + UNION;
  switch (view.getUint32(base, true)) {
    case SYSCTL.physinfo:
      return physInfo(xen, view, at);
    case SYSCTL.numainfo:
      return numaInfo(xen, memory, view, at);
    case SYSCTL.cputopoinfo:
      return cpuTopoInfo(xen, memory, view, at);
    case SYSCTL.availheap:
      return availHeap(xen, view, at);
    case SYSCTL.cpupool_op:
      return cpupoolOp(xen, memory, view, at);
    case SYSCTL.cpu_hotplug: {
      const cpu = view.getUint32(at, true);
      const op = view.getUint32(at + 4, true);
      if (op === HOTPLUG.online) return cpuOnline(xen, cpu);
      return op === HOTPLUG.offline ? cpuOffline(xen, cpu) : -ERRNO.EOPNOTSUPP;
    }
    case SYSCTL.debug_keys:
      return debugKeys(xen, memory, view, at);
    case SYSCTL.readconsole:
      return readConsole(xen, memory, view, at);
    default:
      return -ERRNO.ENOSYS;
  }
}

function debugKeys(xen: Hypervisor, memory: GuestMemory, view: DataView, at: number): number {
  const count = view.getUint32(at + 8, true);
  if (count === 0) return 0;
  const address = readWord(view, at);
  const found = buffer(memory, address, count);
  if (found === undefined) return -ERRNO.EFAULT;
  for (let i = 0; i < count; i++) {
    if (found.bytes[address - found.address + i] === 'u'.charCodeAt(0)) dumpNuma(xen);
  }
  return 0;
}

function readConsole(xen: Hypervisor, memory: GuestMemory, view: DataView, at: number): number {
  const clear = view.getUint8(at) !== 0;
  const incremental = view.getUint8(at + 1) !== 0;
  const address = readWord(view, at + 8);
  const size = view.getUint32(at + 16, true);
  const found = size === 0 ? undefined : buffer(memory, address, size);
  if (size > 0 && found === undefined) return -ERRNO.EFAULT;
  const start = found === undefined ? 0 : address - found.address;
  const into = found === undefined ? new Uint8Array(0) : found.bytes.subarray(start, start + size);
  const { count, index } = xen.console.read(into, incremental, view.getUint32(at + 4, true), clear);
  view.setUint32(at + 4, index, true);
  view.setUint32(at + 16, count, true);
  return 0;
}
