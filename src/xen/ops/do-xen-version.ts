// do_xen_version() (xen/common/kernel.c): of its queries only the version itself.
import { XENVER } from '../../abi/commands.js';
import { packVersion } from '../../abi/interface-version.js';
import { ERRNO } from '../../base/errors.js';
import type { XenState } from '../state/xen-state.js';

export function doXenVersion(xen: XenState, query: number): number {
  return query === XENVER.version ? packVersion(xen.version) : -ERRNO.ENOSYS;
}
