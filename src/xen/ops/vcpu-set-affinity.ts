// Hard and soft affinity of a vCPU, set and read (xen/common/sched/core.c:1353-1393 and 1670-1788).
// Box of the chart: `vcpu_set_affinity`.

import { AFFINITY_AT, AFFINITY_FLAG } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import type { Bitset } from '../../base/bitset.js';
import { ERRNO } from '../../base/errors.js';
import type { CpuId } from '../../base/ids.js';
import { NO_FLOW } from '../../flow/record.js';
import type { Domain, Vcpu } from '../state/domain.js';
import { type GuestMemory, readBitmap, writeBitmap } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';
import { domainUpdateNodeAffinity } from './domain-update-node-affinity.js';

const { hard: HARD, soft: SOFT, force: FORCE } = AFFINITY_FLAG;
const { vcpu: VCPU, flags: FLAGS, hard: HARD_MAP, soft: SOFT_MAP } = AFFINITY_AT;

/** XEN_DOMCTL_setvcpuaffinity and getvcpuaffinity; `at` is the offset of the union. */
export function vcpuAffinityDomctl(xen: XenState, domain: Domain, memory: GuestMemory, view: DataView, at: number, set: boolean): number {
  const index = view.getUint32(at + VCPU, true);
  if (index >= domain.config.maxVcpus) return -ERRNO.EINVAL;
  const vcpu = domain.vcpus[index];
  if (vcpu === undefined) return -ERRNO.ESRCH;
  const flags = view.getUint32(at + FLAGS, true);
  if (flags === 0) return -ERRNO.EINVAL;
  if ((flags & HARD) !== 0 && readU64(view, at + HARD_MAP) === 0) return -ERRNO.EINVAL;
  if ((flags & SOFT) !== 0 && readU64(view, at + SOFT_MAP) === 0) return -ERRNO.EINVAL;
  if (set) return setAffinity(xen, domain, vcpu, memory, view, at, flags);
  const hard = (flags & HARD) === 0 ? 0 : copyOut(memory, view, at + HARD_MAP, vcpu.hard);
  return (flags & SOFT) === 0 ? hard : bothResults(xen, hard, copyOut(memory, view, at + SOFT_MAP, vcpu.soft));
}

function copyOut(memory: GuestMemory, view: DataView, at: number, mask: Bitset): number {
  return writeBitmap(memory, view, at, mask) ? 0 : -ERRNO.EFAULT;
}

/** The soft half is done in any case; whether its result hides the hard one's is the version's. */
function bothResults({ version }: XenState, hard: number, soft: number): number {
  return version.keepsHardError && hard !== 0 ? hard : soft;
}

/**
 * Stores the full requested masks, and writes back what they come to: online & hard, and requested
 * & online & hard for soft. A failing soft half rolls the hard one back, but the caller's hard
 * buffer already holds the effective mask.
 */
function setAffinity(xen: XenState, domain: Domain, vcpu: Vcpu, memory: GuestMemory, view: DataView, at: number, flags: number): number {
  const { requested, effective, oldHard } = xen.scratch;
  if ((flags & FORCE) !== 0) unpin(vcpu);
  let hardResult = 0;
  oldHard.words.set(vcpu.hard.words);
  if ((flags & HARD) !== 0) {
    if (!readBitmap(memory, view, at + HARD_MAP, requested)) return -ERRNO.EFAULT;
    hardResult = setHardAffinity(xen, domain, vcpu, requested);
    if (hardResult !== 0) return hardResult;
    effective.words.set(vcpu.hard.words);
    effective.and(domain.pool.cpus);
    hardResult = copyOut(memory, view, at + HARD_MAP, effective);
  }
  if ((flags & SOFT) === 0) return hardResult;
  let result = readBitmap(memory, view, at + SOFT_MAP, requested) ? 0 : -ERRNO.EFAULT;
  if (result === 0) result = storeMask(xen, domain, vcpu, vcpu.soft, requested);
  if (result !== 0) {
    if ((flags & HARD) !== 0) setHardAffinity(xen, domain, vcpu, oldHard);
    return bothResults(xen, hardResult, result);
  }
  requested.and(domain.pool.cpus).and(vcpu.hard);
  return bothResults(xen, hardResult, copyOut(memory, view, at + SOFT_MAP, requested));
}

/**
 * The errno of an empty effective mask: EINVAL, because a hard mask must name a CPU of the domain's
 * pool.
 */
function setHardAffinity(xen: XenState, domain: Domain, vcpu: Vcpu, mask: Bitset): number {
  if (!mask.intersects(domain.pool.cpus)) return -ERRNO.EINVAL;
  return storeMask(xen, domain, vcpu, vcpu.hard, mask);
}

function storeMask(xen: XenState, domain: Domain, vcpu: Vcpu, which: Bitset, mask: Bitset): number {
  const { flow } = xen;
  const recorded = flow !== NO_FLOW;
  if (recorded) flow.edge('do_domctl -> vcpu_set_affinity');
  const pinned = vcpu.unpinned !== null;
  if (!pinned) which.words.set(mask.words);
  if (recorded) {
    const kind = which === vcpu.hard ? 'hard' : 'soft';
    const [hard, soft] = [vcpu.hard.toString(), vcpu.soft.toString()];
    flow.node('vcpu_set_affinity', { domid: domain.id, vcpu: vcpu.id, kind, requested: mask.toString(), hard, soft, pinned });
    flow.edge('vcpu_set_affinity -> domain_update_node_aff');
  }
  domainUpdateNodeAffinity(xen, domain);
  return pinned ? -ERRNO.EBUSY : 0;
}

/**
 * Ends a temporary pin: the hard mask from before it comes back. @returns false when there was none
 */
export function unpin(vcpu: Vcpu): boolean {
  if (vcpu.unpinned === null) return false;
  vcpu.hard.copyFrom(vcpu.unpinned);
  vcpu.unpinned = null;
  return true;
}

/**
 * SCHEDOP_pin_override of a vCPU of the caller: one CPU as its hard mask until it is undone;
 * negative = undo. Neither looks at the domain's nodes (vcpu_temporary_affinity).
 */
export function pinOverride(xen: XenState, domain: Domain, vcpu: Vcpu, cpu: CpuId): number {
  if (cpu < 0) return unpin(vcpu) ? 0 : -ERRNO.EINVAL;
  if (cpu >= xen.nrCpuIds) return -ERRNO.EINVAL;
  if (vcpu.unpinned !== null) return -ERRNO.EBUSY;
  if (!domain.pool.cpus.has(cpu)) return -ERRNO.EINVAL;
  vcpu.unpinned = vcpu.hard.clone();
  domain.wasPinned = true;
  vcpu.hard.clear().add(cpu);
  return 0;
}
