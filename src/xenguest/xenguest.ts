// xenopsd's interface to the domain builder: a command line, and the lines that it writes on a
// control fd. Implementations: embedded.ts in this process, and a process of its own over
// libxenguest.
import type { Errno } from '../base/errors.js';
import type { FlowSink } from '../flow/record.js';
import type { RestoreArguments, SaveArguments } from './guest-streams.js';

export interface VnodeMemory {
  readonly node: number;
  readonly pages: number;
}

/** xenguest's command line (xenopsd, ocaml/xenopsd/xc/domain.ml, build_linux/hvm_build_params). */
export interface XenguestArguments {
  readonly mode: 'hvm_build' | 'pvh_build' | 'linux_build';
  readonly domid: number;
  readonly image: string;
  readonly ramdisk?: string;
  readonly cmdline?: string;
  readonly storePort: number;
  readonly storeDomid: number;
  readonly consolePort: number;
  readonly consoleDomid: number;
  readonly memMaxMib: number;
  readonly memStartMib: number;
  /** -mem_pnode: the one node that the memory was claimed on (xapi 26.3). */
  readonly memPnode?: number;
  /**
   * Not an option of the real xenguest. If the domain's node affinity is one node with enough free
   * memory, all of it is allocated there (XENMEMF_exact_node). Without the option, the 1 GiB
   * extents that libxenguest requests first may go to other nodes.
   */
  readonly keepOnNode?: boolean;
  /**
   * Not an option of the real xenguest, whose hvmloader has its firmware inside: the file of the
   * firmware that hvmloader starts.
   */
  readonly firmware?: string;
  /**
   * Not an option of the real xenguest; libxl builds such guests in its own process. The memory of
   * each virtual node, in order, from its physical node and no other.
   */
  readonly vnodes?: readonly VnodeMemory[];
}

/** "result:<store_pfn> <console_pfn>" */
export interface XenguestResult {
  readonly storePfn: number;
  readonly consolePfn: number;
}

/**
 * The build failed. `message` is the builder's text, such as "xenguest: xc_vcpu_setaffinity: [22]
 * Invalid argument".
 */
export class XenguestError extends Error {
  override readonly name = 'XenguestError';
  /** The errno of the failed call to Xen or the library; null if there was none. */
  readonly errno: Errno | null;

  constructor(message: string, errno: Errno | null = null) {
    super(message);
    this.errno = errno;
  }
}

export interface XenguestRun {
  readonly flow: FlowSink;
  /** Awaited between steps, so that parallel builds take turns. */
  readonly turn: () => Promise<void>;
}

/** Suspends the guest, when the builder wants it so. @throws why the guest did not */
export type SuspendGuest = () => Promise<void>;

/** All reject with XenguestError when the builder fails, or with the error of `suspend`. */
export interface GuestStreams {
  /** @param fd where the stream is written, from its present position */
  save(args: SaveArguments, fd: number, suspend: SuspendGuest): Promise<void>;
  /** @param fd stands at the start of a stream, and after it in the end */
  restore(args: RestoreArguments, fd: number, run: XenguestRun): Promise<XenguestResult>;
  /** Both at once, one domain beside the other. */
  move(save: SaveArguments, suspend: SuspendGuest, restore: RestoreArguments, run: XenguestRun): Promise<XenguestResult>;
  /** A guest that suspended itself, and whose suspend is called off, runs on. */
  resume(domid: number): Promise<void>;
}

export interface Xenguest {
  /** @throws XenguestError when the builder fails or dies */
  run(args: XenguestArguments, run: XenguestRun): Promise<XenguestResult>;
  /** Absent where no guest has a memory that could be kept. */
  readonly streams?: GuestStreams;
}
