// POST /cli of `xennuma serve`: runs the arguments of a thin `xe` against the daemon of this
// process.

import type { Daemon } from '../../xapi/daemon.js';
import type { RawConnection } from '../../xapi/http/raw-door.js';
import { XapiError as WireError } from '../../xapi/wire/errors.js';
import { decodeJsonRpc, wireToJson } from '../../xapi/wire/json-rpc.js';
import { XapiError } from '../../xapi-client/errors.js';
import type { Rpc } from '../../xapi-client/session.js';
import { serveThinCli } from '../../xe/thin-cli/serve.js';

export function thinCliOf(daemon: Daemon): (connection: RawConnection) => Promise<void> {
  return (connection) => serveThinCli(connection, connection.body, rpcOf(daemon, connection));
}

/** Calls without a network: checked, charged and audited like those that come over one. */
function rpcOf(daemon: Daemon, { address, gone }: RawConnection): Rpc {
  return {
    call: async (method, params, options) => {
      // A call that waits answers at once when its client goes: the next one must not.
      gone.throwIfAborted();
      const signal = options?.signal === undefined ? gone : AbortSignal.any([gone, options.signal]);
      const call = decodeJsonRpc(JSON.stringify({ jsonrpc: '2.0', id: 0, method, params }));
      const principal = daemon.sessions.principalOf(call.params[0], address);
      try {
        const answer = await daemon.turns.run(principal, () => daemon.dispatcher.call(call, address, signal));
        return await daemon.turns.run(principal, () => JSON.parse(wireToJson(answer)) as unknown);
      } catch (error) {
        throw error instanceof WireError ? new XapiError(error.code, error.params) : error;
      }
    },
    close: () => {},
  };
}
