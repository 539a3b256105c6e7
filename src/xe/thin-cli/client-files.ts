// The files of a thin client: it sends them, or moves them over an HTTP connection of its own.

import { XePlainFailure } from '../failures.js';
import { type ClientFiles, MOST_LOADED_BYTES } from '../files/client-files.js';
import { httpGet, httpPut, load, type Reply, readReply } from './frames.js';

interface Connection {
  read(bytes: number): Promise<Buffer>;
  write(frame: Buffer): void;
}

export function clientFiles({ read, write }: Connection): ClientFiles {
  const reply = async (): Promise<Reply> => {
    for (;;) {
      const found = await readReply(read);
      if (found === null) throw new XePlainFailure('Error: the client sent something else than the thin CLI protocol has');
      if (found !== 'wait') return found;
    }
  };
  return {
    load: async (name) => {
      write(load(name));
      return (await reply()) === 'ok' ? loaded(read, reply) : null;
    },
    download: async (name, path) => {
      write(httpGet(name, path));
      return (await reply()) === 'ok';
    },
    upload: async (name, path) => {
      write(httpPut(name, path));
      return (await reply()) === 'ok';
    },
  };
}

async function loaded(read: Connection['read'], reply: () => Promise<Reply>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for (;;) {
    const header = await reply();
    if (typeof header !== 'object') return Buffer.concat(pieces);
    length += Math.max(0, header.chunkBytes);
    // The client goes on sending the rest, which nobody reads: its connection ends with the
    // command.
    if (length > MOST_LOADED_BYTES) throw new XePlainFailure(`Error: the file is longer than ${MOST_LOADED_BYTES / 1024} KiB`);
    pieces.push(await read(Math.max(0, header.chunkBytes)));
  }
}
