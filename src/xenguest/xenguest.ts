// What xenopsd knows of the domain builder: a command line, and lines that come back on a control
// fd. Implementations: embedded.ts in this process, and a process of its own over libxenguest.
import type { Errno } from '../base/errors.js';
import type { FlowSink } from '../flow/record.js';

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
   * Not of the real xenguest: when the domain's node affinity is one node that has the memory free,
   * take all of it there (XENMEMF_exact_node), where the extents of 1 GiB that libxenguest asks for
   * first would go elsewhere.
   */
  readonly keepOnNode?: boolean;
  /**
   * libxl's vNUMA: the memory of each virtual node, in order, from its physical node and no other.
   */
  readonly vnodes?: readonly VnodeMemory[];
}

/** "result:<store_pfn> <console_pfn>" */
export interface XenguestResult {
  readonly storePfn: number;
  readonly consolePfn: number;
}

/**
 * The build failed; `message` is the builder's text, such as "xenguest: xc_vcpu_setaffinity: [22]
 * Invalid argument".
 */
export class XenguestError extends Error {
  override readonly name = 'XenguestError';
  /** What Xen or the library answered to the call that failed; null when it was no such call. */
  readonly errno: Errno | null;

  constructor(message: string, errno: Errno | null = null) {
    super(message);
    this.errno = errno;
  }
}

export interface XenguestRun {
  readonly flow: FlowSink;
  /** Awaited between steps, so that builds side by side take turns. */
  readonly turn: () => Promise<void>;
}

export interface Xenguest {
  /** @throws XenguestError when the builder says so or dies */
  run(args: XenguestArguments, run: XenguestRun): Promise<XenguestResult>;
}
