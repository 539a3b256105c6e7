// stub_xc_domain_save, stub_xc_domain_restore and the resume of a guest whose suspend was called
// off, over libxenguest (XenServer's xenguest.patch; libxenguest's streams: Xen,
// docs/specs/libxc-migration-stream.pandoc). Box of the chart: stub_xc_hvm_build, in its place.
import { readSync } from 'node:fs';
import koffi from 'koffi';
import { configureVcpus } from '../configure-vcpus.js';
import { SUSPEND_LINE } from '../control-protocol.js';
import type { RestoreArguments, ResumeArguments, SaveArguments } from '../guest-streams.js';
import { PAGES_A_MIB } from '../memory/guest-pages.js';
import { getFlags } from '../platform.js';
import { XenguestError } from '../xenguest.js';
import type { BuildDoors, BuiltGuest } from './build-guest.js';
import { setCrashOnTripleFault } from './build-guest.js';
import type { XcInterface } from './dom-image.js';

/** XCFLAGS_LIVE and XC_STREAM_PLAIN of xenguest.h. */
const LIVE = 1;
const PLAIN_STREAM = 0;
/** No file descriptor: answers of the other side are for checkpoints. */
const NO_FD = -1;
/** Of struct save_callbacks and struct restore_callbacks: seven pointers each. */
const CALLBACKS_BYTES = 7 * 8;
const LINE_END = 10;

/** The step of a builder that runs another mode than a build. */
export type StreamStep = 'xc_domain_save' | 'suspended' | 'xc_domain_restore' | 'xc_domain_resume';

interface StreamControl {
  readonly write: (line: string) => void;
  readonly inFd: number;
  readonly step: (name: StreamStep) => void;
}

/** @throws XenguestError in xenguest's words */
export function saveGuest(args: SaveArguments, fd: number, { xch, xc }: Pick<BuildDoors, 'xch' | 'xc'>, control: StreamControl): void {
  const { domid } = args;
  // Debian's Xen has none: such a guest stands still while it is copied.
  const live = args.live && (args.mode === 'hvm_save' || xc.physInfo().hasShadow);
  let why: string | null = null;
  const suspend = (): number => {
    try {
      control.write(SUSPEND_LINE);
      readLine(control.inFd);
      control.step('suspended');
      return 1;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
      return 0;
    }
  };
  const callbacks = saveCallbacks(suspend);
  control.step('xc_domain_save');
  try {
    const status = xch.lib.xc_domain_save(xch.handle, fd, domid, live ? LIVE : 0, callbacks.struct, PLAIN_STREAM, NO_FD);
    if (why !== null) throw new XenguestError(`xenguest: the guest was not suspended: ${why}`);
    xch.check('xc_domain_save', status);
  } finally {
    callbacks.release();
  }
}

/** @throws XenguestError in xenguest's words */
export async function restoreGuest(
  args: RestoreArguments,
  fd: number,
  doors: BuildDoors,
  step: StreamControl['step'],
): Promise<BuiltGuest> {
  const { domid } = args;
  const { xch, xc, xs, flow } = doors;
  const { lib, handle } = xch;
  const isPv = args.mode === 'restore';
  const memMaxMib = Math.floor((xc.domainInfo(domid)?.maxPages ?? 0) / PAGES_A_MIB);
  flow.edge('exec_xenguest -> stub_xc_hvm_build');
  flow.node('stub_xc_hvm_build', { domid, kind: isPv ? 'pv' : 'pvh', memMaxMib, memStartMib: memMaxMib });
  const flags = await getFlags(xs, domid, !isPv);
  flow.edge('stub_xc_hvm_build -> configure_vcpus');
  await configureVcpus(xc.withFlow(flow), domid, flags, flow, async () => {});
  step('xc_domain_restore');
  const [store, console] = [new BigUint64Array(1), new BigUint64Array(1)];
  // A plain stream needs none of them.
  const callbacks = new Uint8Array(CALLBACKS_BYTES);
  const { storePort, storeDomid, consolePort, consoleDomid } = args;
  xch.check(
    'xc_domain_restore',
    lib.xc_domain_restore(
      handle,
      fd,
      domid,
      storePort,
      store,
      storeDomid,
      consolePort,
      console,
      consoleDomid,
      PLAIN_STREAM,
      callbacks,
      NO_FD,
    ),
  );
  // The stream has no record of it.
  if (!isPv) setCrashOnTripleFault(xch, domid);
  const protocol = isPv ? lib.xc_domain_get_native_protocol(handle, domid) : null;
  return { storePfn: Number(store[0]), consolePfn: Number(console[0]), protocol };
}

/**
 * As after a suspend that was called off: the guest's own suspend call returns 1 (libxenguest,
 * xg_resume.c, xc_domain_resume_cooperative), and it goes on without connecting anew.
 */
export function resumeGuest({ domid }: ResumeArguments, xch: XcInterface): void {
  const COOPERATIVE = 1;
  xch.check('xc_domain_resume', xch.lib.xc_domain_resume(xch.handle, domid, COOPERATIVE));
}

/** The toolstack's answer to `suspend:`, one line. @throws when there is none */
function readLine(fd: number): void {
  const byte = new Uint8Array(1);
  do {
    if (readSync(fd, byte) === 0) throw new XenguestError('the toolstack called it off');
  } while (byte[0] !== LINE_END);
}

/** struct save_callbacks of xenguest.h: seven pointers, of which a plain stream needs two. */
function saveCallbacks(suspend: () => number): { readonly struct: Uint8Array; release(): void } {
  const SUSPEND_AT = 0;
  const SWITCH_LOG_DIRTY_AT = 40;
  const functions = [
    [SUSPEND_AT, suspend, 'int xennuma_suspend(void *data)'],
    // There is no device model that would write to the guest's memory.
    [SWITCH_LOG_DIRTY_AT, () => 0, 'int xennuma_switch_log_dirty(uint32_t domid, unsigned int enable, void *data)'],
  ] as const;
  const struct = new Uint8Array(CALLBACKS_BYTES);
  const registered = functions.map(([at, work, prototype]) => {
    const pointer = koffi.register(work, koffi.pointer(koffi.proto(prototype)));
    new DataView(struct.buffer).setBigUint64(at, pointer, true);
    return pointer;
  });
  return {
    struct,
    release() {
      for (const pointer of registered) koffi.unregister(pointer);
    },
  };
}
