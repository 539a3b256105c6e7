// A unix socket at a path, whose file is removed only while it is this server's.
import { lstatSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { SOCKET_PATH_BYTES } from '../units.js';

/**
 * Listens at a path; a socket that is there is replaced. libuv removes the path that it was given
 * when the server closes, whosever it is by then: it is given another one, unless
 * that one would be too long.
 * @returns what removes the socket when the server is closed
 * @throws the error of the file system or of listen
 */
export async function listenAt(server: Server, path: string): Promise<() => void> {
  // Node would cut a longer path, and listen at what is left of it.
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) throw new Error(`the path of a socket has at most ${SOCKET_PATH_BYTES} bytes: ${path}`);
  const short = join(dirname(path), `.${process.pid}`);
  const own = Buffer.byteLength(short) > SOCKET_PATH_BYTES ? path : short;
  rmSync(own, { force: true });
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(own, () => {
      server.off('error', failed);
      done();
    });
  });
  const { dev, ino } = lstatSync(own);
  if (own !== path) renameSync(own, path);
  return () => {
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there?.dev === dev && there.ino === ino) rmSync(path, { force: true });
  };
}
