// All of a guest's memory, as libxenguest requests it: memory, then special pages (xg_dom_x86.c,
// 4.17). The toolstack's claim is cancelled.
import { XenError } from '../../base/errors.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { VnodeMemory } from '../xenguest.js';
import { Extents } from './extents.js';
import {
  type ContainerKind,
  HVM_CONSOLE_PFN,
  HVM_STORE_PFN,
  PAGES_A_MIB,
  type PfnRange,
  pfnRanges,
  specialRanges,
  startPages,
} from './guest-pages.js';
import { populateHvmRange, populatePvRange, type Turn } from './populate-ranges.js';

export interface GuestMemoryRequest {
  readonly domid: number;
  readonly kind: ContainerKind;
  readonly memMaxMib: number;
  /**
   * If it is less than memMaxMib, an HVM container is populated on demand and only this much is
   * allocated; a PV guest gets only this much.
   */
  readonly memStartMib: number;
  /** No other node is allowed for the guest's memory; its special pages may come from others. */
  readonly exactNode: number | null;
  /** Virtual nodes, in order, with all of the memory together; [] without vNUMA. */
  readonly vnodes?: readonly VnodeMemory[];
}

export interface PopulatedGuest {
  readonly storePfn: number;
  readonly consolePfn: number;
  /** Extents by size. */
  readonly counts: { readonly gib: number; readonly mib2: number; readonly kib4: number };
  readonly onDemand: boolean;
  /** Pages outside the guest's memory. */
  readonly specialPages: number;
}

/**
 * @throws XenError whose `call` is the step of the library that failed: xc_dom_boot_mem_init (EBUSY
 * when memory runs out, ENOMEM when the cache of populate on demand cannot be had) or
 * xc_dom_build_image (special pages). Populated memory stays, for the toolstack to destroy with the
 * domain.
 */
export async function populateGuest(xc: Xenctrl, request: GuestMemoryRequest, turn: Turn): Promise<PopulatedGuest> {
  const { domid, kind } = request;
  const onDemand = kind !== 'pv' && request.memStartMib < request.memMaxMib;
  const extents = new Extents(xc, domid, { exactNode: request.exactNode, onDemand });
  try {
    await bootMemInit(xc, request, extents, onDemand, turn);
  } catch (error) {
    throw libraryError(error, 'xc_dom_boot_mem_init');
  } finally {
    // The library cancels the rest of a claim; here the claim is the toolstack's.
    xc.domainClaimPages(domid, 0);
  }
  const special = new Extents(xc, domid, { exactNode: null, onDemand: false });
  const ranges = specialRanges(kind);
  try {
    for (const { start, end } of ranges) special.allPages(start, end - start);
  } catch (error) {
    // Measured: a guest without room for its special pages ends with EINVAL, whatever
    // populate_physmap_exact() said.
    throw libraryError(error, 'xc_dom_build_image', 'EINVAL');
  }
  const pages = specialPfns(kind, extents);
  return { ...pages, counts: extents.counts, onDemand, specialPages: ranges.reduce((sum, { start, end }) => sum + end - start, 0) };
}

async function bootMemInit(xc: Xenctrl, request: GuestMemoryRequest, extents: Extents, onDemand: boolean, turn: Turn): Promise<void> {
  const { domid, kind } = request;
  if (onDemand) xc.domainSetPodTarget(domid, startPages(kind, request.memStartMib));
  const ranges = pfnRanges(kind, (kind === 'pv' ? request.memStartMib : request.memMaxMib) * PAGES_A_MIB);
  for (const { range, node } of nodeRanges(ranges, request.vnodes ?? [])) {
    if (node !== undefined) extents.useNode(node);
    await populateRange(extents, kind, range, turn);
  }
}

/**
 * The ranges, divided at the borders of the virtual nodes, whose memory is consecutive
 * (libxl_vnuma.c, libxl__vnuma_build_vmemrange_hvm).
 */
export function nodeRanges(ranges: readonly PfnRange[], vnodes: readonly VnodeMemory[]): { range: PfnRange; node?: number }[] {
  if (vnodes.length === 0) return ranges.map((range) => ({ range }));
  const parts: { range: PfnRange; node?: number }[] = [];
  const left = vnodes.map((vnode) => ({ ...vnode }));
  for (const range of ranges) {
    let { start } = range;
    for (const vnode of left) {
      const pages = Math.min(vnode.pages, range.end - start);
      if (pages === 0) continue;
      parts.push({ range: { start, end: start + pages }, node: vnode.node });
      vnode.pages -= pages;
      start += pages;
    }
  }
  return parts;
}

async function populateRange(extents: Extents, kind: ContainerKind, range: PfnRange, turn: Turn): Promise<void> {
  if (kind === 'pv') await populatePvRange(extents, range, turn);
  else await populateHvmRange(extents, range, kind === 'hvm', turn);
}

function libraryError(error: unknown, call: string, errno?: 'EINVAL'): unknown {
  return error instanceof XenError ? new XenError(errno ?? error.errno, call, error.message) : error;
}

/**
 * In a PV guest they are machine frames within its memory, behind its kernel. No kernel is loaded
 * here, so they are those of its second and third page.
 */
function specialPfns(kind: ContainerKind, extents: Extents): { readonly storePfn: number; readonly consolePfn: number } {
  if (kind !== 'pv') return { storePfn: HVM_STORE_PFN, consolePfn: HVM_CONSOLE_PFN };
  const [first = 0, second, third] = extents.firstMfns;
  const inPages = extents.counts.mib2 === 0 && second !== undefined && third !== undefined;
  return inPages ? { storePfn: second, consolePfn: third } : { storePfn: first + 1, consolePfn: first + 2 };
}
