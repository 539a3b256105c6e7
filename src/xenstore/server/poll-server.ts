// The server's event loop: one wait for all clients, then their requests, then the journal, then their replies.
import { chmodSync, rmSync } from 'node:fs';
import type { Bytes } from '../protocol/wire.js';
import type { Engine } from '../store/engine.js';
import { SERVER_LIMITS, type ServerLimits } from './client-limits.js';
import { EAGAIN, EINTR, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EVENT_BYTES, eventFd, eventMask, type Libc, libc } from './libc.js';
import { Session } from './session.js';

const EVENTS_A_TURN = 256;
/** The loop waits this long at a time, then lets Node do what else there is (signals, timers). */
const WAIT_MS = 50;
/** And it does so at least this often when there is no end of requests. */
const BUSY_TURNS = 256;

export interface PollServerOptions {
  readonly engine: Engine;
  readonly limits?: Partial<ServerLimits>;
  /** Makes what was changed durable; replies go out after it. */
  readonly commit?: () => void;
  /** Between two turns: nothing of a client is half done. */
  readonly afterTurn?: () => void;
  readonly log?: (line: string) => void;
}

interface Door {
  readonly path: string;
  readonly domid: number;
}

interface Connection {
  readonly fd: number;
  readonly session: Session;
  /** What epoll was told to wait for. */
  interest: number;
}

/** A connection as a restart carries it on. */
export interface CarriedConnection {
  readonly fd: number;
  readonly domid: number;
  readonly unanswered: Buffer;
  readonly unsent: Buffer;
}

export class PollServer {
  private readonly engine: Engine;
  private readonly limits: ServerLimits;
  private readonly commit: () => void;
  private readonly afterTurn: () => void;
  private readonly log: (line: string) => void;
  private readonly system: Libc = libc();
  private readonly epoll = this.system.epoll();
  private readonly doors = new Map<number, Door>();
  private readonly connections = new Map<number, Connection>();
  private readonly bySession = new Map<Session, Connection>();
  private dirty: Session[] = [];
  /** They have read what kept them waiting: what they sent meanwhile is answered in the next turn. */
  private resumable: Session[] = [];
  /** Over a quota through what others did or what they hold: looked at in each turn, for nothing of theirs tells when it ends. */
  private readonly stalled = new Set<Session>();
  private readonly events = Buffer.alloc(EVENTS_A_TURN * EVENT_BYTES);
  private readonly input: Bytes;
  private stopped: (() => void) | undefined;

  constructor(options: PollServerOptions) {
    this.engine = options.engine;
    this.limits = { ...SERVER_LIMITS, ...options.limits };
    this.commit = options.commit ?? (() => {});
    this.afterTurn = options.afterTurn ?? (() => {});
    this.log = options.log ?? (() => {});
    this.input = Buffer.allocUnsafeSlow(this.limits.turnBytes) as Bytes;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Opens a socket for the clients of a domain. What lies there already is taken away: a daemon before us has left it. */
  open(path: string, domid: number, mode = 0o600): void {
    rmSync(path, { force: true });
    const fd = this.system.listen(path);
    chmodSync(path, mode);
    this.adoptDoor(fd, path, domid);
  }

  /** Closes the door of a domain and all its connections. */
  shut(domid: number): void {
    for (const [fd, door] of this.doors) {
      if (door.domid !== domid) continue;
      this.doors.delete(fd);
      this.system.close(fd);
      rmSync(door.path, { force: true });
    }
    for (const connection of [...this.connections.values()]) {
      if (connection.session.client.domid === domid) this.end(connection);
    }
  }

  adoptDoor(fd: number, path: string, domid: number): void {
    this.doors.set(fd, { path, domid });
    this.system.control(this.epoll, 'add', fd, EPOLLIN);
  }

  adopt(fd: number, domid: number): Session {
    const session = new Session(this.engine, domid, this.limits, (dirty) => this.dirty.push(dirty));
    const connection: Connection = { fd, session, interest: EPOLLIN };
    this.connections.set(fd, connection);
    this.bySession.set(session, connection);
    this.system.control(this.epoll, 'add', fd, EPOLLIN);
    return session;
  }

  /** What a restart carries on: the sockets and what is under way on them. */
  carried(): { doors: { fd: number; path: string; domid: number }[]; connections: (CarriedConnection & { session: Session })[] } {
    return {
      doors: [...this.doors].map(([fd, { path, domid }]) => ({ fd, path, domid })),
      connections: [...this.connections.values()].map(({ fd, session }) => ({
        fd,
        session,
        domid: session.client.domid,
        unanswered: session.unanswered,
        unsent: session.out.bytes.subarray(session.out.start, session.out.end),
      })),
    };
  }

  /** Serves until `stop`. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.stopped = resolve;
      const turn = (): void => {
        for (let turns = 0; turns < BUSY_TURNS && this.stopped !== undefined; turns++) if (!this.turn(WAIT_MS)) break;
        if (this.stopped !== undefined) setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  /** Closes everything; the sockets' files go as well. */
  stop(): void {
    const { stopped } = this;
    if (stopped === undefined) return;
    this.stopped = undefined;
    for (const connection of [...this.connections.values()]) this.end(connection);
    for (const [fd, { path }] of this.doors) {
      this.system.close(fd);
      rmSync(path, { force: true });
    }
    this.doors.clear();
    this.system.close(this.epoll);
    stopped();
  }

  /** One wait and what comes of it; false when nothing came. */
  turn(timeoutMs: number): boolean {
    const waiting = this.resumable;
    this.resumable = [];
    const count = this.system.wait(this.epoll, this.events, EVENTS_A_TURN, waiting.length > 0 ? 0 : timeoutMs);
    if (count < 0) {
      if (this.system.errno() !== EINTR) throw new Error(`epoll_wait: errno ${this.system.errno()}`);
      this.resumable.push(...waiting);
      return false;
    }
    for (const session of this.stalled) if (session.listens) this.dirty.push(session);
    for (const session of waiting) if (this.bySession.has(session)) session.resume();
    for (let at = 0; at < count; at++) {
      const fd = eventFd(this.events, at);
      const connection = this.connections.get(fd);
      if (connection === undefined) {
        if (this.doors.has(fd)) this.accept(fd);
        continue;
      }
      const mask = eventMask(this.events, at);
      if ((mask & EPOLLOUT) !== 0) this.dirty.push(connection.session);
      if ((mask & EPOLLIN) !== 0 && connection.session.listens) this.receive(connection);
      else if ((mask & EPOLLIN) !== 0 && connection.interest !== 0) this.dirty.push(connection.session);
      else if ((mask & (EPOLLERR | EPOLLHUP)) !== 0) this.end(connection);
    }
    this.commit();
    this.flushAll();
    this.afterTurn();
    return count > 0 || this.resumable.length > 0;
  }

  private accept(door: number): void {
    for (;;) {
      const fd = this.system.accept(door);
      if (fd < 0) return;
      const { domid } = this.doors.get(door)!;
      if (this.connections.size >= this.limits.connections) {
        this.log(`more than ${this.limits.connections} connections: one refused`);
        this.system.close(fd);
        return;
      }
      this.adopt(fd, domid);
    }
  }

  private receive(connection: Connection): void {
    const { fd, session } = connection;
    const length = this.system.receive(fd, this.input, this.input.length);
    if (length > 0) {
      session.receive(this.input, length);
      if (session.ending && session.out.length === 0) this.end(connection);
      return;
    }
    if (length < 0 && (this.system.errno() === EAGAIN || this.system.errno() === EINTR)) return;
    // It says no more, but may still read.
    if (length === 0 && session.out.length > 0) session.ending = true;
    else this.end(connection);
  }

  private flushAll(): void {
    const sessions = this.dirty;
    this.dirty = [];
    for (const session of sessions) {
      const connection = this.bySession.get(session);
      if (connection !== undefined) this.flush(connection);
    }
  }

  private flush(connection: Connection): void {
    const { fd, session } = connection;
    const { out } = session;
    if (out.length > 0 && !out.overflowed) {
      const bytes = out.start === 0 ? out.bytes : out.bytes.subarray(out.start);
      const sent = this.system.send(fd, bytes, out.length);
      if (sent > 0) out.sent(sent);
      else if (sent < 0 && this.system.errno() !== EAGAIN && this.system.errno() !== EINTR) {
        this.end(connection);
        return;
      }
    }
    if (out.overflowed) {
      this.log(`a client of domain ${session.client.domid} does not read: ${out.length} bytes wait; cut off`);
      this.end(connection);
      return;
    }
    if (out.length > 0) out.behind = true;
    else if (session.ending) {
      this.end(connection);
      return;
    }
    if (session.listens || out.length > 0) this.stalled.delete(session);
    else this.stalled.add(session);
    if (session.canResume) this.resumable.push(session);
    const interest = (session.listens ? EPOLLIN : 0) | (out.length > 0 ? EPOLLOUT : 0);
    if (interest !== connection.interest) {
      connection.interest = interest;
      this.system.control(this.epoll, 'modify', fd, interest);
    }
  }

  private end(connection: Connection): void {
    const { fd, session } = connection;
    if (!this.connections.delete(fd)) return;
    this.bySession.delete(session);
    this.stalled.delete(session);
    session.close();
    this.system.close(fd);
  }
}
