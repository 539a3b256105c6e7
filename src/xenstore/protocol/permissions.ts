// Access rights on a node. Source: docs/misc/xenstore.txt (GET_PERMS, SET_PERMS): the first entry
// is the owner and the default of everyone else.
import type { XenstorePermission } from '../connection.js';

export type Permissions = readonly XenstorePermission[];
export type Access = 'read' | 'write';

/** A client as far as permissions go: its domain, and the one that it acts for (SET_TARGET). */
export interface Identity {
  readonly domid: number;
  readonly target: number | undefined;
}

const READ = 1;
const WRITE = 2;
export const RIGHTS: Readonly<Record<XenstorePermission['access'], number>> = { n: 0, r: READ, w: WRITE, b: READ | WRITE };
const WANTED: Readonly<Record<Access, number>> = { read: READ, write: WRITE };

export function grants(entry: XenstorePermission, access: Access): boolean {
  return (RIGHTS[entry.access] & WANTED[access]) !== 0;
}

/** "n0" and the like, each closed by NUL. */
export function permissionsText(permissions: Permissions, domidText: (entry: XenstorePermission) => string): string {
  let text = '';
  for (const entry of permissions) text += `${entry.access}${domidText(entry)}\0`;
  return text;
}
