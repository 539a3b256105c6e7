// stub_xc_hvm_build and stub_xc_pv_build over libxenguest: flags, checks, vCPUs BEFORE any memory,
// then the image, its memory and its special pages, in the order of XenServer's xenguest.patch. Box
// of the chart: stub_xc_hvm_build.
import type { FlowSink } from '../../flow/record.js';
import { LIMITS } from '../../machine/model.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';
import { configureVcpus } from '../configure-vcpus.js';
import { sayGibExtents } from '../memory/gib-extents.js';
import { type ContainerKind, PAGES_A_MIB } from '../memory/guest-pages.js';
import { chooseExactNode } from '../memory/node-choice.js';
import { getFlags, type PlatformFlags, xenstoreNumber } from '../platform.js';
import { type VnodeMemory, type XenguestArguments, XenguestError, type XenguestResult } from '../xenguest.js';
import { ACPI_ADDRESS, acpiPages } from './acpi.js';
import { DomImage, type XcInterface } from './dom-image.js';
import { hvmE820, readFirmware, writeHvmInfo } from './hvm-guest.js';
import { e820Bytes, gibExtents, guestMemory, pvhE820 } from './memory-layout.js';
import { setVirtualNodes } from './virtual-node.js';

export interface BuildDoors {
  readonly xch: XcInterface;
  readonly xc: Xenctrl;
  readonly xs: XenstoreConnection;
  readonly flow: FlowSink;
  /** Called before each step. */
  readonly step: (name: BuildStep) => void;
}

export interface BuiltGuest extends XenguestResult {
  /** The ABI of a PV guest ("x86_64-abi"); null for PVH. */
  readonly protocol: string | null;
}

/** The steps of a build, in their order; PV has no memory map and no HVM parameters. */
export const BUILD_STEPS = [
  'get_flags',
  'configure_vcpus',
  'xc_dom_allocate',
  'xc_dom_kernel_file',
  'xc_dom_module_file',
  'xc_dom_boot_xen_init',
  'xc_dom_parse_image',
  'xc_dom_mem_init',
  'xc_dom_boot_mem_init',
  'xc_domain_set_memory_map',
  'xc_dom_build_image',
  'xc_dom_boot_image',
  'xc_dom_gnttab_init',
  'hvm_build_set_params',
  'xc_cpuid_apply_policy',
] as const;
export type BuildStep = (typeof BUILD_STEPS)[number];

const KINDS = { hvm_build: 'hvm', pvh_build: 'pvh', linux_build: 'pv' } as const satisfies Record<XenguestArguments['mode'], ContainerKind>;
/** libxl_internal.h, LIBXL_VGA_HOLE_SIZE, in pages. */
const VGA_HOLE_PAGES = { hvm: 0x20, pvh: 0 } as const;
const HVM_CONTAINER = 1;
const PV_CONTAINER = 0;
/** Parameters of an HVM container (xen/include/public/hvm/params.h). */
const HVM_PARAM_HPET_ENABLED = 11;
const HVM_PARAM_TRIPLE_FAULT_REASON = 31;
const SHUTDOWN_CRASH = 3n;

/**
 * @throws XenguestError in xenguest's words. The domain stays as far as it was built, for its
 * toolstack to destroy.
 */
export async function buildGuest(args: XenguestArguments, doors: BuildDoors): Promise<BuiltGuest> {
  const kind = KINDS[args.mode];
  const { flow, step, xc, xs, xch } = doors;
  flow.edge('exec_xenguest -> stub_xc_hvm_build');
  flow.node('stub_xc_hvm_build', { domid: args.domid, kind, memMaxMib: args.memMaxMib, memStartMib: args.memStartMib });
  step('get_flags');
  const flags = await getFlags(xs, args.domid, kind !== 'pv');
  if (kind !== 'pv') safetyCheck(args, kind, flags);
  step('configure_vcpus');
  flow.edge('stub_xc_hvm_build -> configure_vcpus');
  await configureVcpus(xc.withFlow(flow), args.domid, flags, flow, async () => {});
  xch.check('xc_domain_set_tsc_info', xch.lib.xc_domain_set_tsc_info(xch.handle, args.domid, flags.tscMode, 0n, 0, 0));
  step('xc_dom_allocate');
  const image = new DomImage(xch, args.cmdline ?? '', kind === 'pv' ? '' : null);
  try {
    await loadImage(args, kind, flags, image, doors);
    allocateMemory(args, kind, flags, image, doors);
    return finish(args, kind, flags, image, doors);
  } finally {
    image.release();
  }
}

/** The status is ignored, as xenguest does. */
export function setCrashOnTripleFault({ lib, handle }: XcInterface, domid: number): void {
  lib.xc_hvm_param_set(handle, domid, HVM_PARAM_TRIPLE_FAULT_REASON, SHUTDOWN_CRASH);
}

/** XenServer's xenguest.patch, hvm_safety_check, and the limits of a PVH or HVM guest here. */
function safetyCheck(args: XenguestArguments, kind: 'pvh' | 'hvm', flags: PlatformFlags): void {
  if (args.memStartMib < args.memMaxMib && flags.nestedVirt) {
    throw new XenguestError('Populate on Demand and Nested Virtualisation are mutually exclusive');
  }
  if (flags.vcpus < 1 || flags.vcpus > LIMITS.vcpusPerHvm) {
    const name = kind.toUpperCase();
    throw new XenguestError(`xenguest: platform/vcpu/number is ${flags.vcpus}: ${name} guests have 1 to ${LIMITS.vcpusPerHvm} vCPUs`);
  }
}

async function loadImage(
  args: XenguestArguments,
  kind: ContainerKind,
  flags: PlatformFlags,
  image: DomImage,
  { xch, xs, step }: BuildDoors,
): Promise<void> {
  image.setU32('containerType', kind === 'pv' ? PV_CONTAINER : HVM_CONTAINER);
  image.setU8('deviceModel', kind === 'hvm' ? 1 : 0);
  // The library asserts that it is not 0, which aborts the process.
  image.setU32('maxVcpus', Math.max(1, flags.vcpus));
  image.setU64('flags', 0);
  image.setU32('consoleEvtchn', args.consolePort);
  image.setU32('consoleDomid', args.consoleDomid);
  image.setU32('xenstoreEvtchn', args.storePort);
  image.setU32('xenstoreDomid', args.storeDomid);
  const { lib } = xch;
  const kernelLimit = await sizeLimit(xs, 'kernel');
  if (kernelLimit !== 0n) xch.check('xc_dom_kernel_max_size', lib.xc_dom_kernel_max_size(image.dom, kernelLimit));
  const ramdiskLimit = await sizeLimit(xs, 'ramdisk');
  if (ramdiskLimit !== 0n) xch.check('xc_dom_module_max_size', lib.xc_dom_module_max_size(image.dom, ramdiskLimit));
  step('xc_dom_kernel_file');
  xch.check('xc_dom_kernel_file', lib.xc_dom_kernel_file(image.dom, args.image));
  step('xc_dom_module_file');
  if (args.ramdisk !== undefined) xch.check('xc_dom_module_file', lib.xc_dom_module_file(image.dom, args.ramdisk, null));
  if (args.firmware !== undefined) image.setFirmware(readFirmware(args.firmware));
  step('xc_dom_boot_xen_init');
  xch.check('xc_dom_boot_xen_init', lib.xc_dom_boot_xen_init(image.dom, xch.handle, args.domid));
  step('xc_dom_parse_image');
  xch.check('xc_dom_parse_image', lib.xc_dom_parse_image(image.dom));
}

/**
 * The administrator's limit on the size of a decompressed image, in bytes; 0 = the library's own (1
 * GiB).
 */
async function sizeLimit(xs: XenstoreConnection, what: 'kernel' | 'ramdisk'): Promise<bigint> {
  try {
    return xenstoreNumber(await xs.read(`/mh/limits/pv-${what}-max_size`));
  } catch {
    return 0n;
  }
}

/** The pages are allocated here, on the nodes of the affinity set before. */
function allocateMemory(args: XenguestArguments, kind: ContainerKind, flags: PlatformFlags, image: DomImage, doors: BuildDoors): void {
  const { xch, step } = doors;
  const { lib } = xch;
  const mib = kind === 'pv' ? args.memStartMib : args.memMaxMib;
  const vnodes = vnodesOf(args, mib, doors);
  if (vnodes !== null) setVirtualNodes(image, kind, mib, vnodes);
  else sayGibExtents(args.domid, gibExtents(kind, mib), doors.xc, doors.flow);
  if (kind !== 'pv') setMemory(image, kind, args);
  step('xc_dom_mem_init');
  xch.check('xc_dom_mem_init', lib.xc_dom_mem_init(image.dom, mib));
  step('xc_dom_boot_mem_init');
  xch.check('xc_dom_boot_mem_init', lib.xc_dom_boot_mem_init(image.dom));
  if (kind === 'pv') return;
  step('xc_domain_set_memory_map');
  const memory = guestMemory(kind, args.memMaxMib);
  // hvmloader reads an HVM guest's virtual nodes from Xen itself.
  const acpi = kind === 'hvm' ? null : acpiPages(flags.vcpus, doors.xc.domainGetVnuma(args.domid));
  const e820 = acpi === null ? hvmE820(memory) : pvhE820(memory, acpi.length);
  const entries = image.allocate(e820Bytes(e820));
  if (acpi !== null) {
    // hvmloader makes an HVM guest's ACPI tables, and asks Xen for the map.
    image.setAcpiModule(acpi, ACPI_ADDRESS);
    image.setU64('e820', entries);
    image.setU32('e820Entries', e820.length);
  }
  xch.check('xc_domain_set_memory_map', lib.xc_domain_set_memory_map(xch.handle, args.domid, entries, e820.length));
}

/** The guest's own virtual nodes, or one that keeps its memory on a node; null = any node. */
function vnodesOf(args: XenguestArguments, mib: number, { xc, flow }: BuildDoors): readonly VnodeMemory[] | null {
  if (args.vnodes !== undefined) return args.vnodes;
  const node = chooseExactNode(args, mib, xc, flow);
  return node === null ? null : [{ node, pages: mib * PAGES_A_MIB }];
}

function setMemory(image: DomImage, kind: 'pvh' | 'hvm', { memMaxMib, memStartMib }: XenguestArguments): void {
  const memory = guestMemory(kind, memMaxMib);
  image.setU64('targetPages', memStartMib * PAGES_A_MIB);
  image.setU64('mmioStart', memory.mmioStart);
  image.setU64('mmioSize', memory.mmioSizeBytes);
  image.setU64('lowmemEnd', memory.lowmemEnd);
  image.setU64('highmemEnd', memory.highmemEnd);
  image.setU64('vgaHoleSize', VGA_HOLE_PAGES[kind]);
}

function finish(
  args: XenguestArguments,
  kind: ContainerKind,
  flags: PlatformFlags,
  image: DomImage,
  { xch, step }: BuildDoors,
): BuiltGuest {
  const { lib, handle } = xch;
  step('xc_dom_build_image');
  xch.check('xc_dom_build_image', lib.xc_dom_build_image(image.dom));
  step('xc_dom_boot_image');
  xch.check('xc_dom_boot_image', lib.xc_dom_boot_image(image.dom));
  step('xc_dom_gnttab_init');
  xch.check('xc_dom_gnttab_init', lib.xc_dom_gnttab_init(image.dom));
  const storeFrame = image.getU64('xenstorePfn');
  const consoleFrame = image.getU64('consolePfn');
  if (kind !== 'pv') {
    step('hvm_build_set_params');
    if (kind === 'hvm') writeHvmInfo(xch, args.domid, flags);
    // xenguest ignores the status of both.
    lib.xc_hvm_param_set(handle, args.domid, HVM_PARAM_HPET_ENABLED, flags.hpet ? 1n : 0n);
    setCrashOnTripleFault(xch, args.domid);
    xch.check('xc_domain_set_time_offset', lib.xc_domain_set_time_offset(handle, args.domid, flags.timeoffsetS));
  }
  step('xc_cpuid_apply_policy');
  // A PVH kernel runs in long mode, which has no use for a CPU without PAE: platform/pae is for HVM
  // guests.
  const pae = kind === 'pvh' || (kind === 'hvm' && flags.pae);
  xch.check(
    'xc_cpuid_apply_policy',
    lib.xc_cpuid_apply_policy(handle, args.domid, false, null, 0, pae, flags.nomigrate, flags.nestedVirt, null, null),
  );
  const store = kind === 'pv' ? image.pvMachineFrame(storeFrame) : storeFrame;
  const console = kind === 'pv' ? image.pvMachineFrame(consoleFrame) : consoleFrame;
  const protocol = kind === 'pv' ? lib.xc_domain_get_native_protocol(handle, args.domid) : null;
  return { storePfn: Number(store), consolePfn: Number(console), protocol };
}
