// Calls about the CPUs of vCPUs and the nodes of memory: vCPU affinity, node affinity, weight and
// cap.
import { DOMCTL, SCHEDULERS } from '../../abi/commands.js';
import { AFFINITY_AT, AFFINITY_FLAG, DOMCTL_AT, NODE_BITS, SCHEDULER_OP, SCHEDULER_OP_AT } from '../../abi/layout.js';
import type { WeighingScheduler, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';
import { decodeMask, encodeMask, MaskReader } from './masks.js';

const AT = DOMCTL_AT.union;
const HARD_AT = AT + AFFINITY_AT.hard;
const SOFT_AT = AT + AFFINITY_AT.soft;

export type AffinityCalls = Pick<
  Xenctrl,
  'vcpuSetAffinity' | 'vcpuGetAffinity' | 'domainNodeSetAffinity' | 'domainNodeGetAffinity' | 'schedCreditGet' | 'schedCreditSet'
>;

/** `cpuBits`: width of the CPU maps, the machine's highest CPU number plus one. */
export function affinityCalls(calls: CallBuffers, cpuBits: number): AffinityCalls {
  const mapBytes = (cpuBits + 7) >>> 3;
  const masksRead = new MaskReader(cpuBits);
  const hard = calls.buffer('hard', mapBytes);
  const soft = calls.buffer('soft', mapBytes);
  const nodes = calls.buffer('nodes', NODE_BITS / 8);
  return {
    vcpuSetAffinity(domid, vcpu, masks) {
      const view = calls.startDomctl(DOMCTL.setvcpuaffinity, domid);
      let flags = masks.force === true ? AFFINITY_FLAG.force : 0;
      if (masks.hard !== undefined) {
        flags |= AFFINITY_FLAG.hard;
        encodeMask(hard.bytes, cpuBits, masks.hard, 'CPU');
        calls.putBitmap(HARD_AT, hard, cpuBits);
      }
      if (masks.soft !== undefined) {
        flags |= AFFINITY_FLAG.soft;
        encodeMask(soft.bytes, cpuBits, masks.soft, 'CPU');
        calls.putBitmap(SOFT_AT, soft, cpuBits);
      }
      view.setUint32(AT + AFFINITY_AT.vcpu, vcpu, true);
      view.setUint32(AT + AFFINITY_AT.flags, flags, true);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `xc_vcpu_setaffinity(domid ${domid}, vcpu ${vcpu})`);
      return {
        hard: masks.hard === undefined ? null : masksRead.read(hard.bytes),
        soft: masks.soft === undefined ? null : masksRead.read(soft.bytes),
      };
    },

    vcpuGetAffinity(domid, vcpu) {
      const view = calls.startDomctl(DOMCTL.getvcpuaffinity, domid);
      view.setUint32(AT + AFFINITY_AT.vcpu, vcpu, true);
      view.setUint32(AT + AFFINITY_AT.flags, AFFINITY_FLAG.hard | AFFINITY_FLAG.soft, true);
      calls.putBitmap(HARD_AT, hard, cpuBits);
      calls.putBitmap(SOFT_AT, soft, cpuBits);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `xc_vcpu_getaffinity(domid ${domid}, vcpu ${vcpu})`);
      return { hard: masksRead.read(hard.bytes), soft: masksRead.read(soft.bytes) };
    },

    domainNodeSetAffinity(domid, wanted) {
      calls.startDomctl(DOMCTL.setnodeaffinity, domid);
      if (wanted === 'all') nodes.bytes.fill(0xff, 0, NODE_BITS / 8);
      else encodeMask(nodes.bytes, NODE_BITS, wanted, 'node');
      calls.putBitmap(AT, nodes, NODE_BITS);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `xc_domain_node_setaffinity(domid ${domid})`);
    },

    domainNodeGetAffinity(domid) {
      calls.startDomctl(DOMCTL.getnodeaffinity, domid);
      calls.putBitmap(AT, nodes, NODE_BITS);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `xc_domain_node_getaffinity(domid ${domid})`);
      return decodeMask(nodes.bytes, NODE_BITS);
    },
    ...schedulerCalls(calls),
  };
}

function schedulerCalls(calls: CallBuffers): Pick<Xenctrl, 'schedCreditGet' | 'schedCreditSet'> {
  return {
    schedCreditGet(domid, scheduler) {
      const view = calls.startDomctl(DOMCTL.scheduler_op, domid);
      view.setUint32(AT + SCHEDULER_OP_AT.scheduler, SCHEDULERS[scheduler], true);
      view.setUint32(AT + SCHEDULER_OP_AT.cmd, SCHEDULER_OP.get, true);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `${schedulerCall(scheduler)}_get(domid ${domid})`);
      return { weight: view.getUint16(AT + SCHEDULER_OP_AT.weight, true), cap: view.getUint16(AT + SCHEDULER_OP_AT.cap, true) };
    },

    schedCreditSet(domid, scheduler, params) {
      const view = calls.startDomctl(DOMCTL.scheduler_op, domid);
      view.setUint32(AT + SCHEDULER_OP_AT.scheduler, SCHEDULERS[scheduler], true);
      view.setUint32(AT + SCHEDULER_OP_AT.cmd, SCHEDULER_OP.put, true);
      view.setUint16(AT + SCHEDULER_OP_AT.weight, params.weight, true);
      view.setUint16(AT + SCHEDULER_OP_AT.cap, params.cap, true);
      const result = calls.domctl();
      if (result < 0) throw callError(result, `${schedulerCall(scheduler)}_set(domid ${domid})`);
    },
  };
}

/** Xen takes only every one of its node bits as "all" (domain.c:943-970). */
export function namesEveryNode(nodes: readonly number[] | 'all'): boolean {
  return nodes === 'all' || new Set(nodes).size === NODE_BITS;
}

function schedulerCall(scheduler: WeighingScheduler): string {
  return `xc_sched_${scheduler}_domain`;
}
