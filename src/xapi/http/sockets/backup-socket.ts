// A unix socket in the state folder, through which `xennuma serve backup` gets the state of a
// running daemon: the folder's owner alone can reach it.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { withErrnoName } from '../../../base/files/errno-names.js';
import { listenAt } from '../../../base/files/own-socket.js';

export const BACKUP_SOCKET = 'backup.sock';

/** A socket that could not be opened is tried again after this time. */
const RETRY_MS = 1000;

export interface BackupSocket {
  close(): Promise<void>;
}

/**
 * The caller owns the state folder: a socket that is there was left by a daemon that was killed.
 * Where there can be none (a full disk, another file), it is tried again until there can.
 */
export async function serveBackups(
  folder: string,
  source: { backup(): Buffer | null },
  say: (message: string) => void,
): Promise<BackupSocket> {
  let isClosed = false;
  let opened: BackupSocket | null = null;
  let retry: NodeJS.Timeout | undefined;
  const open = async (isFirst: boolean): Promise<void> => {
    try {
      const socket = await openSocket(join(folder, BACKUP_SOCKET), source);
      if (isClosed) return await socket.close();
      opened = socket;
      if (!isFirst) say('backups are possible again');
    } catch (error) {
      if (isFirst) say(`no backups for now: ${withErrnoName(error as Error).message}`);
      if (!isClosed) retry = setTimeout(() => void open(false), RETRY_MS).unref();
    }
  };
  await open(true);
  return {
    close: async () => {
      isClosed = true;
      clearTimeout(retry);
      await opened?.close();
    },
  };
}

/** @throws the error of the file system */
async function openSocket(path: string, source: { backup(): Buffer | null }): Promise<BackupSocket> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/backup') {
      response.writeHead(404).end();
      return;
    }
    try {
      // Before the answer is begun: a failure has another head.
      const bytes = source.backup();
      response.writeHead(200, { 'content-type': 'application/vnd.sqlite3' }).end(bytes);
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  const remove = await listenAt(server, path);
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => {
          remove();
          done();
        });
        server.closeAllConnections();
      }),
  };
}
