// A unix socket in the state folder, through which `xennuma serve backup` gets the state of a
// running daemon: the folder's owner alone can reach it.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { listenAt } from '../../../base/files/own-socket.js';

export const BACKUP_SOCKET = 'backup.sock';

export interface BackupSocket {
  close(): Promise<void>;
}

/**
 * The caller owns the state folder: a socket that is there was left by a daemon that was killed.
 * @returns null when there can be none
 */
export async function serveBackups(
  folder: string,
  source: { backup(): Buffer | null },
  complain: (message: string) => void,
): Promise<BackupSocket | null> {
  const path = join(folder, BACKUP_SOCKET);
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/backup') {
      response.writeHead(404).end();
      return;
    }
    try {
      response.writeHead(200, { 'content-type': 'application/vnd.sqlite3' }).end(source.backup());
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  let remove: () => void;
  try {
    remove = await listenAt(server, path);
  } catch (error) {
    complain(`no backups while this daemon runs: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
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
