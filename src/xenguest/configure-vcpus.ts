// configure_vcpus: the hard affinity of each vCPU from XenStore, then weight and cap, all before
// any memory is populated. Boxes of the chart: configure_vcpus, set_hard_affinity?.
import { XenError } from '../base/errors.js';
import type { FlowSink } from '../flow/record.js';
import { decodeAffinity } from '../machine/affinity-key.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import { failwithOssXc } from './failwith.js';
import type { PlatformFlags } from './platform.js';

/**
 * Notes the chart's node configure_vcpus and what follows from it. `xc` should note in the same
 * sink (`withFlow`).
 * @throws XenguestError in xenguest's words, when a call fails that is fatal there (XenServer's
 * xenguest.patch, configure_vcpus)
 */
export async function configureVcpus(
  xc: Xenctrl,
  domid: number,
  flags: PlatformFlags,
  flow: FlowSink,
  turn: () => Promise<void>,
): Promise<void> {
  flow.node('configure_vcpus', { vcpus: flags.vcpus, weight: flags.weight, cap: flags.cap });
  flow.edge('configure_vcpus -> set_hard_affinity?');
  const { maxCpuId } = xc.physInfo();
  for (const [vcpu, affinity] of flags.affinity.entries()) {
    flow.node('set_hard_affinity?', { vcpu, affinity });
    if (affinity === null) continue;
    flow.edge('set_hard_affinity? -> XEN_VCPUAFFINITY_HARD');
    try {
      xc.vcpuSetAffinity(domid, vcpu, { hard: decodeAffinity(affinity, maxCpuId + 1) });
    } catch (error) {
      throw failwithOssXc('xc_vcpu_setaffinity', error);
    }
    await turn();
  }
  creditParameters(xc, domid, flags, flow);
}

/** A get that fails is only logged (another scheduler runs); a set that fails is fatal. */
function creditParameters(xc: Xenctrl, domid: number, flags: PlatformFlags, flow: FlowSink): void {
  let params: { weight: number; cap: number };
  try {
    params = xc.schedCreditGet(domid, 'credit');
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    flow.note('no credit scheduler', { errno: error.errno });
    return;
  }
  if (flags.weight !== 0) params = { ...params, weight: flags.weight };
  if (flags.cap !== 0) params = { ...params, cap: flags.cap };
  try {
    xc.schedCreditSet(domid, 'credit', params);
  } catch (error) {
    throw failwithOssXc('xc_sched_credit_domain_set', error);
  }
}
