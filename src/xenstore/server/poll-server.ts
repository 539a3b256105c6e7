// The server's event loop: one wait for all clients, then their requests, then the journal, then
// their replies.
import type { FileIdentity } from '../../base/file-calls.js';
import { identityOf, removeIfOurs } from '../../base/files/own-socket.js';
import type { Bytes } from '../protocol/wire.js';
import type { Engine } from '../store/engine.js';
import { JournalFailure } from '../store/journaled.js';
import { SERVER_LIMITS, type ServerLimits } from './client-limits.js';
import { DomainLedger } from './domain-ledger.js';
import { GuestQueue } from './fair-turns.js';
import { EAGAIN, EINTR, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EVENT_BYTES, eventFd, eventMask, type Libc, libc } from './libc.js';
import { complaints } from './log-sink.js';
import { Session } from './session.js';
import { claimSocketPath } from './socket-file.js';
import type { CarriedConnection, CarriedDoor, Handover, SocketServer, SocketServerOptions } from './socket-server.js';

const EVENTS_A_TURN = 256;
/** The loop waits this long at a time, then lets Node do what else there is (signals, timers). */
const WAIT_MS = 50;
/** EMFILE, ENFILE, ENOBUFS, ENOMEM of accept(2). */
const NO_DESCRIPTOR: ReadonlySet<number> = new Set([24, 23, 105, 12]);
const ACCEPT_PAUSE_MS = 100;
/** And it does so at least this often when there is no end of requests. */
const BUSY_TURNS = 256;

interface Door {
  readonly path: string;
  readonly domid: number;
  readonly file: FileIdentity | undefined;
}

interface Connection {
  readonly fd: number;
  readonly session: Session;
  /** Where it is waited for. */
  readonly epoll: number;
  /** What epoll was told to wait for. */
  interest: number;
}

export class PollServer implements SocketServer, Handover {
  readonly handover: Handover = this;
  readonly #engine: Engine;
  readonly #limits: ServerLimits;
  readonly #commit: () => void;
  readonly #written: () => number;
  readonly #ledger: DomainLedger;
  /** Connections that changed something in this turn. */
  readonly #writers = new Set<Connection>();
  /**
   * No descriptor was left: connections wait in the sockets' queues until this time, or until one
   * ends.
   */
  #acceptsFromMs = 0;
  readonly #afterTurn: () => void;
  readonly #hasMore: () => boolean;
  readonly #complain: (line: string) => void;
  readonly #system: Libc = libc();
  readonly #epoll = this.#system.epoll();
  /**
   * The connections of guests, within the other one: however many are ready, domain 0 is among the
   * first events of a turn.
   */
  readonly #guestEpoll = this.#system.epoll();
  readonly #guests: GuestQueue<Connection>;
  readonly #doors = new Map<number, Door>();
  readonly #connections = new Map<number, Connection>();
  readonly #watched = new Map<number, () => void>();
  readonly #bySession = new Map<Session, Connection>();
  #dirty: Session[] = [];
  /**
   * Of domain 0. They have read what kept them waiting: what they sent meanwhile is answered in
   * the next turn.
   */
  #resumable: Session[] = [];
  /**
   * Over a quota through what others did or what they hold: looked at in each turn, for nothing of
   * theirs tells when it ends.
   */
  readonly #stalled = new Set<Session>();
  readonly #events = Buffer.alloc(EVENTS_A_TURN * EVENT_BYTES);
  readonly #input: Bytes;
  #stopped: (() => void) | undefined;

  constructor(options: SocketServerOptions) {
    this.#engine = options.engine;
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
    this.#commit = options.commit ?? (() => {});
    this.#written = options.written ?? (() => 0);
    this.#ledger = new DomainLedger(this.#limits);
    this.#afterTurn = options.afterTurn ?? (() => {});
    this.#complain = complaints(options.log ?? (() => {}));
    this.#hasMore = options.hasMore ?? (() => false);
    this.#guests = new GuestQueue(this.#limits);
    this.#system.control(this.#epoll, 'add', this.#guestEpoll, EPOLLIN);
    this.#input = Buffer.allocUnsafeSlow(this.#limits.turnBytes) as Bytes;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Opens a socket, private to this user, for the clients of a domain.
   * @throws InputError when something else is at the path, or a server that answers
   */
  open(path: string, domid: number): void {
    claimSocketPath(path);
    const fd = this.#system.listen(path);
    this.adoptDoor({ fd, path, domid, file: identityOf(path) });
  }

  watch(fd: number, ready: () => void): void {
    this.#watched.set(fd, ready);
    this.#system.control(this.#epoll, 'add', fd, EPOLLIN);
  }

  /** Closes the door of a domain and all its connections. */
  shut(domid: number): void {
    for (const [fd, door] of this.#doors) {
      if (door.domid !== domid) continue;
      this.#doors.delete(fd);
      this.#system.close(fd);
      removeIfOurs(door.path, door.file);
    }
    for (const connection of [...this.#connections.values()]) {
      if (connection.session.client.domid === domid) this.#end(connection);
    }
  }

  adoptDoor({ fd, ...door }: CarriedDoor): void {
    this.#doors.set(fd, door);
    this.#system.control(this.#epoll, 'add', fd, EPOLLIN);
  }

  adopt(fd: number, domid: number): Session {
    const session = new Session(this.#engine, domid, this.#limits, this.#ledger.account(domid), (dirty) => this.#dirty.push(dirty));
    const epoll = domid === 0 ? this.#epoll : this.#guestEpoll;
    const connection: Connection = { fd, session, epoll, interest: EPOLLIN };
    this.#connections.set(fd, connection);
    this.#bySession.set(session, connection);
    this.#ledger.add(session);
    this.#system.control(epoll, 'add', fd, EPOLLIN);
    return session;
  }

  /** What a restart carries on: the sockets and what is under way on them. */
  carried(): { doors: CarriedDoor[]; connections: (CarriedConnection & { session: Session })[] } {
    return {
      doors: [...this.#doors].map(([fd, door]) => ({ fd, ...door })),
      connections: [...this.#connections.values()].map(({ fd, session }) => ({
        fd,
        session,
        domid: session.client.domid,
        unanswered: session.unanswered,
        unsent: session.out.bytes.subarray(session.out.start, session.out.end),
      })),
    };
  }

  /** Serves until `stop`. `waitMs`: how long Node's other work waits when there are no requests. */
  run(waitMs = WAIT_MS): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = resolve;
      const turn = (): void => {
        for (let turns = 0; turns < BUSY_TURNS && this.#stopped !== undefined; turns++) if (!this.turn(waitMs)) break;
        if (this.#stopped !== undefined) setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  /** Closes everything; the sockets' files go as well. */
  stop(): void {
    const stopped = this.#stopped;
    if (stopped === undefined) return;
    this.#stopped = undefined;
    for (const connection of [...this.#connections.values()]) this.#end(connection);
    for (const [fd, { path, file }] of this.#doors) {
      this.#system.close(fd);
      removeIfOurs(path, file);
    }
    this.#doors.clear();
    this.#system.close(this.#guestEpoll);
    this.#system.close(this.#epoll);
    stopped();
  }

  /**
   * One wait and what comes of it: the requests of domain 0, then those of guests as far as a turn
   * may take. False when nothing came.
   */
  turn(timeoutMs: number): boolean {
    const waiting = this.#resumable;
    this.#resumable = [];
    const isReady = waiting.length > 0 || !this.#guests.isEmpty || this.#hasMore() || this.#someStalledListens();
    const count = this.#wait(this.#epoll, isReady ? 0 : timeoutMs);
    if (count < 0) {
      this.#resumable.push(...waiting);
      return false;
    }
    this.#ledger.beginTurn();
    for (const session of this.#stalled) if (session.listens) this.#dirty.push(session);
    for (const session of waiting) this.#resume(session);
    let guestsReady = false;
    for (let at = 0; at < count; at++) {
      const fd = eventFd(this.#events, at);
      const connection = this.#connections.get(fd);
      if (connection !== undefined) this.#ready(connection, eventMask(this.#events, at));
      else if (fd === this.#guestEpoll) guestsReady = true;
      else if (this.#doors.has(fd)) this.#accept(fd);
      else this.#watched.get(fd)?.();
    }
    if (guestsReady) this.#collectGuests();
    this.#guests.serve((connection) => this.#serveGuest(connection));
    this.#commitTurn();
    this.#flushAll();
    if (this.#acceptsFromMs !== 0 && performance.now() >= this.#acceptsFromMs) this.#acceptAgain();
    this.#afterTurn();
    return count > 0 || this.#resumable.length > 0 || !this.#guests.isEmpty || this.#hasMore();
  }

  /** How many events there are; -1 when a signal came first. */
  #wait(epoll: number, timeoutMs: number): number {
    const count = this.#system.wait(epoll, this.#events, EVENTS_A_TURN, timeoutMs);
    if (count < 0 && this.#system.errno() !== EINTR) throw new Error(`epoll_wait: errno ${this.#system.errno()}`);
    return count;
  }

  #collectGuests(): void {
    const count = this.#wait(this.#guestEpoll, 0);
    for (let at = 0; at < count; at++) {
      const connection = this.#connections.get(eventFd(this.#events, at));
      if (connection !== undefined) this.#ready(connection, eventMask(this.#events, at));
    }
  }

  #ready(connection: Connection, mask: number): void {
    const { session } = connection;
    if ((mask & EPOLLOUT) !== 0) this.#dirty.push(session);
    if ((mask & EPOLLIN) !== 0 && session.listens) {
      if (session.client.domid === 0) this.#receive(connection);
      else this.#guests.add(session.account, connection);
    } else if ((mask & EPOLLIN) !== 0 && connection.interest !== 0) this.#dirty.push(session);
    else if ((mask & (EPOLLERR | EPOLLHUP)) !== 0) this.#end(connection);
  }

  /** What it sent before and is not answered yet, then what is new. */
  #serveGuest(connection: Connection): void {
    const { session } = connection;
    // A request of another one released its domain.
    if (!this.#bySession.has(session)) return;
    if (session.canResume) this.#resume(session);
    if (session.reads && !session.spent) this.#receive(connection);
    // Not every request is answered: it may have more of them, or be read from again.
    this.#dirty.push(session);
  }

  /** Another connection of the domain was read, or what it held is less: it goes on at once. */
  #someStalledListens(): boolean {
    for (const session of this.#stalled) if (session.listens) return true;
    return false;
  }

  #resume(session: Session): void {
    const connection = this.#bySession.get(session);
    if (connection === undefined) return;
    const written = this.#written();
    session.resume();
    if (this.#written() !== written) this.#writers.add(connection);
  }

  #accept(door: number): void {
    const { domid } = this.#doors.get(door)!;
    for (let accepts = 0; accepts < this.#limits.turnAccepts; accepts++) {
      const fd = this.#system.accept(door);
      if (fd < 0) {
        if (NO_DESCRIPTOR.has(this.#system.errno())) this.#waitForDescriptor();
        return;
      }
      if (this.#ledger.admits(domid)) {
        this.adopt(fd, domid);
      } else {
        this.#complain(`domain ${domid} has too many connections: one was refused`);
        this.#system.close(fd);
      }
    }
  }

  #waitForDescriptor(): void {
    this.#complain('no file descriptor is left: new connections wait; raise the limit on open files (ulimit -n)');
    this.#acceptsFromMs = performance.now() + ACCEPT_PAUSE_MS;
    for (const fd of this.#doors.keys()) this.#system.control(this.#epoll, 'modify', fd, 0);
  }

  #acceptAgain(): void {
    this.#acceptsFromMs = 0;
    for (const fd of this.#doors.keys()) this.#system.control(this.#epoll, 'modify', fd, EPOLLIN);
  }

  /**
   * Replies of a turn whose changes may not survive are not sent: their clients cannot know either,
   * as after a crash.
   */
  #commitTurn(): void {
    try {
      this.#commit();
    } catch (error) {
      if (!(error instanceof JournalFailure)) throw error;
      for (const connection of this.#writers) this.#end(connection);
    }
    this.#writers.clear();
  }

  #receive(connection: Connection): void {
    const { fd, session } = connection;
    const most = this.#ledger.allowance(session);
    // The rest of it is read in the next turn.
    if (most === 0) return;
    const length = this.#system.receive(fd, this.#input, Math.min(most, this.#input.length));
    if (length > 0) {
      this.#ledger.noteRead(session, length);
      const written = this.#written();
      session.receive(this.#input, length);
      if (this.#written() !== written) this.#writers.add(connection);
      if (session.ending && session.out.length === 0) this.#end(connection);
      return;
    }
    if (length < 0 && (this.#system.errno() === EAGAIN || this.#system.errno() === EINTR)) return;
    // It says no more, but may still read.
    if (length === 0 && session.out.length > 0) session.ending = true;
    else this.#end(connection);
  }

  #flushAll(): void {
    const sessions = this.#dirty;
    this.#dirty = [];
    for (const session of sessions) {
      const connection = this.#bySession.get(session);
      if (connection !== undefined) this.#flush(connection);
    }
  }

  #flush(connection: Connection): void {
    const { fd, session } = connection;
    const { out } = session;
    if (out.length > 0 && !out.overflowed) {
      const bytes = out.start === 0 ? out.bytes : out.bytes.subarray(out.start);
      const sent = this.#system.send(fd, bytes, out.length);
      if (sent > 0) out.sent(sent);
      else if (sent < 0 && this.#system.errno() !== EAGAIN && this.#system.errno() !== EINTR) {
        this.#end(connection);
        return;
      }
    }
    if (out.overflowed) {
      this.#complain(`domain ${session.client.domid} does not read: a connection with too many waiting bytes was closed`);
      this.#end(connection);
      return;
    }
    const greedy = this.#ledger.charge(session);
    if (greedy !== undefined) {
      this.#complain(`domain ${session.client.domid} does not read: the connection with the most waiting bytes was closed`);
      this.#end(this.#bySession.get(greedy)!);
      if (greedy === session) return;
    }
    if (out.length > 0) out.behind = true;
    else if (session.ending) {
      this.#end(connection);
      return;
    }
    if (session.listens || out.length > 0) this.#stalled.delete(session);
    else this.#stalled.add(session);
    if (session.canResume) {
      if (session.client.domid === 0) this.#resumable.push(session);
      else this.#guests.add(session.account, connection);
    }
    const interest = (session.reads ? EPOLLIN : 0) | (out.length > 0 ? EPOLLOUT : 0);
    if (interest !== connection.interest) {
      connection.interest = interest;
      this.#system.control(connection.epoll, 'modify', fd, interest);
    }
  }

  #end(connection: Connection): void {
    const { fd, session } = connection;
    if (!this.#connections.delete(fd)) return;
    this.#bySession.delete(session);
    this.#stalled.delete(session);
    this.#guests.delete(session.account, connection);
    session.close();
    this.#ledger.delete(session);
    this.#system.close(fd);
    if (this.#acceptsFromMs !== 0) this.#acceptAgain();
  }
}
