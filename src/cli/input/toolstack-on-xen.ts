// xennuma's own toolstack on the running host, with the state folder that its VMs are kept in: what
// `vm` and `run --on xen` work with.
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
import { withXen } from './on-xen.js';

/**
 * Host and folder are let go of in any case; the VMs go on.
 * @param state folder of the VMs; made if it is not there
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
      return await work(await createToolstack({ ...host, others }, { ...settings, metadata }));
    } finally {
      await metadata.close();
    }
  }, options);
}

/** The machine that descriptions of VMs speak of. */
export async function runningHost({ doors }: Toolstack): Promise<Host> {
  return hostOf(await liveMap(doors, { memory: false }));
}

/** @throws InputError for a name that a VM of the state folder has */
export function mustBeNew(toolstack: Toolstack, names: readonly string[], state: string): void {
  const known = new Set(toolstack.vms().map(({ spec }) => spec.name));
  const taken = names.find((name) => known.has(name));
  if (taken === undefined) return;
  throw new InputError(`there is a VM '${taken}' in ${state} already`, { path: taken }, 'name it otherwise, or give another --state');
}

/** @throws InputError for a VM that no real host could start */
export function mustBeLoadable(vms: readonly VmSpec[]): void {
  for (const vm of vms) {
    const why = whyNotLoadable(vm);
    if (why !== null) throw new InputError(why.what, { path: vm.name }, why.mend);
  }
}
