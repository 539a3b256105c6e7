// The server's sockets by node:net, for machines without koffi. Slower for single requests,
// otherwise the same, but without the live restart, because Node does not hand its descriptors
// over.
import { createServer, type Server, type Socket } from 'node:net';
import { InputError } from '../../base/errors.js';
import type { FileIdentity } from '../../base/file-calls.js';
import { identityOf, removeIfOurs } from '../../base/files/own-socket.js';
import type { Bytes } from '../protocol/wire.js';
import { JournalFailure } from '../store/journaled.js';
import { SERVER_LIMITS, type ServerLimits } from './client-limits.js';
import { DomainLedger } from './domain-ledger.js';
import { GuestQueue } from './fair-turns.js';
import { complaints } from './log-sink.js';
import { Session } from './session.js';
import { claimSocketPath } from './socket-file.js';
import type { SocketServer, SocketServerOptions } from './socket-server.js';

/**
 * Sessions over a memory quota are looked at again after this time: nothing of theirs tells when
 * they may go on.
 */
const STALLED_MS = 50;

interface Door {
  readonly server: Server;
  readonly path: string;
  readonly domid: number;
  readonly file: FileIdentity | undefined;
}

export class NodeServer implements SocketServer {
  readonly handover = undefined;
  readonly #options: SocketServerOptions;
  readonly #limits: ServerLimits;
  readonly #ledger: DomainLedger;
  readonly #doors = new Set<Door>();
  readonly #sockets = new Map<Session, Socket>();
  readonly #guests: GuestQueue<Session>;
  readonly #writers = new Set<Session>();
  /** Node has bytes of theirs that the kernel did not take. */
  readonly #sending = new Map<Session, number>();
  /** They say no more, and not all of their requests are answered. */
  readonly #lastRequests = new Set<Session>();
  #writes = 0;
  readonly #complain: (line: string) => void;
  #dirty = new Set<Session>();
  #turn: NodeJS.Immediate | undefined;
  #stalled: NodeJS.Timeout | undefined;
  #stopped: (() => void) | undefined;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
    this.#ledger = new DomainLedger(this.#limits);
    this.#guests = new GuestQueue(this.#limits);
    this.#complain = complaints(options.log ?? (() => {}));
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  open(path: string, domid: number): void {
    claimSocketPath(path);
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#connect(socket, domid));
    server.on('error', (error) => this.#options.log?.(`${path}: ${error.message}`));
    // Node binds in this call: the socket is private from the start.
    const umask = process.umask(0o177);
    // With a slash: Node takes a name such as "7" for the number of a port.
    server.listen(path.includes('/') ? path : `./${path}`);
    process.umask(umask);
    const file = identityOf(path);
    // Node says why in an event, which is logged.
    if (file === undefined)
      throw new InputError('cannot listen at this socket', { file: path }, 'name a socket in a folder that may be written');
    this.#doors.add({ server, path, domid, file });
  }

  shut(domid: number): void {
    for (const door of [...this.#doors]) if (door.domid === domid) this.#closeDoor(door);
    for (const session of [...this.#sockets.keys()]) if (session.client.domid === domid) this.#end(session);
  }

  run(): Promise<void> {
    this.#stalled = setInterval(() => this.#resumeStalled(), STALLED_MS);
    return new Promise((resolve) => {
      this.#stopped = resolve;
    });
  }

  stop(): void {
    clearInterval(this.#stalled);
    for (const session of [...this.#sockets.keys()]) this.#end(session);
    for (const door of [...this.#doors]) this.#closeDoor(door);
    this.#stopped?.();
  }

  #saysNoMore(session: Session): void {
    if (session.out.length === 0) this.#end(session);
    else session.ending = true;
  }

  #closeDoor(door: Door): void {
    this.#doors.delete(door);
    // Node removes the file of a socket that it closes: only while it is ours.
    const ours = identityOf(door.path);
    if (ours?.ino !== door.file?.ino || ours?.dev !== door.file?.dev) door.server.unref();
    else door.server.close();
    removeIfOurs(door.path, door.file);
  }

  #connect(socket: Socket, domid: number): void {
    socket.on('error', () => socket.destroy());
    if (!this.#ledger.admits(domid)) {
      this.#complain(`domain ${domid} has too many connections: one was refused`);
      socket.destroy();
      return;
    }
    const account = this.#ledger.account(domid);
    const session = new Session(this.#options.engine, domid, this.#limits, account, (dirty) => this.#markDirty(dirty));
    this.#sockets.set(session, socket);
    this.#ledger.add(session);
    socket.on('data', (chunk: Buffer) => {
      if (domid === 0) this.#answer(session, () => session.receive(chunk as Bytes, chunk.length));
      else this.#queue(session, socket, chunk);
    });
    socket.on('end', () => {
      // Node says so also while the socket is paused: requests may wait.
      if (session.hasRequest) this.#lastRequests.add(session);
      else this.#saysNoMore(session);
    });
    socket.on('close', () => this.#end(session));
  }

  /** Guests are answered at the end of the turn, after domain 0. */
  #queue(session: Session, socket: Socket, chunk: Buffer): void {
    session.hold(chunk as Bytes, chunk.length);
    socket.pause();
    this.#guests.add(session.account, session);
    this.#turn ??= setImmediate(() => this.#endTurn());
  }

  #answer(session: Session, answer: () => void): void {
    const written = this.#options.written?.() ?? 0;
    answer();
    if ((this.#options.written?.() ?? 0) !== written) this.#writers.add(session);
    this.#markDirty(session);
  }

  #markDirty(session: Session): void {
    this.#dirty.add(session);
    this.#turn ??= setImmediate(() => this.#endTurn());
  }

  /** What came in one pass of Node's loop is one turn: one sync, then all replies. */
  #endTurn(): void {
    this.#turn = undefined;
    this.#guests.serve((session) => this.#answer(session, () => session.resume()));
    try {
      this.#options.commit?.();
    } catch (error) {
      if (!(error instanceof JournalFailure)) throw error;
      for (const session of this.#writers) this.#end(session);
    }
    this.#writers.clear();
    const sessions = this.#dirty;
    this.#dirty = new Set();
    for (const session of sessions) this.#flush(session);
    this.#options.afterTurn?.();
    if (!this.#guests.isEmpty) this.#turn ??= setImmediate(() => this.#endTurn());
  }

  #flush(session: Session): void {
    const socket = this.#sockets.get(session);
    if (socket === undefined) return;
    const { out } = session;
    if (out.overflowed) {
      this.#complain(`domain ${session.client.domid} does not read: a connection with too many waiting bytes was closed`);
      this.#end(session);
      return;
    }
    this.#send(session, socket);
    const greedy = this.#ledger.charge(session);
    if (greedy !== undefined) {
      this.#complain(`domain ${session.client.domid} does not read: the connection with the most waiting bytes was closed`);
      this.#end(greedy);
      if (greedy === session) return;
    }
    if (!session.hasRequest && this.#lastRequests.delete(session)) session.ending = true;
    if (out.length > 0) out.behind = true;
    else if (session.ending) this.#end(session);
    if (session.canResume) {
      if (session.client.domid === 0) setImmediate(() => this.#answer(session, () => session.resume()));
      else this.#guests.add(session.account, session);
    }
    if (session.reads) socket.resume();
    else socket.pause();
  }

  /**
   * Node keeps what the kernel does not take: it gets more only when it has nothing, and what it
   * keeps counts as waiting.
   */
  #send(session: Session, socket: Socket): void {
    const { out } = session;
    if (out.length === 0 || this.#sending.has(session)) return;
    const { length } = out;
    const write = ++this.#writes;
    this.#sending.set(session, write);
    const sent = (): void => {
      this.#sending.delete(session);
      out.sent(length);
    };
    socket.write(Buffer.from(out.bytes.subarray(out.start, out.end)), () => {
      if (this.#sending.get(session) !== write) return;
      sent();
      this.#markDirty(session);
    });
    // The kernel took all of it already.
    if (socket.writableLength === 0) sent();
  }

  #resumeStalled(): void {
    for (const [session, socket] of this.#sockets) if (socket.isPaused() && session.listens) this.#markDirty(session);
  }

  #end(session: Session): void {
    const socket = this.#sockets.get(session);
    if (socket === undefined) return;
    this.#sockets.delete(session);
    session.close();
    this.#sending.delete(session);
    this.#lastRequests.delete(session);
    this.#ledger.delete(session);
    this.#dirty.delete(session);
    this.#guests.delete(session.account, session);
    // What the kernel has taken still goes out.
    socket.destroy();
  }
}
