// The agent's socket at its path: taken only when nobody answers there, and removed only while it
// is this agent's.
import { mkdirSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import { listenAt } from '../../base/files/own-socket.js';
import { claimSocketPath } from '../../xenstore/server/socket-file.js';

/** Only the owner of the agent may connect. */
const UMASK = 0o077;

/**
 * Listens at the path, in a folder that is made where there is none. The umask of the process stays
 * private.
 * @returns what removes the socket when the server is closed; it does not throw
 * @throws InputError for a path that cannot be taken: a file that is no socket, a server that
 *   answers, a folder that cannot be made
 */
export async function openAgentSocket(server: Server, path: string): Promise<() => void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new InputError(`its folder cannot be made: ${(error as Error).message}`, { file: path }, 'name another path with --socket');
  }
  claimSocketPath(path);
  process.umask(UMASK);
  return listenAt(server, path).catch((error: Error) => {
    throw new InputError(`cannot listen: ${error.message}`, { file: path });
  });
}
