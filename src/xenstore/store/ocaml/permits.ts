// Access rights on a node of oxenstored. Source: tools/ocaml/xenstored/perms.ml (Xen 4.17).
import { type Access, grants, type Identity, type Permissions } from '../../protocol/permissions.js';

/** Domain 0, and who acts for it. */
export function isDom0({ domid, target }: Identity): boolean {
  return domid === 0 || target === 0;
}

export function isOwner(identity: Identity, permissions: Permissions): boolean {
  const owner = permissions[0]!.domid;
  return isDom0(identity) || owner === identity.domid || owner === identity.target;
}

/** Either of the two domains that a client stands for may have the right. */
export function permits(identity: Identity, permissions: Permissions, access: Access): boolean {
  if (isOwner(identity, permissions)) return true;
  const may = (domid: number): boolean => {
    let entry = permissions[0]!;
    for (let at = 1; at < permissions.length; at++) {
      if (permissions[at]!.domid === domid) {
        entry = permissions[at]!;
        break;
      }
    }
    return grants(entry, access);
  };
  return may(identity.domid) || (identity.target !== undefined && may(identity.target));
}
