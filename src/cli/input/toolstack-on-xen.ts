// xennuma's own toolstack on the running host, with the state folder of its VMs. `vm` and `run --on
// xen` use it.
import { InputError } from '../../base/errors.js';
import { hostOf } from '../../live/live-copy.js';
import { knownDomains, liveMap } from '../../live/live-map.js';
import type { Host } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Toolstack, ToolstackOptions } from '../../xenopsd/api/toolstack.js';
import type { XenHostOptions } from '../../xenopsd/hosts/xen-host.js';
import { createToolstack } from '../../xenopsd/life/toolstack.js';
import { whyNotLoadable } from '../../xenopsd/start/vm-create.js';
import { FileMetadata } from '../../xenopsd/store/file-metadata.js';
import { fileImages } from '../../xenopsd/store/suspend-image.js';
import { withXen } from './on-xen.js';

/**
 * Host and folder are released in any case; the VMs go on running.
 * @param state folder of the VMs; created if missing
 * @throws UnreachableError when there is no Xen here
 */
export function withToolstack<T>(
  state: string,
  settings: Omit<ToolstackOptions, 'metadata'>,
  options: XenHostOptions,
  work: (toolstack: Toolstack) => Promise<T>,
): Promise<T> {
  return withXen(async (host) => {
    const metadata = await FileMetadata.open(state);
    try {
      const domids = host.xc.domainList().map(({ domid }) => domid);
      const others = await knownDomains(host.xs, domids);
      return await work(await createToolstack({ ...host, others }, { ...settings, metadata, images: fileImages(state) }));
    } finally {
      await metadata.close();
    }
  }, options);
}

/** The machine that VM descriptions refer to. */
export async function runningHost({ doors }: Toolstack): Promise<Host> {
  return hostOf(await liveMap(doors, { memory: false }));
}

/** @throws InputError for a name in use in the state folder */
export function mustBeNew(toolstack: Toolstack, names: readonly string[], state: string): void {
  const known = new Set(toolstack.vms().map(({ spec }) => spec.name));
  const taken = names.find((name) => known.has(name));
  if (taken === undefined) return;
  throw new InputError(`a VM named '${taken}' already exists in ${state}`, { path: taken }, 'choose another name, or give another --state');
}

/** @throws InputError for a VM that no real host can start */
export function mustBeLoadable(vms: readonly VmSpec[]): void {
  for (const vm of vms) {
    const why = whyNotLoadable(vm);
    if (why !== null) throw new InputError(why.what, { path: vm.name }, why.mend);
  }
}
