// The entry `xennuma/xenstore`: client, server and in-process store.
export { type Errno, InputError, XenError } from '../base/errors.js';
export { type ClientOptions, XenstoreClient } from './client/client.js';
export { type ConnectOptions, connectXenstore, xenstorePaths } from './client/connect.js';
export type { Connect, Transport, TransportEvents } from './client/transport.js';
export type { TransactionId, WatchEvent, XenstoreConnection, XenstorePermission, XenstoreWatch } from './connection.js';
export { createXenstore, type InProcessXenstore, type ListedNode, type XenstoreOptions } from './in-process.js';
export { encodeMessage, HEADER_BYTES, MESSAGE, PAYLOAD_MAX_BYTES } from './protocol/wire.js';
export type { ServerOptions, XenstoreServer } from './server/server.js';
export type { Personality, StoreQuota } from './store/limits.js';

/**
 * Starts a server in this process, which then does little else; koffi is needed. @throws
 * InputError, Error
 */
export async function startXenstored(
  options: import('./server/server.js').ServerOptions,
): Promise<import('./server/server.js').XenstoreServer> {
  const { XenstoreServer } = await import('./server/server.js');
  return new XenstoreServer(options);
}
