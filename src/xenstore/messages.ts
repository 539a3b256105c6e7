// Requests and replies of the store as message type and payload, which is what a wire server needs of it. Box of the chart: XenStore.
// Sources: docs/misc/xenstore.txt; xen/include/public/io/xs_wire.h (Xen 4.17).
import type { XenstorePermission } from './connection.js';
import { fail, StoreFailure } from './failure.js';
import { PAYLOAD_MAX_BYTES } from './limits.js';
import { domainPathOf } from './path.js';
import type { Store, StoreConnection } from './store.js';

export const MESSAGE = {
  directory: 1,
  read: 2,
  getPermissions: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPermissions: 14,
  watchEvent: 15,
  error: 16,
  resetWatches: 21,
} as const;

export interface Message {
  readonly type: number;
  readonly payload: Uint8Array;
}

const OK = Buffer.from('OK\0');

/**
 * Answers one request; events go to the connection's sink. `afterReply` is to be called once the reply is on its way: the first event of a watch.
 * Types not in MESSAGE are refused with ENOSYS.
 */
export function answer(
  store: Store,
  connection: StoreConnection,
  tx: number,
  request: Message,
): { reply: Message; afterReply?: () => void } {
  try {
    // An unknown transaction is refused before anything else is looked at; watches know no transactions.
    const aside = request.type === MESSAGE.watch || request.type === MESSAGE.unwatch;
    if (tx !== 0 && !aside && !store.hasTransaction(connection, tx)) fail(store.absentTransaction());
    if (request.type !== MESSAGE.watch) return { reply: { type: request.type, payload: perform(store, connection, tx, request) } };
    const [path, token] = strings(request.payload, 2);
    const watch = store.watch(connection, path!, token!);
    return { reply: { type: request.type, payload: OK }, afterReply: () => store.firstEvent(watch) };
  } catch (error) {
    if (!(error instanceof StoreFailure)) throw error;
    return { reply: { type: MESSAGE.error, payload: Buffer.from(`${error.errno}\0`) } };
  }
}

function perform(store: Store, connection: StoreConnection, tx: number, { type, payload }: Message): Uint8Array {
  const path = (): string => strings(payload, 1)[0]!;
  switch (type) {
    case MESSAGE.directory: {
      const names = Buffer.from(
        store
          .directory(connection, path(), tx)
          .map((name) => `${name}\0`)
          .join(''),
      );
      if (store.personality === 'xenstored' && names.length > PAYLOAD_MAX_BYTES) fail('E2BIG');
      return names;
    }
    case MESSAGE.read:
      return store.read(connection, path(), tx);
    case MESSAGE.getPermissions:
      return Buffer.from(
        store
          .getPermissions(connection, path(), tx)
          .map(({ domid, access }) => `${access}${domid}\0`)
          .join(''),
      );
    case MESSAGE.unwatch: {
      const [at, token] = strings(payload, 2);
      store.unwatch(connection, at!, token!);
      return OK;
    }
    case MESSAGE.transactionStart:
      return Buffer.from(`${store.transactionStart(connection, tx)}\0`);
    case MESSAGE.transactionEnd: {
      const how = path();
      if (how !== 'T' && how !== 'F') fail('EINVAL');
      store.transactionEnd(connection, tx, how === 'T');
      return OK;
    }
    case MESSAGE.getDomainPath: {
      const domid = path();
      if (!/^\s*\d*\s*$/.test(domid)) fail('EINVAL');
      return Buffer.from(`${domainPathOf(Number(domid))}\0`);
    }
    case MESSAGE.write: {
      const end = payload.indexOf(0);
      if (end < 0) fail('EINVAL');
      store.write(connection, Buffer.from(payload.subarray(0, end)).toString('latin1'), payload.slice(end + 1), tx);
      return OK;
    }
    case MESSAGE.mkdir:
      store.mkdir(connection, path(), tx);
      return OK;
    case MESSAGE.rm:
      store.rm(connection, path(), tx);
      return OK;
    case MESSAGE.setPermissions: {
      const [at, ...entries] = strings(payload);
      store.setPermissions(connection, at!, entries.map(permissionOf), tx);
      return OK;
    }
    case MESSAGE.resetWatches:
      store.resetWatches(connection);
      return OK;
    default:
      return fail('ENOSYS');
  }
}

/** The NUL-terminated strings of a payload; exactly `count` of them when given. */
function strings(payload: Uint8Array, count?: number): string[] {
  const parts = Buffer.from(payload).toString('latin1').split('\0');
  if (parts.pop() !== '' || parts.length === 0) fail('EINVAL');
  if (count !== undefined && parts.length !== count) fail('EINVAL');
  return parts;
}

function permissionOf(entry: string): XenstorePermission {
  const match = /^([nrwb])(\d+|0x[0-9a-fA-F]+)$/.exec(entry) ?? fail('EINVAL');
  return { access: match[1] as XenstorePermission['access'], domid: Number(match[2]) };
}
