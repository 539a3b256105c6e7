// Who may do what on a node. Box of the chart: XenStore.
// Source: docs/misc/xenstore.txt (GET_PERMS, SET_PERMS): the first entry is the owner and the default of everyone else.
import type { XenstorePermission } from './connection.js';

export type Permissions = readonly XenstorePermission[];
export type Access = 'read' | 'write';

const GRANTS: Readonly<Record<XenstorePermission['access'], readonly Access[]>> = {
  n: [],
  r: ['read'],
  w: ['write'],
  b: ['read', 'write'],
};

/** Domain 0 may do everything, an owner everything on its node, others as their own entry or else the first one says. */
export function permits(permissions: Permissions, domid: number, access: Access): boolean {
  const first = permissions[0]!;
  if (domid === 0 || first.domid === domid) return true;
  const own = permissions.find((entry, index) => index > 0 && entry.domid === domid) ?? first;
  return GRANTS[own.access].includes(access);
}
