// Settings of a VM whose effect differs from what its owner expects, known before any start. Boxes:
// is_xe_vCPUparams_mask_set?, has_hard_affinity?.
import type { VmSpec } from '../../machine/vm.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { PolicyName } from '../api/profiles.js';
import { effectivePolicy, type Profile } from '../api/profiles.js';
import type { Warning } from '../api/toolstack.js';
import { masksOfVcpus, mergeMasks, parseHostMask, parsePriority, parseVmMask } from './mask.js';

export function warningsOf(vm: VmSpec, profile: Profile, policy: PolicyName, hostMask: string | undefined, xc: Xenctrl): Warning[] {
  const { mask } = vm.vcpusParams;
  const warnings: Warning[] = [];
  const { virtualNodes } = vm;
  if (virtualNodes !== undefined && effectivePolicy(profile, policy).placement.tight !== true) {
    warnings.push({ code: 'vnuma-needs-tight', values: { virtualNodes } });
  }
  if (profile.toolstack === 'libxl') {
    if (mask !== undefined) warnings.push({ code: 'xe-mask-ignored', values: { mask } });
    return warnings;
  }
  const [ofVm, ofHost] = [parseVmMask(mask), parseHostMask(hostMask)];
  if (ofVm.ignored !== null) warnings.push({ code: 'mask-ignored', values: { mask: mask!, reason: ofVm.ignored } });
  if (ofHost.ignored !== null) warnings.push({ code: 'host-mask-ignored', values: { mask: hostMask!, reason: ofHost.ignored } });
  if (hasXlSettings(vm)) warnings.push({ code: 'xl-cpus-ignored', values: {} });
  for (const parameter of parsePriority(vm.vcpusParams).ignored) {
    warnings.push({ code: 'priority-ignored', values: { parameter, value: vm.vcpusParams[parameter]! } });
  }
  const affinity = mergeMasks(ofVm.masks, ofHost.masks);
  if (affinity.length === 0) return warnings;
  if (ofVm.masks.length === 0 && effectivePolicy(profile, policy).placement.affinity !== null) {
    warnings.push({ code: 'host-mask-stops-placement', values: { hostMask: hostMask ?? null } });
  }
  const pcpus = xc.physInfo().maxCpuId + 1;
  return warnings.concat(listWarnings(affinity, vm.vcpusMax, pcpus));
}

/** Whether the VM has settings that only xl honours. */
export function hasXlSettings(vm: VmSpec): boolean {
  return [vm.xlHardCpus, vm.xlSoftCpus, vm.vnuma, vm.pool].some((setting) => setting !== undefined);
}

/** Warnings of a list of masks that xenopsd will use. */
export function listWarnings(affinity: readonly (readonly number[])[], vcpus: number, pcpus: number): Warning[] {
  const warnings: Warning[] = [];
  const beyond = [...new Set(affinity.slice(0, vcpus).flat())].filter((cpu) => cpu < 0 || cpu >= pcpus).sort((a, b) => a - b);
  if (beyond.length > 0) warnings.push({ code: 'cpus-beyond-host', values: { cpus: beyond, pcpus } });
  if (affinity.length > vcpus) warnings.push({ code: 'masks-surplus', values: { given: affinity.length, vcpus } });
  if (affinity.length > 1 && affinity.length < vcpus)
    warnings.push({ code: 'first-mask-reused', values: { given: affinity.length, vcpus } });
  const empty = masksOfVcpus(affinity, vcpus, pcpus).flatMap((cpus, vcpu) => (cpus.length === 0 ? [vcpu] : []));
  if (empty.length > 0) warnings.push({ code: 'empty-mask', values: { vcpus: empty } });
  return warnings;
}
