// The interface of a server's sockets: the event loop on epoll where koffi is there, Node's own
// sockets otherwise.
import type { FileIdentity } from '../../base/file-calls.js';
import type { Engine } from '../store/engine.js';
import type { ServerLimits } from './client-limits.js';
import type { Session } from './session.js';

export interface SocketServerOptions {
  readonly engine: Engine;
  readonly limits?: Partial<ServerLimits>;
  /**
   * Makes what was changed durable; replies go out after it. @throws JournalFailure when that is in
   * doubt
   */
  readonly commit?: () => void;
  /**
   * How many changes were written so far: who made some in a turn that is in doubt is disconnected
   * without a reply.
   */
  readonly written?: () => number;
  /** Between two turns: no request is half done. */
  readonly afterTurn?: () => void;
  /** `afterTurn` has more to do than one turn may take: the next turn is not to wait. */
  readonly hasMore?: () => boolean;
  readonly log?: (line: string) => void;
}

export interface CarriedDoor {
  readonly fd: number;
  readonly path: string;
  readonly domid: number;
  readonly file: FileIdentity | undefined;
}

/** A connection as a live restart carries it. */
export interface CarriedConnection {
  readonly fd: number;
  readonly domid: number;
  readonly unanswered: Buffer;
  readonly unsent: Buffer;
}

export interface SocketServer {
  readonly connectionCount: number;
  /**
   * Opens a socket, private to this user, for the clients of a domain.
   * @throws InputError when something else is at the path, or a server that answers
   */
  open(path: string, domid: number): void;
  /** Closes the socket of a domain and all its connections. */
  shut(domid: number): void;
  /** Calls `ready` in each turn in which the descriptor is readable; absent without epoll. */
  watch?(fd: number, ready: () => void): void;
  /** Serves until `stop`. */
  run(): Promise<void>;
  stop(): void;
  /** Live restart; undefined where descriptors cannot be handed over. */
  readonly handover: Handover | undefined;
}

export interface Handover {
  carried(): { doors: CarriedDoor[]; connections: (CarriedConnection & { session: Session })[] };
  adoptDoor(door: CarriedDoor): void;
  adopt(fd: number, domid: number): Session;
}
