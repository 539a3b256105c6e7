// The entry `xennuma/xenstore`: client, server and in-process store. Box of the chart: XenStore.
export { type Errno, InputError, XenError } from '../errors.js';
export { type ClientOptions, XenstoreClient } from './client/client.js';
export { type ConnectOptions, connectXenstore, xenstorePaths } from './client/connect.js';
export type { Connect, Transport, TransportEvents } from './client/transport.js';
export type { TransactionId, WatchEvent, XenstoreConnection, XenstorePermission, XenstoreWatch } from './connection.js';
export { createXenstore, type ListedNode, type XenstoreDaemon, type XenstoreOptions } from './daemon.js';
export type { Personality, StoreQuota } from './limits.js';
export type { ServerOptions, XenstoreServer } from './server/server.js';
export { encodeMessage, HEADER_BYTES, MESSAGE, PAYLOAD_MAX_BYTES } from './wire.js';

/** Starts a server in this process, which then does little else; koffi is needed. @throws InputError, Error */
export async function startXenstored(
  options: import('./server/server.js').ServerOptions,
): Promise<import('./server/server.js').XenstoreServer> {
  const { XenstoreServer } = await import('./server/server.js');
  return new XenstoreServer(options);
}
