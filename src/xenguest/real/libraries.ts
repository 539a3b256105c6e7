// libxenguest and libxenctrl of the running system, found by version, with typed functions.
import { readdirSync } from 'node:fs';
import koffi from 'koffi';
import { XenguestError } from '../xenguest.js';
import { DOM_IMAGE_LAYOUTS, type DomImageLayout, SUPPORTED_VERSIONS } from './dom-image-layout.js';

/** A pointer of C; 0n or null is NULL. */
export type Pointer = bigint | null;
type Call<Args extends unknown[], Result> = (...args: Args) => Result;
type Dom = [dom: bigint];
/** Most calls return 0, or -1 with errno and the library's own last error. */
type Status = number;

export interface Libxenguest {
  /** "4.17" */
  readonly version: string;
  readonly layout: DomImageLayout;
  readonly errno: () => number;
  readonly xc_interface_open: Call<[logger: Pointer, domBuildLogger: Pointer, flags: number], Pointer>;
  readonly xc_interface_close: Call<[xch: bigint], Status>;
  readonly xc_get_last_error: Call<[xch: bigint], bigint>;
  readonly xc_clear_last_error: Call<[xch: bigint], void>;
  readonly xc_domain_set_tsc_info: Call<
    [xch: bigint, domid: number, mode: number, elapsedNs: bigint, khz: number, incarnation: number],
    Status
  >;
  readonly xc_domain_set_memory_map: Call<[xch: bigint, domid: number, entries: bigint, count: number], Status>;
  readonly xc_domain_set_time_offset: Call<[xch: bigint, domid: number, seconds: bigint], Status>;
  readonly xc_hvm_param_set: Call<[xch: bigint, domid: number, param: number, value: bigint], Status>;
  readonly xc_map_foreign_range: Call<[xch: bigint, domid: number, bytes: number, prot: number, frame: bigint], Pointer>;
  readonly munmap: Call<[address: bigint, bytes: bigint], Status>;
  readonly xc_cpuid_apply_policy: Call<
    [
      xch: bigint,
      domid: number,
      restore: boolean,
      featureset: Pointer,
      features: number,
      pae: boolean,
      itsc: boolean,
      nestedVirt: boolean,
      xend: Pointer,
      msr: Pointer,
    ],
    Status
  >;
  readonly xc_domain_get_native_protocol: Call<[xch: bigint, domid: number], string>;
  readonly xc_dom_allocate: Call<[xch: bigint, cmdline: string, features: string | null], Pointer>;
  readonly xc_dom_malloc: Call<[dom: bigint, bytes: number], Pointer>;
  readonly xc_dom_kernel_max_size: Call<[dom: bigint, bytes: bigint], Status>;
  readonly xc_dom_module_max_size: Call<[dom: bigint, bytes: bigint], Status>;
  readonly xc_dom_kernel_file: Call<[dom: bigint, path: string], Status>;
  readonly xc_dom_module_file: Call<[dom: bigint, path: string, cmdline: string | null], Status>;
  readonly xc_dom_boot_xen_init: Call<[dom: bigint, xch: bigint, domid: number], Status>;
  readonly xc_dom_parse_image: Call<Dom, Status>;
  readonly xc_dom_mem_init: Call<[dom: bigint, mib: number], Status>;
  readonly xc_dom_boot_mem_init: Call<Dom, Status>;
  readonly xc_dom_build_image: Call<Dom, Status>;
  readonly xc_dom_boot_image: Call<Dom, Status>;
  readonly xc_dom_gnttab_init: Call<Dom, Status>;
  readonly xc_dom_release: Call<Dom, void>;
  readonly xc_domain_save: Call<
    [xch: bigint, fd: number, domid: number, flags: number, callbacks: Uint8Array, streamType: number, receiveFd: number],
    Status
  >;
  readonly xc_domain_restore: Call<
    [
      xch: bigint,
      fd: number,
      domid: number,
      storePort: number,
      storeFrame: BigUint64Array,
      storeDomid: number,
      consolePort: number,
      consoleFrame: BigUint64Array,
      consoleDomid: number,
      streamType: number,
      callbacks: Uint8Array,
      sendBackFd: number,
    ],
    Status
  >;
  readonly xc_domain_resume: Call<[xch: bigint, domid: number, fast: number], Status>;
}

const LIBXENCTRL = {
  xc_interface_open: 'void *xc_interface_open(void *logger, void *dombuild_logger, unsigned int flags)',
  xc_interface_close: 'int xc_interface_close(void *xch)',
  xc_get_last_error: 'void *xc_get_last_error(void *xch)',
  xc_clear_last_error: 'void xc_clear_last_error(void *xch)',
  xc_domain_set_tsc_info:
    'int xc_domain_set_tsc_info(void *xch, uint32_t domid, uint32_t mode, uint64_t elapsed, uint32_t khz, uint32_t incarnation)',
  xc_domain_set_memory_map: 'int xc_domain_set_memory_map(void *xch, uint32_t domid, void *entries, uint32_t count)',
  xc_domain_set_time_offset: 'int xc_domain_set_time_offset(void *xch, uint32_t domid, int64_t seconds)',
  xc_map_foreign_range: 'void *xc_map_foreign_range(void *xch, uint32_t dom, int size, int prot, unsigned long mfn)',
  xc_hvm_param_set: 'int xc_hvm_param_set(void *xch, uint32_t domid, uint32_t param, uint64_t value)',
};

const LIBC = { munmap: 'int munmap(void *address, size_t bytes)' };

const LIBXENGUEST = {
  xc_cpuid_apply_policy:
    'int xc_cpuid_apply_policy(void *xch, uint32_t domid, bool restore, void *featureset, unsigned int features, bool pae, bool itsc, bool nested, void *xend, void *msr)',
  xc_domain_get_native_protocol: 'str xc_domain_get_native_protocol(void *xch, uint32_t domid)',
  xc_dom_allocate: 'void *xc_dom_allocate(void *xch, str cmdline, str features)',
  xc_dom_malloc: 'void *xc_dom_malloc(void *dom, size_t bytes)',
  xc_dom_kernel_max_size: 'int xc_dom_kernel_max_size(void *dom, size_t bytes)',
  xc_dom_module_max_size: 'int xc_dom_module_max_size(void *dom, size_t bytes)',
  xc_dom_kernel_file: 'int xc_dom_kernel_file(void *dom, str path)',
  xc_dom_module_file: 'int xc_dom_module_file(void *dom, str path, str cmdline)',
  xc_dom_boot_xen_init: 'int xc_dom_boot_xen_init(void *dom, void *xch, uint32_t domid)',
  xc_dom_parse_image: 'int xc_dom_parse_image(void *dom)',
  xc_dom_mem_init: 'int xc_dom_mem_init(void *dom, unsigned int mib)',
  xc_dom_boot_mem_init: 'int xc_dom_boot_mem_init(void *dom)',
  xc_dom_build_image: 'int xc_dom_build_image(void *dom)',
  xc_dom_boot_image: 'int xc_dom_boot_image(void *dom)',
  xc_dom_gnttab_init: 'int xc_dom_gnttab_init(void *dom)',
  xc_dom_release: 'void xc_dom_release(void *dom)',
  xc_domain_save: 'int xc_domain_save(void *xch, int fd, uint32_t domid, uint32_t flags, void *callbacks, int stream_type, int recv_fd)',
  xc_domain_restore:
    'int xc_domain_restore(void *xch, int fd, uint32_t domid, unsigned int store_port, void *store_frame, uint32_t store_domid, unsigned int console_port, void *console_frame, uint32_t console_domid, int stream_type, void *callbacks, int send_back_fd)',
  xc_domain_resume: 'int xc_domain_resume(void *xch, uint32_t domid, int fast)',
};

/**
 * Folders that the dynamic linker of an x86-64 Linux searches, for the message about a missing
 * supported version.
 */
const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib64',
  '/usr/local/lib',
];

/**
 * Loads the newest supported pair of libraries.
 * @throws XenguestError with the versions found and the versions supported
 */
export function loadLibxenguest(): Libxenguest {
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    throw new XenguestError(`xenguest: libxenguest is used on Linux x86-64; this is ${process.platform} ${process.arch}`);
  }
  const failures: string[] = [];
  for (const version of [...SUPPORTED_VERSIONS].reverse()) {
    try {
      const xen = { ...bind(`libxenctrl.so.${version}`, LIBXENCTRL), ...bind(`libxenguest.so.${version}`, LIBXENGUEST) };
      const bound = { ...xen, ...bind('libc.so.6', LIBC) };
      // The bindings are built from the three tables above, which name exactly the functions of the
      // interface.
      return { ...bound, version, layout: DOM_IMAGE_LAYOUTS[version]!, errno: () => koffi.errno() } as unknown as Libxenguest;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new XenguestError(notFound(foundVersions(searchFolders(process.env.LD_LIBRARY_PATH)), failures));
}

function bind(library: string, functions: Readonly<Record<string, string>>): Record<string, unknown> {
  const loaded = koffi.load(library);
  return Object.fromEntries(Object.entries(functions).map(([name, prototype]) => [name, loaded.func(prototype)]));
}

export function searchFolders(ldLibraryPath: string | undefined): string[] {
  return [...(ldLibraryPath ?? '').split(':').filter((folder) => folder !== ''), ...LIBRARY_FOLDERS];
}

/**
 * Versions of libxenguest in these folders, such as "4.16"; a folder that does not exist holds
 * none.
 */
export function foundVersions(folders: readonly string[]): string[] {
  const versions = new Set<string>();
  for (const folder of folders) {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      continue;
    }
    for (const name of names) {
      const version = /^libxenguest\.so\.(\d+\.\d+)/.exec(name)?.[1];
      if (version !== undefined) versions.add(version);
    }
  }
  return [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** The message for a system whose libxenguest cannot be used. */
export function notFound(found: readonly string[], failures: readonly string[]): string {
  const supported = `supported: ${SUPPORTED_VERSIONS.map((version) => `libxenguest.so.${version}`).join(', ')}`;
  const usable = found.filter((version) => SUPPORTED_VERSIONS.includes(version));
  if (usable.length > 0) return `xenguest: libxenguest ${usable.join(', ')} was found but cannot be loaded: ${failures.join('; ')}`;
  if (found.length > 0) return `xenguest: found libxenguest ${found.join(', ')}, whose structures this builder does not know; ${supported}`;
  return `xenguest: no libxenguest found; ${supported} (Debian 12: package libxenmisc4.17)`;
}
