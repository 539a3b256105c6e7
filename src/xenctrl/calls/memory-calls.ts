// Calls about memory: claims, and memory for a domain. Box of the chart: libxenctrl, at what `domain_node_affinity` is for.
import { XENMEM } from '../../abi/commands.js';
import { MEMF, NODE_BITS, POD_TARGET_AT, RESERVATION_AT } from '../../abi/layout.js';
import { readWord, writeWord } from '../../abi/words.js';
import { InputError } from '../../base/errors.js';
import type { PopulateRequest, PopulateResult, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

/** More in one call Xen refuses as a whole: a continuation could not count them (xen/common/memory.c). */
const MAX_EXTENTS = 2 ** 26 - 1;

export type MemoryCalls = Pick<Xenctrl, 'domainClaimPages' | 'domainSetPodTarget' | 'domainPopulatePhysmap'>;

export function memoryCalls(calls: CallBuffers): MemoryCalls {
  return {
    domainClaimPages(domid, pages, node) {
      startReservation(calls, { domid, start: 0, extents: pages, order: 0, memFlags: node === undefined ? 0 : onNode(node, true) });
      const result = calls.memoryOp(XENMEM.claim_pages);
      const where = node === undefined ? '' : `, node ${node}`;
      if (result < 0) throw callError(result, `xc_domain_claim_pages(domid ${domid}, ${pages} pages${where})`);
    },
    domainSetPodTarget(domid, pages) {
      const { bytes, view } = calls.op;
      bytes.fill(0, 0, POD_TARGET_AT.sizeBytes);
      writeWord(view, POD_TARGET_AT.target, pages);
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
  const list = calls.buffer('extents', extents * 8);
  const first = request.firstPfn ?? 0;
  const extentPages = 2 ** order;
  for (let i = 0; i < extents; i++) writeWord(list.view, i * 8, first + i * extentPages);
  const onDemand = request.onDemand === true ? MEMF.populateOnDemand : 0;
  const exact = request.exactNode === true;
  const where = node !== undefined ? onNode(node, exact) : vnode !== undefined ? onNode(vnode, exact) | MEMF.vnode : 0;
  const memFlags = where | onDemand;
  startReservation(calls, { domid, start: list.address, extents, order, memFlags });
  const done = calls.memoryOp(XENMEM.populate_physmap);
  if (done < 0) throw callError(done, `xc_domain_populate_physmap(domid ${domid}, ${extents} extents of order ${order})`);
  const mfns = request.wantMfns === true ? Array.from({ length: done }, (_, i) => readWord(list.view, i * 8)) : null;
  calls.trim('extents');
  return { done, mfns };
}

function onNode(node: number, exact: boolean): number {
  if (!Number.isInteger(node) || node < 0 || node >= NODE_BITS) throw new InputError(`node ${node} is not in 0-${NODE_BITS - 1}`, {});
  return ((node + 1) << MEMF.nodeShift) | (exact ? MEMF.exactNode : 0);
}

interface Reservation {
  readonly domid: number;
  readonly start: number;
  readonly extents: number;
  readonly order: number;
  readonly memFlags: number;
}

function startReservation(calls: CallBuffers, { domid, start, extents, order, memFlags }: Reservation): void {
  const { bytes, view } = calls.op;
  bytes.fill(0, 0, RESERVATION_AT.sizeBytes);
  writeWord(view, RESERVATION_AT.extentStart, start);
  writeWord(view, RESERVATION_AT.extents, extents);
  view.setUint32(RESERVATION_AT.order, order, true);
  view.setUint32(RESERVATION_AT.memFlags, memFlags, true);
  view.setUint16(RESERVATION_AT.domid, domid, true);
}
