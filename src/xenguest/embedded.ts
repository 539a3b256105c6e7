// The domain builder in this process, for the embedded host. It reads XenStore, configures the
// vCPUs and populates the memory, as XenServer's xenguest does, but loads no image. Boxes of the
// chart: exec_xenguest, stub_xc_hvm_build, configure_vcpus, set_hard_affinity?.
import { formatList } from '../base/bitset.js';
import { XenError } from '../base/errors.js';
import { type FlowSink, NO_FLOW } from '../flow/record.js';
import { inspectionOf } from '../xenctrl/doors/inspection.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { configureVcpus } from './configure-vcpus.js';
import { failwithOssXc } from './failwith.js';
import { type ContainerKind, mmioHoleBytes } from './memory/guest-pages.js';
import { chooseExactNode } from './memory/node-choice.js';
import { type PopulatedGuest, populateGuest } from './memory/populate-guest.js';
import { getFlags, type PlatformFlags } from './platform.js';
import { type Xenguest, type XenguestArguments, XenguestError, type XenguestResult, type XenguestRun } from './xenguest.js';

export interface EmbeddedXenguestDoors {
  readonly xc: Xenctrl;
  readonly xs: XenstoreConnection;
}

const KINDS: Readonly<Record<XenguestArguments['mode'], ContainerKind>> = { hvm_build: 'hvm', pvh_build: 'pvh', linux_build: 'pv' };

export function embeddedXenguest(doors: EmbeddedXenguestDoors): Xenguest {
  return { run: (args, run) => build(doors, args, run) };
}

async function build({ xc, xs }: EmbeddedXenguestDoors, args: XenguestArguments, { flow, turn }: XenguestRun): Promise<XenguestResult> {
  const { domid, mode, memMaxMib, memStartMib } = args;
  const kind = KINDS[mode];
  flow.node('exec_xenguest', { mode, domid, image: args.image, memMaxMib, memStartMib, memPnode: args.memPnode ?? null });
  flow.edge('exec_xenguest -> stub_xc_hvm_build');
  flow.node('stub_xc_hvm_build', { domid, kind, memMaxMib, memStartMib });
  const flags = await getFlags(xs, domid, kind !== 'pv');
  safetyChecks(args, flags);
  flow.edge('stub_xc_hvm_build -> configure_vcpus');
  await configureVcpus(xc.withFlow(flow), domid, flags, flow, turn);
  await turn();
  const exactNode = chooseExactNode(args, memStartMib, xc, flow);
  let populated: PopulatedGuest;
  try {
    populated = await populateGuest(xc, { domid, kind, memMaxMib, memStartMib, exactNode, vnodes: args.vnodes ?? [] }, turn);
  } catch (error) {
    notePopulated(xc, domid, flow, { failed: error instanceof Error ? error.message : String(error) });
    throw failwithOssXc(error instanceof XenError ? error.call : '', error);
  }
  if (kind !== 'pv') await xs.write(`/local/domain/${domid}/vm-data/mmio-hole-size`, String(mmioHoleBytes(kind)));
  const { storePfn, consolePfn, ...what } = populated;
  notePopulated(xc, domid, flow, what);
  return { storePfn, consolePfn };
}

/** xenguest.patch, hvm_safety_check: settings that exclude populate on demand. */
function safetyChecks({ mode, memStartMib, memMaxMib }: XenguestArguments, flags: PlatformFlags): void {
  if (memStartMib > memMaxMib) {
    throw new XenguestError(`xenguest: -mem_start_mib ${memStartMib} is more than -mem_max_mib ${memMaxMib}`);
  }
  if (mode !== 'linux_build' && memStartMib < memMaxMib && flags.nestedVirt) {
    throw new XenguestError('Populate on Demand and Nested Virtualisation are mutually exclusive');
  }
}

/** The nodes of the memory, as far as the host reports them for one domain. */
function notePopulated(
  xc: Xenctrl,
  domid: number,
  flow: FlowSink,
  what: Omit<PopulatedGuest, 'storePfn' | 'consolePfn'> | { readonly failed: string },
): void {
  if (flow === NO_FLOW) return;
  const pagesByNode =
    inspectionOf(xc.door)?.pagesByNode(domid) ?? xc.domainMemory().find((one) => one.domid === domid)?.pagesByNode ?? null;
  flow.note('populated', {
    domid,
    pages: pagesByNode?.reduce((sum, pages) => sum + pages, 0) ?? null,
    pagesByNode,
    nodeAffinity: formatList(xc.domainNodeGetAffinity(domid)),
    ...what,
  });
}
