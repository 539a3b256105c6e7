// Connections that begin with POST /cli: the thin `xe` speaks a protocol of its own after an HTTP
// request, and gets no HTTP answer (xapi-cli-server/xapi_cli.ml, handler, of xen-api e2ee48d6). All
// other connections go on to the HTTP server with the bytes that were read.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { GrowingBytes } from '../../base/bytes/growing-bytes.js';

/** The method and path that real clients send. */
const START = Buffer.from('POST /cli ', 'latin1');
const HEAD_BYTES = 16 * 1024;
/** xapi's http_limit_max_cli_size (xapi-consts/constants.ml). */
export const CLI_BODY_BYTES = 200 * 1024;
/** Bytes that a client may send unasked. */
const MOST_BUFFERED = HEAD_BYTES + CLI_BODY_BYTES + 64 * 1024;
const END_OF_HEAD = '\r\n\r\n';
/**
 * A client that has not sent its request and logged in after so long is disconnected: the time of
 * an unfinished HTTP request.
 */
const REQUEST_MS = 60_000;
/** A client that sends and reads nothing for so long is gone. */
const UNREAD_MS = 60_000;
const PROBE_MS = 1000;
/** What a piece of output takes beside its bytes while it is not read. */
const WRITE_BYTES = 1024;

/** Why a request is refused: an HTTP status and a reason. */
export type Refusal = readonly [status: number, reason: string];

/** The connection of one thin client, once its request is read. */
export interface RawConnection {
  readonly address: string;
  readonly body: string;
  /** Aborts when the client is gone or the server ends. */
  readonly gone: AbortSignal;
  /** @throws Error when the client ends before */
  read(bytes: number): Promise<Buffer>;
  write(bytes: Buffer): void;
  /**
   * Writes these bytes every second once the client has sent its last: whether it only ended its
   * side or is gone shows in that alone.
   */
  probe(bytes: Buffer): void;
  /** The client has logged in, and may take any time from now on. */
  loggedIn(): void;
}

export interface RawDoor {
  /** Checks of the HTTP server; a host or origin that is not sent is undefined. */
  refusal(headers: { readonly host?: string; readonly origin?: string }, address: string): Refusal | null;
  /** Bytes that are held for the client; null = it holds too many. */
  charge(address: string, bytes: number): (() => void) | null;
  /** One client under way; null = too many are. */
  begin(address: string): (() => void) | null;
  serve(connection: RawConnection): Promise<void>;
  failed(error: unknown): void;
  readonly closing: AbortSignal;
  addressOf(socket: Socket): string;
}

/** Looks at the first bytes of each connection of a server, before its own listener does. */
export function openRawDoor(server: Server, event: 'connection' | 'secureConnection', door: RawDoor): void {
  const own = server.listeners(event) as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    // Until the HTTP server has taken the connection, an error here is the client's going.
    const ignore = (): void => {};
    socket.on('error', ignore);
    const late = setTimeout(() => socket.destroy(), REQUEST_MS);
    socket.once('close', () => clearTimeout(late));
    const reader = new SocketReader(socket);
    reader.whenBegun(START, (ours) => {
      if (ours) {
        void take(socket, reader, door, () => clearTimeout(late));
        return;
      }
      clearTimeout(late);
      socket.off('error', ignore);
      reader.giveBack();
      for (const listener of own) listener.call(server, socket);
    });
  });
}

async function take(socket: Socket, reader: SocketReader, door: RawDoor, loggedIn: () => void): Promise<void> {
  const address = door.addressOf(socket);
  const releases: (() => void)[] = [];
  try {
    const request = await readRequest(reader, door, address, releases);
    if ('refusal' in request) return refuseRaw(socket, request.refusal);
    const release = door.begin(address);
    if (release === null) return refuseRaw(socket, [503, 'too many calls under way']);
    releases.push(release);
    await serveOne(socket, reader, door, { address, body: request.body, loggedIn });
    // Its client may keep its own side open for ever.
    socket.end(() => {
      const over = setTimeout(() => socket.destroy(), REQUEST_MS);
      socket.once('close', () => clearTimeout(over));
    });
  } catch (error) {
    // The client's going, or the server's end, ends what its command waits for.
    const left = error instanceof StreamEnd || (error instanceof Error && error.name === 'AbortError');
    if (!left) door.failed(error);
    socket.destroy();
  } finally {
    for (const release of releases) release();
  }
}

async function readRequest(
  reader: SocketReader,
  door: RawDoor,
  address: string,
  releases: (() => void)[],
): Promise<{ readonly body: string } | { readonly refusal: Refusal }> {
  const head = await reader.until(END_OF_HEAD, HEAD_BYTES);
  if (head === null) return { refusal: [431, `the head of a request has at most ${HEAD_BYTES} bytes`] };
  const headers = headersOf(head);
  const refusal = door.refusal(headers, address);
  if (refusal !== null) return { refusal };
  const length = /^\d{1,9}$/.test(headers['content-length'] ?? '') ? Number(headers['content-length']) : null;
  if (length === null) return { refusal: [411, 'say the length of the body in Content-Length'] };
  if (length > CLI_BODY_BYTES) return { refusal: [413, `a command has at most ${CLI_BODY_BYTES} bytes`] };
  const release = door.charge(address, length);
  if (release === null) return { refusal: [503, 'too many bytes of this address are under way'] };
  releases.push(release);
  return { body: (await reader.exactly(length)).toString('utf8') };
}

async function serveOne(
  socket: Socket,
  reader: SocketReader,
  door: RawDoor,
  request: Pick<RawConnection, 'address' | 'body' | 'loggedIn'>,
): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  const write = chargedOutput(socket);
  let probing: NodeJS.Timeout | undefined;
  door.closing.addEventListener('abort', leave);
  socket.once('close', leave);
  try {
    await door.serve({
      ...request,
      gone: gone.signal,
      read: (bytes) => reader.exactly(bytes),
      write: (bytes) => write(bytes, door.charge(request.address, bytes.length + WRITE_BYTES)),
      probe: (bytes) => {
        probing = setInterval(() => reader.ended && socket.write(bytes), PROBE_MS);
      },
    });
  } finally {
    clearInterval(probing);
    door.closing.removeEventListener('abort', leave);
  }
}

/** Output that nobody reads is held for its client, and only so long and so much. */
function chargedOutput(socket: Socket): (bytes: Buffer, release: (() => void) | null) => void {
  const held = new Set<() => void>();
  const free = (release: () => void): void => {
    if (held.delete(release)) release();
  };
  socket.setTimeout(UNREAD_MS, () => {
    if (socket.writableLength > 0) socket.destroy();
  });
  socket.once('close', () => {
    for (const release of held) free(release);
  });
  return (bytes, release) => {
    if (release === null || socket.destroyed) {
      release?.();
      socket.destroy();
      return;
    }
    held.add(release);
    socket.write(bytes, () => free(release));
  };
}

/** Names in lower case; of two with one name the first counts. */
function headersOf(head: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    if (colon > 0 && found[name] === undefined) found[name] = line.slice(colon + 1).trim();
  }
  return found;
}

function refuseRaw(socket: Socket, [status, reason]: Refusal): void {
  const text = `${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

/** The client went. */
class StreamEnd extends Error {
  override readonly name = 'Ended';
}

/** Bytes of a socket as they are asked for; what was read and not taken can be given back. */
class SocketReader {
  readonly #socket: Socket;
  readonly #buffered = new GrowingBytes(MOST_BUFFERED);
  #ended = false;
  #wake: (() => void) | null = null;
  /** Called for each arrival until the first bytes are known. */
  #begun: (() => void) | null = null;
  readonly #look = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk !== null && !this.#buffered.add(chunk)) this.#socket.destroy();
    this.#begun?.();
    this.#wake?.();
  };
  readonly #end = (): void => {
    this.#ended = true;
    if (this.#begun !== null) this.#socket.destroy();
    this.#wake?.();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', this.#look);
    socket.on('end', this.#end);
    socket.on('close', this.#end);
  }

  /**
   * Tells whether the first bytes are these, once that is certain. It is told while they arrive,
   * not later: the end of a client that sends and closes must not be seen before its bytes are
   * given back.
   */
  whenBegun(start: Buffer, tell: (same: boolean) => void): void {
    this.#begun = () => {
      const length = Math.min(start.length, this.#buffered.length);
      const same = this.#buffered.view().subarray(0, length).equals(start.subarray(0, length));
      if (same && length < start.length) return;
      this.#begun = null;
      tell(same);
    };
  }

  /** The text before a mark, which is taken too; null when the mark is too far away. */
  async until(mark: string, most: number): Promise<string | null> {
    for (;;) {
      const at = this.#buffered.view().indexOf(mark, 0, 'latin1');
      if (at > most || (at < 0 && this.#buffered.length > most)) return null;
      if (at >= 0) {
        const text = this.#buffered.view().toString('latin1', 0, at);
        this.#buffered.drop(at + mark.length);
        return text;
      }
      await this.#more();
    }
  }

  async exactly(bytes: number): Promise<Buffer> {
    while (this.#buffered.length < bytes) await this.#more();
    const taken = Buffer.from(this.#buffered.view().subarray(0, bytes));
    this.#buffered.drop(bytes);
    return taken;
  }

  /** Nothing more will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The socket is as if nobody had read from it. */
  giveBack(): void {
    this.#socket.off('readable', this.#look);
    this.#socket.off('end', this.#end);
    this.#socket.off('close', this.#end);
    if (this.#buffered.length > 0) this.#socket.unshift(this.#buffered.view());
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new StreamEnd();
    await new Promise<void>((done) => {
      this.#wake = done;
    });
    this.#wake = null;
  }
}
