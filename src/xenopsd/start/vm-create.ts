// VM.create: the domain and its XenStore keys, the hard affinity of each vCPU among them (xen-api
// 90ef043c, ocaml/xenopsd/xc/xenops_server_xen.ml 1300-1370). Boxes of the chart:
// is_xe_vCPUparams_mask_set?, set_hard_affinity.
import { formatList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { affinityKey, encodeAffinity, platformPath } from '../../machine/affinity-key.js';
import type { VmSpec } from '../../machine/vm.js';
import { PAYLOAD_MAX_BYTES } from '../../xenstore/protocol/wire.js';
import type { DeviceModel } from '../api/device-model.js';
import { effectivePolicy } from '../api/profiles.js';
import { type AffinityList, masksOfVcpus, mergeMasks, parseHostMask, parsePriority, parseVmMask } from './mask.js';
import { type StartRun, StepError } from './start-run.js';
import { writeDomainKeys } from './store-keys.js';
import { checkPlannedNodes } from './virtual-nodes.js';
import { hasXlSettings, listWarnings } from './warnings.js';
import { poolOfXl } from './xl-pool.js';
import { checkVnuma } from './xl-vnuma.js';

/** What VM.create leaves for VM.build. */
export interface Created {
  readonly domid: number;
  /** xenopsd's metadata: [] = no hard affinity. */
  readonly affinity: AffinityList;
}

/** @throws StepError; `created` has been told of the domain by then, if there is one */
export async function createVm(run: StartRun, created: (domid: number) => void): Promise<Created> {
  const { record, vm, profile } = run;
  if (run.doors.can.loadsImages && run.restore === undefined) mustLoad(run);
  const isXl = profile.toolstack === 'libxl';
  const affinity = isXl ? affinityOfXl(run) : affinityOfXapi(run);
  if (isXl) checkVnuma(run);
  const plansNodes = effectivePolicy(profile, run.policy()).placement.tight === true;
  if (plansNodes) checkPlannedNodes(run);
  else if (vm.virtualNodes !== undefined) record.surprise('vnuma-needs-tight', { virtualNodes: vm.virtualNodes });
  const cpupool = isXl ? await poolOfXl(run) : 0;
  try {
    const domid = run.xc.domainCreate({
      domid: 0,
      kind: vm.kind,
      maxVcpus: vm.vcpusMax,
      uuid: Buffer.from(run.uuid.replaceAll('-', ''), 'hex'),
      ...(cpupool === 0 ? {} : { cpupool }),
    });
    created(domid);
    record.note('domain', { domid, kind: vm.kind, vcpus: vm.vcpusMax });
    await run.step('domain created');
    const platform = isXl ? platformOfXl(run) : platformKeys(run, domid, affinity);
    await writeDomainKeys(run.doors.xs, { domid, uuid: run.uuid, name: vm.label ?? vm.name, platform });
    if (affinity.length > 0) record.edge('set_hard_affinity -> is_Host.numa_affinity_policy_set?');
    await run.step('keys written');
    return { domid, affinity };
  } catch (error) {
    throw new StepError('VM.create', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/**
 * A real host loads what the guest boots: one that cannot be loaded is refused before there is a
 * domain.
 */
function mustLoad({ vm, doors }: StartRun): void {
  const why = whyNotLoadable(vm) ?? whyNoHvm(vm, doors.deviceModel);
  if (why !== null) throw new StepError('VM.create', `${why.what}: ${why.mend}`, { kind: { kind: 'not-bootable' } });
}

/** What this host lacks for an HVM guest. */
function whyNoHvm(vm: VmSpec, deviceModel: DeviceModel | undefined): ReturnType<typeof whyNotLoadable> {
  if (vm.kind !== 'hvm') return null;
  if (deviceModel === undefined) return { what: 'hvm guests need a device model, which this host has none of', mend: 'make it pvh or pv' };
  try {
    deviceModel.images(vm);
    return null;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { file } = error.place;
    return { what: file === undefined ? error.message : `${file}: ${error.message}`, mend: error.mend };
  }
}

/** What keeps a VM from being started on a real host, whatever the host; null when nothing does. */
export function whyNotLoadable({ kind, boot }: VmSpec): { readonly what: string; readonly mend: string } | null {
  if (kind === 'hvm') return null;
  if (boot === undefined) return { what: 'nothing to boot', mend: 'a real host needs boot.kernel (kernel= in an xl config)' };
  return null;
}

/** libxl has no such keys; the builder of a host that loads images reads them. */
function platformOfXl({ vm, doors }: StartRun): [string, string][] {
  const hasModel = vm.kind === 'hvm' && doors.deviceModel !== undefined;
  if (!hasModel && !doors.can.loadsImages) return [];
  return [...vcpuKeys(vm), ...(hasModel ? HVM_PLATFORM : [])];
}

function vcpuKeys({ kind, vcpusMax, vcpusAtStartup }: VmSpec): [string, string][] {
  return [
    ['vcpu/number', String(vcpusMax)],
    ['vcpu/current', String(kind === 'pvh' ? vcpusMax : vcpusAtStartup)],
  ];
}

/** xapi reads both masks and hands xenopsd one list. */
function affinityOfXapi(run: StartRun): AffinityList {
  const { record, vm, hostMask } = run;
  const mask = vm.vcpusParams.mask;
  const [ofVm, ofHost] = [parseVmMask(mask), parseHostMask(hostMask)];
  const affinity = mergeMasks(ofVm.masks, ofHost.masks);
  const set = affinity.length > 0;
  record.node('is_xe_vCPUparams_mask_set?', {
    mask: mask ?? null,
    hostMask: hostMask ?? null,
    set,
    affinity: affinity.map((cpus) => [...cpus]),
  });
  if (ofVm.ignored !== null) record.surprise('mask-ignored', { mask: mask!, reason: ofVm.ignored });
  if (ofHost.ignored !== null) record.surprise('host-mask-ignored', { mask: hostMask!, reason: ofHost.ignored });
  if (hasXlSettings(vm)) record.surprise('xl-cpus-ignored', {});
  const priority = parsePriority(vm.vcpusParams);
  for (const parameter of priority.ignored) record.surprise('priority-ignored', { parameter, value: vm.vcpusParams[parameter]! });
  record.edge(set ? 'is_xe_vCPUparams_mask_set? -> set_hard_affinity' : 'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
  if (set) noteMask(run, affinity, ofVm.masks.length > 0);
  return affinity;
}

function noteMask(run: StartRun, affinity: AffinityList, byVm: boolean): void {
  const { record, vm, profile, doors } = run;
  const pcpus = doors.xc.physInfo().maxCpuId + 1;
  const masks = masksOfVcpus(affinity, vm.vcpusMax, pcpus);
  record.node('set_hard_affinity', {
    where: profile.writesAffinityKeys ? 'XenStore' : "xenopsd's metadata",
    masks: masks.map((cpus) => formatList(cpus)),
    source: byVm ? 'VM' : 'host',
  });
  if (profile.writesAffinityKeys) record.surprise('chart-path', {});
  for (const warning of listWarnings(affinity, vm.vcpusMax, pcpus)) record.add({ kind: 'surprise', ...warning });
}

/**
 * libxl's hard affinity is the config's `cpus=`; the boxes of the chart stand for libxl's own
 * steps.
 */
function affinityOfXl(run: StartRun): AffinityList {
  const { record, vm } = run;
  const hardCpus = vm.xlHardCpus ?? [];
  record.note('libxl', { cpus: vm.xlHardCpus !== undefined, cpusSoft: vm.xlSoftCpus !== undefined });
  const set = hardCpus.length > 0;
  record.node('is_xe_vCPUparams_mask_set?', { mask: null, hostMask: null, set, affinity: hardCpus.map((cpus) => [...cpus]) });
  if (vm.vcpusParams.mask !== undefined) record.surprise('xe-mask-ignored', { mask: vm.vcpusParams.mask });
  record.edge(set ? 'is_xe_vCPUparams_mask_set? -> set_hard_affinity' : 'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
  if (set) {
    const masks = Array.from({ length: vm.vcpusMax }, (_, vcpu) => formatList(hardCpus[vcpu] ?? hardCpus.at(-1)!));
    record.node('set_hard_affinity', { where: "the guest's config", masks, source: 'VM' });
  }
  return hardCpus;
}

/**
 * VM.platform of a new HVM VM in xapi (ocaml/xapi/xapi_globs.ml, default_platform_flags), and the
 * device model, which hvmloader reads.
 */
const HVM_PLATFORM: readonly [string, string][] = [
  ...(['acpi', 'apic', 'pae', 'nx'] as const).map((key): [string, string] => [key, '1']),
  ['device-model', 'qemu_xen'],
];

function platformKeys(run: StartRun, domid: number, affinity: AffinityList): [string, string][] {
  const { vm, profile, record, doors } = run;
  const { weight, cap } = parsePriority(vm.vcpusParams);
  const keys = vcpuKeys(vm);
  if (vm.kind === 'hvm' && doors.deviceModel !== undefined) keys.push(...HVM_PLATFORM);
  if (profile.writesAffinityKeys) {
    const pcpus = doors.xc.physInfo().maxCpuId + 1;
    const everywhere = encodeAffinity([...Array(pcpus).keys()], pcpus);
    const known = new Map<readonly number[], string>();
    const masks = affinity.length === 0 ? [] : masksOfVcpus(affinity, vm.vcpusMax, pcpus);
    for (let vcpu = 0; vcpu < vm.vcpusMax; vcpu++) {
      const mask = masks[vcpu];
      let characters = mask === undefined ? everywhere : known.get(mask);
      if (characters === undefined) {
        characters = encodeAffinity(mask!, pcpus);
        known.set(mask!, characters);
      }
      keys.push([affinityKey(vcpu), characters]);
    }
    const path = `${platformPath(domid)}/${affinityKey(vm.vcpusMax - 1)}`;
    const bytes = Buffer.byteLength(path) + 1 + pcpus;
    if (bytes > PAYLOAD_MAX_BYTES) record.surprise('affinity-key-too-long', { bytes, mostBytes: PAYLOAD_MAX_BYTES, pcpus });
    if (affinity.length === 0) record.surprise('all-ones-hard', { domid, vcpus: vm.vcpusMax });
  }
  if (vm.vcpusParams.cap !== undefined && cap === 0) record.surprise('cap-zero-keeps', { domid });
  keys.push(['vcpu/weight', String(weight)], ['vcpu/cap', String(cap)]);
  return keys;
}
