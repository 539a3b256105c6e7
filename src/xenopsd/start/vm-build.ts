// VM.build as xenopsd does it: build_pre in the order of xen-api 90ef043c
// (ocaml/xenopsd/xc/domain.ml 899-964) and, for the hard affinity, of e2ee48d6 (1162-1185); then
// the builder. Boxes of the chart: is_Host.numa_affinity_policy_set?, has_hard_affinity?,
// exec_xenguest.

import { formatList } from '../../base/bitset.js';
import { formatBytes, MIB, PAGE_BYTES } from '../../base/units.js';
import type { VirtualNode } from '../../machine/vm.js';
import { type XenguestArguments, XenguestError, type XenguestResult } from '../../xenguest/xenguest.js';
import { effectivePolicy } from '../api/profiles.js';
import { masksOfVcpus } from './mask.js';
import type { BuildNodes, NumaState } from './numa-placement.js';
import { calling, type StartRun, StepError } from './start-run.js';
import { writeBuiltKeys } from './store-keys.js';
import { describeVirtualNodes } from './virtual-nodes.js';
import type { Created } from './vm-create.js';

const SCRUB_WAIT_SECONDS = 64;

const BUILDER_MODES = { hvm: 'hvm_build', pvh: 'pvh_build', pv: 'linux_build' } as const;
const DOMAIN_TYPES = { hvm: 'HVM', pvh: 'PVH', pv: 'PV' } as const;

/**
 * The order of VM.build (xen-api 90ef043c, ocaml/xenopsd/xc/domain.ml, build_pre 899-964; e2ee48d6,
 * 1103-1251):
 * 1. enough free memory on the host, wherever it is;
 * 2. vCPUs, the limit of memory, the paging pool;
 * 3. from 25.21 on, the hard affinity of a mask by hypercall (before, the builder sets it from
 *   XenStore);
 * 4. the NUMA step: the policy, then placement with its affinity and its claims, and the virtual
 *   nodes that policy `tight` gives;
 * 5. event channels, the builder, and the keys that the guest reads.
 * @throws StepError
 */
export async function buildVm(run: StartRun, created: Created, numa: NumaState): Promise<void> {
  const { domid } = created;
  await waitForFreeMemory(run);
  await run.step('memory found');
  await prepareDomain(run, domid);
  if (run.profile.hardBySelf && created.affinity.length > 0) await setHard(run, created);
  await run.step('before placement');
  const placed = await numaStep(run, created, numa);
  if (placed.vnodes !== undefined) await describeVirtualNodes(run, domid, placed.vnodes);
  await run.step('placement done');
  await buildDomain(run, domid, placed);
  numa.built(domid);
}

/**
 * Host-wide: where the memory lies is not asked. Waits for the scrubber as long as there is
 * something to scrub (domain.ml 236-272).
 */
export async function waitForFreeMemory(run: StartRun): Promise<void> {
  const wantedBytes = run.memory.requiredHostFreeMib * MIB;
  for (let seconds = 0; ; seconds++) {
    const { freePages, scrubPages } = run.doors.xc.physInfo();
    const freeBytes = freePages * PAGE_BYTES;
    if (freeBytes >= wantedBytes) {
      run.record.note('free memory', { wantedBytes, freeBytes, waitedSeconds: seconds });
      if (scrubPages > 0) run.record.surprise('dirty-memory', { scrubPages });
      return;
    }
    if (scrubPages === 0 || seconds >= SCRUB_WAIT_SECONDS) {
      run.record.note('free memory', { wantedBytes, freeBytes, waitedSeconds: seconds });
      throw new StepError(
        'VM.build',
        `Not_enough_memory: ${formatBytes(wantedBytes)} needed, ${formatBytes(freeBytes)} free on the whole host`,
        {
          kind: { kind: 'not-enough-memory', neededBytes: wantedBytes, freeBytes },
        },
      );
    }
    await run.sleep(1000);
  }
}

async function prepareDomain(run: StartRun, domid: number): Promise<void> {
  const { vm, xc, memory } = run;
  await calling(`domain_max_vcpus ${vm.vcpusMax}`, () => xc.domainMaxVcpus(domid, vm.vcpusMax));
  // For PV this is also the bound on its memory map (domain_set_memmap_limit).
  const kib = memory.xenMaxMib * 1024;
  await calling(`domain_setmaxmem ${kib} KiB`, () => xc.domainSetMaxmem(domid, kib));
  await run.step('vCPUs created');
  if (vm.kind !== 'pv') {
    await calling(`shadow_allocation_set ${memory.shadowMib} MiB`, () => xc.setPagingMempoolSize(domid, memory.shadowMib * MIB));
    run.record.note('paging pool', { domid, bytes: memory.shadowMib * MIB });
  }
}

/** One call a vCPU; an empty mask is refused by Xen, and so fails the build. */
async function setHard(run: StartRun, created: Created): Promise<void> {
  const { vm, xc, doors } = run;
  const pcpus = doors.xc.physInfo().maxCpuId + 1;
  const masks = masksOfVcpus(created.affinity, vm.vcpusMax, pcpus);
  for (const [vcpu, hard] of masks.entries()) {
    try {
      xc.vcpuSetAffinity(created.domid, vcpu, { hard });
    } catch (error) {
      throw new StepError('VM.build', error instanceof Error ? error.message : String(error), { cause: error });
    }
  }
  run.record.note('hard by toolstack', { domid: created.domid, masks: masks.map((mask) => formatList(mask)) });
}

async function numaStep(run: StartRun, created: Created, numa: NumaState): Promise<BuildNodes> {
  const { record, profile } = run;
  const policy = run.policy();
  const { name, placement } = effectivePolicy(profile, policy);
  record.node('is_Host.numa_affinity_policy_set?', { policy, means: name, profile: profile.name });
  if (placement.affinity === null) {
    record.edge('is_Host.numa_affinity_policy_set? -> exec_xenguest');
    return {};
  }
  record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
  const hardAffinity = created.affinity.length > 0;
  record.node('has_hard_affinity?', { hardAffinity });
  if (hardAffinity && placement.tight !== true) {
    if (run.vm.vcpusParams.mask === undefined) record.surprise('host-mask-stops-placement', { hostMask: run.hostMask ?? null });
    record.edge('has_hard_affinity? -> exec_xenguest');
    return {};
  }
  record.edge('has_hard_affinity? -> numa_placement');
  const placed = await numa.place(run, created.domid, placement, hardAffinity ? allowedCpus(run, created) : undefined);
  record.edge('numa_placement -> exec_xenguest');
  return placed;
}

/** CPUs that some vCPU of the VM may run on. */
function allowedCpus({ vm, doors }: StartRun, { affinity }: Created): number[] {
  return [...new Set(masksOfVcpus(affinity, vm.vcpusMax, doors.xc.physInfo().maxCpuId + 1).flat())].sort((a, b) => a - b);
}

/** Channels, the builder, and the keys that follow it. */
export async function buildDomain(run: StartRun, domid: number, { node, vnodes }: BuildNodes): Promise<void> {
  const { vm, memory, doors, record } = run;
  const { storePort, consolePort } = await calling('create_channels', () => doors.channels(domid));
  const channels = { storePort, storeDomid: 0, consolePort, consoleDomid: 0 };
  const turns = { flow: record, turn: () => run.step('builder') };
  let result: XenguestResult;
  try {
    if (run.restore === undefined) {
      const virtual = vnodes === undefined ? {} : { vnodes: vnodesOf(vnodes) };
      const bounds = { memMaxMib: memory.buildMaxMib, memStartMib: memory.buildStartMib };
      const onNode = node === undefined ? {} : { memPnode: node };
      result = await doors.xenguest.run(
        { mode: BUILDER_MODES[vm.kind], domid, ...image(run), ...channels, ...bounds, ...onNode, ...virtual },
        turns,
      );
    } else {
      result = await run.restore({ mode: vm.kind === 'pv' ? 'restore' : 'hvm_restore', domid, ...channels }, turns);
    }
  } catch (error) {
    if (error instanceof XenguestError) throw new StepError('xenguest', error.message, { cause: error, kind: { kind: 'builder' } });
    throw error;
  }
  await run.step('memory populated');
  await writeBuiltKeys(doors.xs, {
    domid,
    staticMaxMib: memory.staticMaxMib,
    targetMib: memory.targetMib,
    storePort,
    storePfn: result.storePfn,
    consolePort,
    consolePfn: result.consolePfn,
    domainType: DOMAIN_TYPES[vm.kind],
    vcpusMax: vm.vcpusMax,
    vcpusAtStartup: vm.vcpusAtStartup,
  });
}

function vnodesOf(vnodes: readonly VirtualNode[]): NonNullable<XenguestArguments['vnodes']> {
  return vnodes.map(({ pnode, memoryBytes }) => ({ node: pnode, pages: Math.floor(memoryBytes / PAGE_BYTES) }));
}

/**
 * What the builder loads. The embedded host loads nothing, so that a VM described for it need not
 * say what it boots.
 */
function image({ vm, doors }: StartRun): Pick<XenguestArguments, 'image' | 'ramdisk' | 'cmdline' | 'firmware'> {
  const { kind, boot } = vm;
  if (kind === 'hvm') {
    if (doors.deviceModel === undefined) return { image: '/usr/libexec/xen/boot/hvmloader' };
    const { loader, firmware } = doors.deviceModel.images(vm);
    return { image: loader, firmware };
  }
  if (boot === undefined) return { image: '/boot/vmlinuz' };
  const { kernel, ramdisk, cmdline } = boot;
  return { image: kernel, ...(ramdisk === undefined ? {} : { ramdisk }), ...(cmdline === undefined ? {} : { cmdline }) };
}
