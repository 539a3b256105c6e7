// do_sysctl(): checks and dispatch (xen/common/sysctl.c).
import { SYSCTL } from '../../abi/commands.js';
import { CPU_HOTPLUG_AT, CPU_HOTPLUG_OP, DEBUG_KEYS_AT, READCONSOLE_AT, SYSCTL_AT } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';
import { domainInfoList } from './domain-info.js';
import { dumpNuma } from './dump-numa.js';
import { cpuOffline, cpuOnline } from './pools/cpu-hotplug.js';
import { cpupoolOp } from './pools/sysctl-cpupool.js';
import { availHeap, cpuTopoInfo, numaInfo, physInfo } from './sysctl-info.js';

const { sizeBytes: SIZE_BYTES, union: UNION } = SYSCTL_AT;

/** Order of checks: EFAULT, EACCES for the version, then the command. */
export function doSysctl(xen: XenState, memory: GuestMemory, address: number): number {
  const found = buffer(memory, address, SIZE_BYTES);
  if (found === undefined) return -ERRNO.EFAULT;
  const { view } = found;
  const base = address - found.address;
  if (view.getUint32(base + SYSCTL_AT.version, true) !== xen.version.sysctl) return -ERRNO.EACCES;
  const at = base + UNION;
  switch (view.getUint32(base + SYSCTL_AT.cmd, true)) {
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
      const cpu = view.getUint32(at + CPU_HOTPLUG_AT.cpu, true);
      const op = view.getUint32(at + CPU_HOTPLUG_AT.op, true);
      xen.affinityGroups.allChanged();
      if (op === CPU_HOTPLUG_OP.online) return cpuOnline(xen, cpu);
      return op === CPU_HOTPLUG_OP.offline ? cpuOffline(xen, cpu) : -ERRNO.EOPNOTSUPP;
    }
    case SYSCTL.getdomaininfolist:
      return domainInfoList(xen, memory, view, at);
    case SYSCTL.debug_keys:
      return debugKeys(xen, memory, view, at);
    case SYSCTL.readconsole:
      return readConsole(xen, memory, view, at);
    default:
      return -ERRNO.ENOSYS;
  }
}

function debugKeys(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const count = view.getUint32(at + DEBUG_KEYS_AT.count, true);
  if (count === 0) return 0;
  const address = readU64(view, at + DEBUG_KEYS_AT.keys);
  const found = buffer(memory, address, count);
  if (found === undefined) return -ERRNO.EFAULT;
  for (let i = 0; i < count; i++) {
    if (found.bytes[address - found.address + i] === 'u'.charCodeAt(0)) dumpNuma(xen);
  }
  return 0;
}

function readConsole(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const clear = view.getUint8(at + READCONSOLE_AT.clear) !== 0;
  const incremental = view.getUint8(at + READCONSOLE_AT.incremental) !== 0;
  const address = readU64(view, at + READCONSOLE_AT.buffer);
  const size = view.getUint32(at + READCONSOLE_AT.count, true);
  const found = size === 0 ? undefined : buffer(memory, address, size);
  if (size > 0 && found === undefined) return -ERRNO.EFAULT;
  const start = found === undefined ? 0 : address - found.address;
  const into = found === undefined ? new Uint8Array(0) : found.bytes.subarray(start, start + size);
  const { count, index } = xen.console.read(into, incremental, view.getUint32(at + READCONSOLE_AT.index, true), clear);
  view.setUint32(at + READCONSOLE_AT.index, index, true);
  view.setUint32(at + READCONSOLE_AT.count, count, true);
  return 0;
}
