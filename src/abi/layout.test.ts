// Offsets and numbers of Xen's public headers (xen/include/public/), as a C program gets them. They
// are taken from the headers, not from layout.ts.

import { describe, expect, test } from 'vitest';
import { DOMID_FIRST_RESERVED, DOMID_SELF } from '../base/ids.js';
import * as commands from './commands.js';
import * as layout from './layout.js';
import { readU64, writeNoneU64, writeU64 } from './u64.js';

describe('domctl.h', () => {
  test('the head and the bitmap', () => {
    expect(layout.DOMCTL_AT).toEqual({ cmd: 0, version: 4, domain: 8, union: 16, sizeBytes: 144 });
    expect(layout.BITMAP_AT).toEqual({ handle: 0, bits: 8, sizeBytes: 16 });
  });
  test('createdomain', () => {
    expect(layout.CREATE_AT).toEqual({
      ssidref: 0,
      handle: 4,
      flags: 20,
      iommuOpts: 24,
      maxVcpus: 28,
      maxEventChannelPort: 32,
      maxGrantFrames: 36,
      maxMaptrackFrames: 40,
    });
    expect(layout.CREATE_FLAG).toEqual({ hvm: 1, hap: 2, s3Integrity: 4, oosOff: 8, xenstoreDomain: 16, iommu: 32 });
    expect(layout.EMULATE_LAPIC).toBe(1);
  });
  test('getdomaininfo', () => {
    expect(layout.DOMAIN_INFO_AT).toEqual({
      domain: 0,
      flags: 4,
      totPages: 8,
      maxPages: 16,
      outstanding: 24,
      shared: 32,
      paged: 40,
      sharedInfoFrame: 48,
      cpuTime: 56,
      onlineVcpus: 64,
      maxVcpuId: 68,
      ssidref: 72,
      handle: 76,
      cpupool: 92,
      gpaddrBits: 96,
    });
    expect(layout.DOMAIN_FLAG).toEqual({
      dying: 1,
      hvm: 2,
      shutdown: 4,
      paused: 8,
      blocked: 16,
      running: 32,
      debugged: 64,
      xenstoreDomain: 128,
      hap: 256,
    });
    expect(layout.SHUTDOWN_SHIFT).toBe(16);
  });
  test('vCPUs, scheduler and vNUMA', () => {
    expect(layout.AFFINITY_AT).toEqual({ vcpu: 0, flags: 4, hard: 8, soft: 24 });
    expect(layout.AFFINITY_FLAG).toEqual({ hard: 1, soft: 2, force: 4 });
    expect(layout.NODE_BITS).toBe(64);
    expect(layout.VCPU_INFO_AT).toEqual({ vcpu: 0, online: 4, blocked: 5, running: 6, cpuTime: 8, cpu: 16 });
    expect(layout.SCHEDULER_OP_AT).toEqual({ scheduler: 0, cmd: 4, weight: 8, cap: 10 });
    expect(layout.SCHEDULER_OP).toEqual({ put: 0, get: 1 });
    expect(layout.SCHEDULER_KEEP).toEqual({ weight: 0, cap: 0xffff });
    expect(layout.VNUMA_AT).toEqual({
      vnodes: 0,
      ranges: 4,
      vcpus: 8,
      pad: 12,
      distances: 16,
      vcpuToVnode: 24,
      vnodeToPnode: 32,
      memory: 40,
      rangeBytes: 24,
    });
    expect(layout.VNUMA_RANGE_AT).toEqual({ start: 0, end: 8, flags: 16, nid: 20 });
    expect(layout.VNUMA_TOPOLOGY_AT).toEqual({
      ...{ domid: 0, pad: 2, vnodes: 4, vcpus: 8, ranges: 12 },
      ...{ distances: 16, vcpuToVnode: 24, memory: 32, sizeBytes: 40 },
    });
  });
  test('command numbers', () => {
    expect(commands.DOMCTL).toEqual({
      createdomain: 1,
      destroydomain: 2,
      pausedomain: 3,
      unpausedomain: 4,
      getdomaininfo: 5,
      setvcpuaffinity: 9,
      max_mem: 11,
      getvcpuinfo: 14,
      max_vcpus: 15,
      scheduler_op: 16,
      getvcpuaffinity: 25,
      resumedomain: 27,
      sendtrigger: 28,
      setnodeaffinity: 68,
      getnodeaffinity: 69,
      setvnumainfo: 74,
      soft_reset: 79,
      set_paging_mempool_size: 86,
    });
    expect(commands.SCHEDULERS).toEqual({ credit: 5, credit2: 6, arinc653: 7, rtds: 8, null: 9 });
  });
});

describe('sysctl.h', () => {
  test('the head and the machine', () => {
    expect(layout.SYSCTL_AT).toEqual({ cmd: 0, version: 4, union: 8, sizeBytes: 136 });
    expect(layout.PHYSINFO_AT).toEqual({
      threadsPerCore: 0,
      coresPerSocket: 4,
      cpus: 8,
      maxCpuId: 12,
      nodes: 16,
      maxNodeId: 20,
      khz: 24,
      capabilities: 28,
      archCapabilities: 32,
    });
    expect(layout.PHYSINFO_PAGES_AT).toEqual({ total: 0, free: 8, scrub: 16, outstanding: 24, maxMfn: 32, hwCap: 40 });
    expect(layout.PHYSCAP).toEqual({ hvm: 1, pv: 2, directio: 4, hap: 8, shadow: 16 });
    expect([layout.NUMAINFO_AT, layout.MEMINFO_AT]).toEqual([
      { nodes: 0, memory: 8, distances: 16 },
      { size: 0, free: 8, sizeBytes: 16 },
    ]);
    expect([layout.CPUTOPOINFO_AT, layout.CPUTOPO_AT]).toEqual([
      { cpus: 0, entries: 8 },
      { core: 0, socket: 4, node: 8, sizeBytes: 12 },
    ]);
    expect(layout.AVAILHEAP_AT).toEqual({ minBits: 0, maxBits: 4, node: 8, bytes: 16 });
  });
  test('pools, lists, hotplug and the console', () => {
    expect(layout.CPUPOOL_AT).toEqual({ op: 0, pool: 4, scheduler: 8, domid: 12, cpu: 16, domains: 20, cpumap: 24 });
    expect(commands.CPUPOOL_OP).toEqual({ create: 1, destroy: 2, info: 3, addcpu: 4, rmcpu: 5, movedomain: 6, freeinfo: 7 });
    expect(layout.DOMAIN_LIST_AT).toEqual({ first: 0, most: 4, entries: 8, count: 16 });
    expect(layout.DEBUG_KEYS_AT).toEqual({ keys: 0, count: 8 });
    expect(layout.CPUINFO_AT).toEqual({ most: 0, entries: 8, count: 16, entryBytes: 8 });
    expect(layout.READCONSOLE_AT).toEqual({ clear: 0, incremental: 1, index: 4, buffer: 8, count: 16 });
    expect([layout.CPU_HOTPLUG_AT, layout.CPU_HOTPLUG_OP]).toEqual([
      { cpu: 0, op: 4 },
      { online: 0, offline: 1 },
    ]);
  });
  test('command numbers', () => {
    expect(commands.SYSCTL).toEqual({
      readconsole: 1,
      physinfo: 3,
      getdomaininfolist: 6,
      debug_keys: 7,
      getcpuinfo: 8,
      availheap: 9,
      cpu_hotplug: 11,
      cputopoinfo: 16,
      numainfo: 17,
      cpupool_op: 18,
    });
  });
});

test('xen.h, memory.h, sched.h, event_channel.h and hvm_op.h', () => {
  expect(commands.HYPERCALL).toEqual({
    memoryOp: 12,
    xenVersion: 17,
    schedOp: 29,
    eventChannelOp: 32,
    hvmOp: 34,
    sysctl: 35,
    domctl: 36,
  });
  expect(commands.XENMEM).toEqual({ populate_physmap: 6, set_pod_target: 16, claim_pages: 24, get_vnumainfo: 26 });
  expect(commands.SCHEDOP).toEqual({ remote_shutdown: 4, pin_override: 7 });
  expect([DOMID_FIRST_RESERVED, DOMID_SELF]).toEqual([0x7ff0, 0x7ff0]);
  expect(layout.POD_TARGET_AT).toEqual({ target: 0, totPages: 8, cachePages: 16, entries: 24, domid: 32, sizeBytes: 40 });
  expect(layout.REMOTE_SHUTDOWN_AT).toEqual({ domid: 0, reason: 4, sizeBytes: 8 });
  expect(layout.ALLOC_UNBOUND_AT).toEqual({ domid: 0, remoteDomid: 2, port: 4, sizeBytes: 8 });
  expect(layout.HVM_PARAM_AT).toEqual({ domid: 0, index: 4, value: 8, sizeBytes: 16 });
});

test('64-bit words are little endian', () => {
  const view = new DataView(new ArrayBuffer(24));
  writeU64(view, 8, 0x1_2345_6789_abcd);
  expect(Buffer.from(view.buffer).toString('hex')).toBe('0000000000000000cdab8967452301000000000000000000');
  expect(readU64(view, 8)).toBe(0x1_2345_6789_abcd);
  writeNoneU64(view, 16);
  expect(view.getBigUint64(16, true)).toBe(2n ** 64n - 1n);
});
