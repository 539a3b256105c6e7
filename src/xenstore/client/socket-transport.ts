// A client over a unix socket.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { InputError } from '../../base/errors.js';
import { Frames } from '../protocol/frames.js';
import type { Transport, TransportEvents } from './transport.js';

/** sun_path of Linux, with the closing NUL. */
const SOCKET_PATH_MAX_BYTES = 107;
/** Both real daemons listen with a backlog of 1: a busy one refuses with EAGAIN for a moment. */
const BUSY_TRIES = 200;
const BUSY_WAIT_MS = 5;

/**
 * @throws InputError for a path that no socket can have; the system's own error (ENOENT,
 *   ECONNREFUSED, EACCES) when no server answers there
 */
export async function connectSocket(path: string, signal?: AbortSignal): Promise<Transport> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES) {
    throw new InputError(
      `a socket's path of ${Buffer.byteLength(path)} bytes; ${SOCKET_PATH_MAX_BYTES} are the most`,
      { path },
      'use a shorter path',
    );
  }
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return new SocketTransport(await open(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tries === BUSY_TRIES) throw error;
      await delay(BUSY_WAIT_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}

class SocketTransport implements Transport {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  /** Messages of one turn of the event loop go out together. */
  #corked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(events: TransportEvents): void {
    let failure: Error | undefined;
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        this.#frames.push(chunk, events.message.bind(events));
      } catch (error) {
        failure = error as Error;
        this.#socket.destroy();
      }
    });
    this.#socket.on('error', (error) => {
      failure = error;
    });
    this.#socket.on('close', () => events.closed(failure));
  }

  send(message: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      queueMicrotask(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(message);
  }

  close(): void {
    this.#socket.destroy();
  }
}
