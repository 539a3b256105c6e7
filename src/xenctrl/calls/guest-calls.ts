// Calls for a guest that runs: its event channels and its HVM parameters.
import { EVTCHNOP, HVMOP, HYPERCALL } from '../../abi/commands.js';
import { ALLOC_UNBOUND_AT, HVM_PARAM_AT } from '../../abi/layout.js';
import { writeU64 } from '../../abi/u64.js';
import type { Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

export type GuestCalls = Pick<Xenctrl, 'eventChannelAllocUnbound' | 'hvmParamSet'>;

export function guestCalls(calls: CallBuffers): GuestCalls {
  return {
    eventChannelAllocUnbound(domid, remoteDomid) {
      const { bytes, view, address } = calls.op;
      bytes.fill(0, 0, ALLOC_UNBOUND_AT.sizeBytes);
      view.setUint16(ALLOC_UNBOUND_AT.domid, domid, true);
      view.setUint16(ALLOC_UNBOUND_AT.remoteDomid, remoteDomid, true);
      const result = calls.hypercall(HYPERCALL.eventChannelOp, EVTCHNOP.alloc_unbound, address);
      if (result < 0) throw callError(result, `xc_evtchn_alloc_unbound(domid ${domid}, remote ${remoteDomid})`);
      return view.getUint32(ALLOC_UNBOUND_AT.port, true);
    },

    hvmParamSet(domid, param, value) {
      const { bytes, view, address } = calls.op;
      bytes.fill(0, 0, HVM_PARAM_AT.sizeBytes);
      view.setUint16(HVM_PARAM_AT.domid, domid, true);
      view.setUint32(HVM_PARAM_AT.index, param, true);
      writeU64(view, HVM_PARAM_AT.value, value);
      const result = calls.hypercall(HYPERCALL.hvmOp, HVMOP.set_param, address);
      if (result < 0) throw callError(result, `xc_hvm_param_set(domid ${domid}, parameter ${param})`);
    },
  };
}
