// Calls about memory: claims, and memory for a domain.
import { XENMEM } from '../../abi/commands.js';
import { NODE_BITS, POD_TARGET_AT } from '../../abi/layout.js';
import { FRAME_BYTES, MEMF, memFlagsOfNode, RESERVATION_BYTES, type Reservation, writeReservation } from '../../abi/reservation.js';
import { readU64, writeU64 } from '../../abi/u64.js';
import { InputError } from '../../base/errors.js';
import type { PopulateRequest, PopulateResult, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

/**
 * More in one call Xen refuses as a whole: a continuation could not count them
 * (xen/common/memory.c).
 */
const MAX_EXTENTS = 2 ** 26 - 1;

export type MemoryCalls = Pick<Xenctrl, 'domainClaimPages' | 'domainSetPodTarget' | 'domainPopulatePhysmap'>;

export function memoryCalls(calls: CallBuffers): MemoryCalls {
  return {
    domainClaimPages(domid, pages, node) {
      startReservation(calls, { domid, extentStart: 0, extents: pages, order: 0, memFlags: node === undefined ? 0 : onNode(node, true) });
      const result = calls.memoryOp(XENMEM.claim_pages);
      const where = node === undefined ? '' : `, node ${node}`;
      if (result < 0) throw callError(result, `xc_domain_claim_pages(domid ${domid}, ${pages} pages${where})`);
    },
    domainSetPodTarget(domid, pages) {
      const { bytes, view } = calls.op;
      bytes.fill(0, 0, POD_TARGET_AT.sizeBytes);
      writeU64(view, POD_TARGET_AT.target, pages);
      view.setUint16(POD_TARGET_AT.domid, domid, true);
      const result = calls.memoryOp(XENMEM.set_pod_target);
      if (result < 0) throw callError(result, `xc_domain_set_pod_target(domid ${domid}, ${pages} pages)`);
    },
    domainPopulatePhysmap: (domid, request) => populate(calls, domid, request),
  };
}

function populate(calls: CallBuffers, domid: number, request: PopulateRequest): PopulateResult {
  const { extents, order, node, vnode } = request;
  if (extents > MAX_EXTENTS)
    throw new InputError(`${extents} extents are more than the ${MAX_EXTENTS} of one call`, {}, 'ask in several calls');
  if (node !== undefined && vnode !== undefined)
    throw new InputError('memory on a node and on a virtual node at once', {}, 'give one of them');
  if (extents === 0) return { done: 0, mfns: request.wantMfns === true ? [] : null };
  const list = calls.buffer('extents', extents * FRAME_BYTES);
  const first = request.firstPfn ?? 0;
  const extentPages = 2 ** order;
  for (let i = 0; i < extents; i++) writeU64(list.view, i * FRAME_BYTES, first + i * extentPages);
  const exact = request.exactNode === true;
  let memFlags = request.onDemand === true ? MEMF.populateOnDemand : 0;
  if (node !== undefined) memFlags |= onNode(node, exact);
  if (vnode !== undefined) memFlags |= onNode(vnode, exact) | MEMF.vnode;
  startReservation(calls, { domid, extentStart: list.address, extents, order, memFlags });
  const done = calls.memoryOp(XENMEM.populate_physmap);
  if (done < 0) throw callError(done, `xc_domain_populate_physmap(domid ${domid}, ${extents} extents of order ${order})`);
  const mfns = request.wantMfns === true ? Array.from({ length: done }, (_, i) => readU64(list.view, i * FRAME_BYTES)) : null;
  calls.trim('extents');
  return { done, mfns };
}

function onNode(node: number, exact: boolean): number {
  if (!Number.isInteger(node) || node < 0 || node >= NODE_BITS) throw new InputError(`node ${node} is not in 0-${NODE_BITS - 1}`, {});
  return memFlagsOfNode(node, exact);
}

function startReservation(calls: CallBuffers, reservation: Reservation): void {
  const { bytes, view } = calls.op;
  bytes.fill(0, 0, RESERVATION_BYTES);
  writeReservation(view, 0, reservation);
}
