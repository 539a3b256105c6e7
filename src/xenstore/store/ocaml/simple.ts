// The requests that may be part of a transaction, on the live store or a transaction's; a commit
// can repeat them. Source: tools/ocaml/xenstored/process.ml do_directory to do_setperms (Xen 4.17).

import type { XenstorePermission } from '../../connection.js';
import { type Permissions, permissionsText } from '../../protocol/permissions.js';
import { MESSAGE, PAYLOAD_MAX_BYTES } from '../../protocol/wire.js';
import type { ClientState } from '../client-state.js';
import { fail, StoreFailure } from '../failure.js';
import type { StoreQuota } from '../limits.js';
import { firstDigits, intOfString, numberOfString, unsignedText } from './numbers.js';
import { type Parts, partsOf } from './paths.js';
import type { Store } from './store.js';
import type { Change } from './transaction.js';

/** Who hears what a request did. */
export interface Recorder {
  noteRead(parts: Parts): void;
  noteWrite(parts: Parts): void;
  readonly changes: Change[];
  /** A missing parent was made on the way. */
  noteImplicit?(parts: Parts): void;
  /** Answers are kept, to be compared with later ones. */
  readonly wholeAnswers: boolean;
}

export const SIMPLE: ReadonlySet<number> = new Set([
  MESSAGE.directory,
  MESSAGE.read,
  MESSAGE.getPermissions,
  MESSAGE.getDomainPath,
  MESSAGE.write,
  MESSAGE.mkdir,
  MESSAGE.rm,
  MESSAGE.setPermissions,
]);

const OK = 'OK\0';

/**
 * Payload of the reply. Longer than 70 lines: one short case for each request, each a function of
 * process.ml.
 * @throws StoreFailure with the errno of the refusal
 */
export function simple(client: ClientState, store: Store, quota: StoreQuota, to: Recorder, type: number, payload: string): string {
  switch (type) {
    case MESSAGE.read: {
      const parts = onePath(client, store, quota, payload);
      const { value } = store.readable(client, parts);
      to.noteRead(parts);
      return value;
    }
    case MESSAGE.write: {
      const nul = payload.indexOf('\0');
      if (nul < 0) fail('EINVAL');
      const parts = pathOf(client, store, quota, payload.slice(0, nul));
      makeParents(client, store, quota, to, parts);
      const existed = store.write(client, parts, payload.slice(nul + 1), quota);
      to.noteWrite(existed ? parts : parts.slice(0, -1));
      to.changes.push({ kind: 'write', parts });
      return OK;
    }
    case MESSAGE.directory: {
      const parts = onePath(client, store, quota, payload);
      // A guest gets E2BIG for more; a transaction compares whole answers.
      const whole = client.domid === 0 || to.wholeAnswers;
      const text = store.listing(client, parts, whole ? Number.POSITIVE_INFINITY : PAYLOAD_MAX_BYTES);
      to.noteRead(parts);
      return text;
    }
    case MESSAGE.getPermissions: {
      const parts = onePath(client, store, quota, payload);
      const { permissions } = store.readable(client, parts);
      to.noteRead(parts);
      return permissionsText(permissions, ({ domid, exactDomid }) => unsignedText(exactDomid ?? domid));
    }
    case MESSAGE.getDomainPath: {
      const strings = payload.split('\0');
      if (strings.length !== 2 || strings[1] !== '') fail('EINVAL');
      return `/local/domain/${unsignedText(firstDigits(strings[0]!))}\0`;
    }
    case MESSAGE.mkdir: {
      const parts = onePath(client, store, quota, payload);
      makeParents(client, store, quota, to, parts);
      if (store.mkdir(client, parts, quota)) {
        to.noteWrite(parts.slice(0, -1));
        to.changes.push({ kind: 'mkdir', parts });
      }
      return OK;
    }
    case MESSAGE.rm: {
      const parts = onePath(client, store, quota, payload);
      if (store.rm(client, parts)) {
        to.noteWrite(parts.slice(0, -1));
        to.changes.push({ kind: 'rm', parts });
      }
      return OK;
    }
    case MESSAGE.setPermissions: {
      const nul = payload.indexOf('\0');
      if (nul < 0) fail('EINVAL');
      const permissions = permissionsOf(payload.slice(nul + 1));
      const parts = pathOf(client, store, quota, payload.slice(0, nul));
      store.setPermissions(client, parts, permissions);
      to.noteWrite(parts);
      to.changes.push({ kind: 'setPermissions', parts });
      return OK;
    }
    default:
      return fail('ENOSYS');
  }
}

/** The node that a payload of one path means. @throws StoreFailure EINVAL */
function onePath(client: ClientState, store: Store, quota: StoreQuota, payload: string): Parts {
  const nul = payload.indexOf('\0');
  if (nul < 0 || nul !== payload.length - 1) fail('EINVAL');
  return pathOf(client, store, quota, payload.slice(0, nul));
}

function pathOf(client: ClientState, store: Store, quota: StoreQuota, text: string): Parts {
  const parts = partsOf(text, client.home, quota.pathBytes);
  store.work.units += parts.length;
  return parts;
}

/** create_implicit_path: what it made stays when the request fails later. */
function makeParents(client: ClientState, store: Store, quota: StoreQuota, to: Recorder, parts: Parts): void {
  let first = true;
  store.makeParents(client, parts, quota, (depth) => {
    // The highest one's parent is above those of all others.
    if (first) to.noteWrite(parts.slice(0, depth - 1));
    first = false;
    to.noteImplicit?.(parts.slice(0, depth));
  });
}

/** Domains that a SET_PERMS request names, as owner or in an entry; [] when it is malformed. */
export function domainsNamed(payload: string): number[] {
  try {
    return permissionsOf(payload.slice(payload.indexOf('\0') + 1)).map(({ domid }) => domid);
  } catch (error) {
    if (error instanceof StoreFailure) return [];
    throw error;
  }
}

/** The strings before the last NUL; what follows it is dropped. */
function permissionsOf(text: string): Permissions {
  const permissions: XenstorePermission[] = [];
  let start = 0;
  for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0', start)) {
    const access = text[start];
    if (access !== 'n' && access !== 'r' && access !== 'w' && access !== 'b') fail('EINVAL');
    const number = text.slice(start + 1, end);
    const domid = numberOfString(number) ?? fail('EINVAL');
    permissions.push(Number.isSafeInteger(domid) ? { domid, access } : { domid, access, exactDomid: intOfString(number)! });
    start = end + 1;
  }
  if (permissions.length === 0) fail('EINVAL');
  return permissions;
}
