// A unix socket at a path, whose file is removed only while it is this server's.
import { lstatSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import type { FileIdentity } from '../file-calls.js';
import { SOCKET_PATH_BYTES } from '../units.js';

/**
 * Listens at a path; a socket that is there is replaced. libuv removes the path that it was given
 * when the server closes, whosever it is by then: it is given another one, unless
 * that one would be too long. After a failure the server is closed, and nothing of it stays.
 * @returns what removes the socket when the server is closed; it does not throw
 * @throws the error of the file system or of listen
 */
export async function listenAt(server: Server, path: string): Promise<() => void> {
  // Node would cut a longer path, and listen at what is left of it.
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) throw new Error(`the path of a socket has at most ${SOCKET_PATH_BYTES} bytes: ${path}`);
  // With a slash: Node takes a name such as ".7" for the number of a port.
  const short = `${dirname(path)}/.${process.pid}`;
  const own = Buffer.byteLength(short) > SOCKET_PATH_BYTES ? path : short;
  rmSync(own, { force: true });
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(own, () => {
      server.off('error', failed);
      done();
    });
  });
  try {
    const ours = lstatSync(own);
    if (own !== path) renameSync(own, path);
    return () => removeIfOurs(path, ours);
  } catch (error) {
    // It removes what it was given.
    await new Promise((done) => server.close(done));
    throw error;
  }
}

/** @returns which file a path names; undefined = none, or it cannot be looked at */
export function identityOf(path: string): FileIdentity | undefined {
  try {
    const there = lstatSync(path, { throwIfNoEntry: false });
    return there === undefined ? undefined : { dev: there.dev, ino: there.ino };
  } catch {
    return undefined;
  }
}

/**
 * Removes the file when it is still the one that was created. A file system that refuses leaves it:
 * nobody answers there any more, so the next server takes the path.
 */
export function removeIfOurs(path: string, ours: FileIdentity | undefined): void {
  const there = identityOf(path);
  if (ours === undefined || there?.dev !== ours.dev || there.ino !== ours.ino) return;
  try {
    rmSync(path, { force: true });
  } catch {
    // A disk that is read-only or fails must not end the process that closes its sockets.
  }
}
