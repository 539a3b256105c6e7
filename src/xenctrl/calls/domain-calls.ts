// Calls about domains: their life, their size, and Xen's information on them.
import { DOMCTL, HYPERCALL, SCHEDOP, SYSCTL, TRIGGER } from '../../abi/commands.js';
import {
  CREATE_AT,
  CREATE_FLAG,
  DOMAIN_FLAG,
  DOMAIN_INFO_AT,
  DOMAIN_LIST_AT,
  DOMCTL_AT,
  EMULATE_HVM,
  EMULATE_LAPIC,
  NONE_U32,
  REMOTE_SHUTDOWN_AT,
  SHUTDOWN_SHIFT,
  SYSCTL_AT,
  VCPU_INFO_AT,
} from '../../abi/layout.js';
import { readU64, writeU64 } from '../../abi/u64.js';
import { ERRNO, InputError } from '../../base/errors.js';
import type { DomainConfig, DomainInfo, VcpuInfo, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';
import { cpupoolMoveDomain } from './cpupool-calls.js';

const AT = DOMCTL_AT.union;
/**
 * As xl and xenopsd request for a guest: event channels, grant frames, maptrack frames, and grant
 * table version 2 at most.
 */
const LIMITS = { maxEventChannelPort: 1023, maxGrantFrames: 64, maxMaptrackFrames: 1024, grantVersion: 2 } as const;
const EMULATION = { pv: 0, pvh: EMULATE_LAPIC, hvm: EMULATE_HVM } as const;
const UUID_BYTES = 16;
const LIST_ENTRIES = 256;
/**
 * Xen frees a domain's memory in pieces of milliseconds; a domain of 16 TiB needs far fewer
 * attempts.
 */
const DESTROY_ATTEMPTS = 1_000_000;

export type DomainCalls = Pick<
  Xenctrl,
  | 'domainCreate'
  | 'domainMaxVcpus'
  | 'domainSetMaxmem'
  | 'domainPause'
  | 'domainUnpause'
  | 'domainShutdown'
  | 'domainPowerButton'
  | 'domainDestroy'
  | 'domainInfo'
  | 'domainList'
  | 'setPagingMempoolSize'
  | 'vcpuInfo'
>;

export function domainCalls(calls: CallBuffers): DomainCalls {
  return {
    domainCreate: (config) => domainCreate(calls, config),
    domainMaxVcpus(domid, vcpus) {
      calls.startDomctl(DOMCTL.max_vcpus, domid).setUint32(AT, vcpus, true);
      check(calls.domctl(), () => `xc_domain_max_vcpus(domid ${domid}, ${vcpus})`);
    },
    domainSetMaxmem(domid, kib) {
      writeU64(calls.startDomctl(DOMCTL.max_mem, domid), AT, kib);
      check(calls.domctl(), () => `xc_domain_setmaxmem(domid ${domid}, ${kib} KiB)`);
    },
    domainPause(domid) {
      calls.startDomctl(DOMCTL.pausedomain, domid);
      check(calls.domctl(), () => `xc_domain_pause(domid ${domid})`);
    },
    domainUnpause(domid) {
      calls.startDomctl(DOMCTL.unpausedomain, domid);
      check(calls.domctl(), () => `xc_domain_unpause(domid ${domid})`);
    },
    domainShutdown: (domid, reason) => domainShutdown(calls, domid, reason),
    domainPowerButton(domid) {
      // The vCPU, which Xen wants to exist, is 0.
      calls.startDomctl(DOMCTL.sendtrigger, domid).setUint32(AT, TRIGGER.power, true);
      check(calls.domctl(), () => `xc_domain_send_trigger(domid ${domid}, power)`);
    },
    domainDestroy: (domid) => domainDestroy(calls, domid),
    domainInfo: (domid) => domainInfo(calls, domid),
    domainList: () => domainList(calls),
    setPagingMempoolSize(domid, bytes) {
      writeU64(calls.startDomctl(DOMCTL.set_paging_mempool_size, domid), AT, bytes);
      check(calls.domctl(), () => `xc_set_paging_mempool_size(domid ${domid}, ${bytes} bytes)`);
    },
    vcpuInfo: (domid, vcpu) => vcpuInfo(calls, domid, vcpu),
  };
}

function check(result: number, call: () => string): void {
  if (result < 0) throw callError(result, call());
}

/**
 * Up to 4.16 a domain is born in Pool-0 and moved, as libxl of those versions does it; a failing
 * move leaves no domain behind.
 */
function domainCreate(calls: CallBuffers, config: DomainConfig): number {
  if (config.uuid.length !== UUID_BYTES) {
    throw new InputError(`a domain's UUID has ${UUID_BYTES} bytes, this one ${config.uuid.length}`, { path: 'uuid' });
  }
  const { abi } = calls;
  const view = calls.startDomctl(DOMCTL.createdomain, config.domid);
  calls.op.bytes.set(config.uuid, AT + CREATE_AT.handle);
  view.setUint32(AT + CREATE_AT.flags, config.kind === 'pv' ? 0 : CREATE_FLAG.hvm | CREATE_FLAG.hap | CREATE_FLAG.oosOff, true);
  view.setUint32(AT + CREATE_AT.maxVcpus, config.maxVcpus, true);
  view.setUint32(AT + CREATE_AT.maxEventChannelPort, LIMITS.maxEventChannelPort, true);
  view.setUint32(AT + CREATE_AT.maxGrantFrames, LIMITS.maxGrantFrames, true);
  view.setUint32(AT + CREATE_AT.maxMaptrackFrames, LIMITS.maxMaptrackFrames, true);
  if (abi.grantOptsAt >= 0) view.setUint32(AT + abi.grantOptsAt, LIMITS.grantVersion, true);
  view.setUint32(AT + abi.emulationFlagsAt, EMULATION[config.kind], true);
  const pool = config.cpupool ?? 0;
  if (abi.cpupoolAt >= 0) view.setUint32(AT + abi.cpupoolAt, pool, true);
  check(calls.domctl(), () => `xc_domain_create(domid ${config.domid}, ${config.kind}, ${config.maxVcpus} vCPUs, pool ${pool})`);
  const domid = view.getUint16(DOMCTL_AT.domain, true);
  if (abi.cpupoolAt < 0 && pool !== 0) {
    try {
      cpupoolMoveDomain(calls, pool, domid);
    } catch (error) {
      domainDestroy(calls, domid);
      throw error;
    }
  }
  return domid;
}

function domainShutdown(calls: CallBuffers, domid: number, reason: number): void {
  const { bytes, view, address } = calls.op;
  bytes.fill(0, 0, REMOTE_SHUTDOWN_AT.sizeBytes);
  view.setUint16(REMOTE_SHUTDOWN_AT.domid, domid, true);
  view.setUint32(REMOTE_SHUTDOWN_AT.reason, reason, true);
  const result = calls.hypercall(HYPERCALL.schedOp, SCHEDOP.remote_shutdown, address);
  check(result, () => `xc_domain_shutdown(domid ${domid}, reason ${reason})`);
}

/**
 * Xen gives the memory of a large domain back in pieces and asks to be called again (libxenctrl
 * does the same, xc_domain.c).
 */
function domainDestroy(calls: CallBuffers, domid: number): void {
  for (let attempt = 1; ; attempt++) {
    calls.startDomctl(DOMCTL.destroydomain, domid);
    const result = calls.domctl();
    if (result >= 0) return;
    const again = result === -ERRNO.EAGAIN || result === -ERRNO.ERESTART;
    if (!again || attempt === DESTROY_ATTEMPTS) throw callError(result, `xc_domain_destroy(domid ${domid})`);
  }
}

/** Up to 4.17 Xen answers for the next domain when the requested one is absent. */
function domainInfo(calls: CallBuffers, domid: number): DomainInfo | null {
  const view = calls.startDomctl(DOMCTL.getdomaininfo, domid);
  const result = calls.domctl();
  if (result === -ERRNO.ESRCH) return null;
  if (result < 0) throw callError(result, `xc_domain_getinfo(domid ${domid})`);
  return view.getUint16(DOMCTL_AT.domain, true) === domid ? readDomainInfo(view, AT) : null;
}

function domainList(calls: CallBuffers): DomainInfo[] {
  const domains: DomainInfo[] = [];
  const size = calls.abi.domainInfoBytes;
  const entries = calls.buffer('list', LIST_ENTRIES * size);
  for (let first = 0; ; ) {
    const view = calls.startSysctl(SYSCTL.getdomaininfolist);
    view.setUint16(SYSCTL_AT.union + DOMAIN_LIST_AT.first, first, true);
    view.setUint32(SYSCTL_AT.union + DOMAIN_LIST_AT.most, LIST_ENTRIES, true);
    writeU64(view, SYSCTL_AT.union + DOMAIN_LIST_AT.entries, entries.address);
    check(calls.sysctl(), () => `xc_domain_getinfolist(from domid ${first})`);
    const count = view.getUint32(SYSCTL_AT.union + DOMAIN_LIST_AT.count, true);
    for (let i = 0; i < count; i++) domains.push(readDomainInfo(entries.view, i * size));
    if (count < LIST_ENTRIES) return domains;
    first = domains[domains.length - 1]!.domid + 1;
  }
}

/** xen_domctl_getdomaininfo. */
export function readDomainInfo(view: DataView, at: number): DomainInfo {
  const flags = view.getUint32(at + DOMAIN_INFO_AT.flags, true);
  const has = (flag: number) => (flags & flag) !== 0;
  const maxVcpuId = view.getUint32(at + DOMAIN_INFO_AT.maxVcpuId, true);
  const uuidAt = view.byteOffset + at + DOMAIN_INFO_AT.handle;
  return {
    domid: view.getUint16(at + DOMAIN_INFO_AT.domain, true),
    dying: has(DOMAIN_FLAG.dying),
    hvm: has(DOMAIN_FLAG.hvm),
    paused: has(DOMAIN_FLAG.paused),
    blocked: has(DOMAIN_FLAG.blocked),
    running: has(DOMAIN_FLAG.running),
    shutdown: has(DOMAIN_FLAG.shutdown) ? flags >>> SHUTDOWN_SHIFT : null,
    totPages: readU64(view, at + DOMAIN_INFO_AT.totPages),
    maxPages: readU64(view, at + DOMAIN_INFO_AT.maxPages),
    outstandingPages: readU64(view, at + DOMAIN_INFO_AT.outstanding),
    onlineVcpus: view.getUint32(at + DOMAIN_INFO_AT.onlineVcpus, true),
    maxVcpuId: maxVcpuId === NONE_U32 ? -1 : maxVcpuId,
    cpuTimeNs: readU64(view, at + DOMAIN_INFO_AT.cpuTime),
    uuid: new Uint8Array(view.buffer, uuidAt, UUID_BYTES).slice(),
    cpupool: view.getUint32(at + DOMAIN_INFO_AT.cpupool, true),
  };
}

function vcpuInfo(calls: CallBuffers, domid: number, vcpu: number): VcpuInfo {
  const view = calls.startDomctl(DOMCTL.getvcpuinfo, domid);
  view.setUint32(AT + VCPU_INFO_AT.vcpu, vcpu, true);
  check(calls.domctl(), () => `xc_vcpu_getinfo(domid ${domid}, vcpu ${vcpu})`);
  return {
    online: view.getUint8(AT + VCPU_INFO_AT.online) !== 0,
    blocked: view.getUint8(AT + VCPU_INFO_AT.blocked) !== 0,
    running: view.getUint8(AT + VCPU_INFO_AT.running) !== 0,
    cpuTimeNs: readU64(view, AT + VCPU_INFO_AT.cpuTime),
    cpu: view.getUint32(AT + VCPU_INFO_AT.cpu, true),
  };
}
