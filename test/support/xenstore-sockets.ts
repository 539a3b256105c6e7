// Our XenStore server's two event loops in the process of a test: on epoll, where koffi is there,
// and on node:net.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeServer } from '../../src/xenstore/server/node-server.js';
import { PollServer } from '../../src/xenstore/server/poll-server.js';
import type { SocketServer, SocketServerOptions } from '../../src/xenstore/server/socket-server.js';

export type Loop = 'epoll' | 'node';

export interface RunningSockets {
  readonly server: SocketServer;
  /** Domain 0's. */
  readonly socket: string;
  readonly folder: string;
  stop(): void;
}

export function startSockets(loop: Loop, options: SocketServerOptions): RunningSockets {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-sockets-'));
  const socket = join(folder, 'socket');
  const server = loop === 'epoll' ? new PollServer(options) : new NodeServer(options);
  server.open(socket, 0);
  // Its clients are in this process: no waiting for them.
  void (server instanceof PollServer ? server.run(0) : server.run());
  return {
    server,
    socket,
    folder,
    stop() {
      server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
