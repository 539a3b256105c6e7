// The system calls of the server's own event loop. Through Node's sockets a small single request
// costs several times as much as its answer; through these calls it does not (docs/performance.md
// has the figures).

import { createRequire } from 'node:module';
import { arch } from 'node:process';
import { SOCKET_PATH_BYTES } from '../../base/units.js';

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EAGAIN = 11;
export const EINTR = 4;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL = { add: 1, delete: 2, modify: 3 } as const;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** struct epoll_event is packed on x86-64 only (linux/eventpoll.h). */
export const EVENT_BYTES = arch === 'x64' ? 12 : 16;
const EVENT_DATA = arch === 'x64' ? 4 : 8;

export interface Libc {
  listen(path: string): number;
  accept(fd: number): number;
  receive(fd: number, buffer: Buffer, length: number): number;
  send(fd: number, buffer: Buffer, length: number): number;
  /** The same on a socket that otherwise waits. */
  sendNow(fd: number, buffer: Buffer, length: number): number;
  close(fd: number): void;
  epoll(): number;
  control(epoll: number, action: keyof typeof EPOLL_CTL, fd: number, events: number): void;
  /** The number of events in `events`; of each, eventMask and eventFd tell. */
  wait(epoll: number, events: Buffer, most: number, timeoutMs: number): number;
  errno(): number;
  /** false when another process has locked it. */
  lock(fd: number): boolean;
  /** Tries a connection. @returns 0 when a server accepts it, else the errno */
  connect(path: string): number;
  /** Sends a datagram to a unix socket; '@' in front is the abstract namespace. @throws Error */
  datagram(path: string, text: string): void;
  /** Whether a file descriptor lives on through exec. */
  keepThroughExec(fd: number, keep: boolean): void;
  /** A file in memory alone, which lives on through exec. */
  memoryFile(name: string): number;
  /** Does not return. @throws Error when the system refuses */
  exec(file: string, args: readonly string[]): never;
}

export function eventMask(events: Buffer, at: number): number {
  return events.readUInt32LE(at * EVENT_BYTES);
}

export function eventFd(events: Buffer, at: number): number {
  return events.readInt32LE(at * EVENT_BYTES + EVENT_DATA);
}

let loaded: Libc | undefined;

/** @throws Error when the C library cannot be reached from here */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/**
 * The same, or undefined where koffi is not installed. XENNUMA_NO_KOFFI=1 acts as if it were not.
 */
export function libcIfThere(): Libc | undefined {
  if (process.env.XENNUMA_NO_KOFFI === '1') return undefined;
  try {
    return libc();
  } catch {
    return undefined;
  }
}

function functionsOf(library: ReturnType<typeof import('koffi').load>) {
  return {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, void *, unsigned int)'),
    connect: library.func('int connect(int, void *, unsigned int)'),
    memfdCreate: library.func('int memfd_create(const char *, unsigned int)'),
    listen: library.func('int listen(int, int)'),
    accept4: library.func('int accept4(int, void *, void *, int)'),
    recv: library.func('long recv(int, void *, unsigned long, int)'),
    send: library.func('long send(int, void *, unsigned long, int)'),
    close: library.func('int close(int)'),
    epollCreate: library.func('int epoll_create1(int)'),
    epollCtl: library.func('int epoll_ctl(int, int, int, void *)'),
    epollWait: library.func('int epoll_wait(int, void *, int, int)'),
    fcntl: library.func('int fcntl(int, int, int)'),
    execv: library.func('int execv(const char *, const char **)'),
    flock: library.func('int flock(int, int)'),
  };
}

/** @throws Error with the errno */
function sendDatagram({ socket, connect, send, close }: ReturnType<typeof functionsOf>, must: Must, path: string, text: string): void {
  const isAbstract = path.startsWith('@');
  const address = addressOf(isAbstract ? `\0${path.slice(1)}` : path);
  const fd = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
  try {
    // An abstract name has the length that is given, and no end of its own.
    must(connect(fd, address, address.length - (isAbstract ? 1 : 0)), 'connect');
    const bytes = Buffer.from(text);
    must(send(fd, bytes, bytes.length, MSG_NOSIGNAL), 'send');
  } finally {
    close(fd);
  }
}

type Must = (result: number, call: string) => number;

function load(): Libc {
  // Not imported: the server runs without it.
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  const functions = functionsOf(library);
  const { socket, bind, connect, memfdCreate, listen, accept4, recv, send, close, epollCreate, epollCtl, epollWait, fcntl, execv, flock } =
    functions;
  const event = Buffer.alloc(EVENT_BYTES);
  const must: Must = (result, call) => {
    if (result < 0) throw new Error(`${call}: errno ${koffi.errno()}`);
    return result;
  };
  return {
    listen(path) {
      const address = addressOf(path);
      const fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
      // Private from the start: a chmod after bind would leave a moment in which anyone may
      // connect.
      const umask = process.umask(0o177);
      const bound = bind(fd, address, address.length) >= 0;
      const bindErrno = koffi.errno();
      process.umask(umask);
      if (!bound || listen(fd, 1024) < 0) {
        const errno = bound ? koffi.errno() : bindErrno;
        close(fd);
        throw new Error(`cannot listen at ${path}: errno ${errno}`);
      }
      return fd;
    },
    accept: (fd) => accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC),
    receive: (fd, buffer, length) => recv(fd, buffer, length, 0),
    send: (fd, buffer, length) => send(fd, buffer, length, MSG_NOSIGNAL),
    sendNow: (fd, buffer, length) => send(fd, buffer, length, MSG_NOSIGNAL | MSG_DONTWAIT),
    close: (fd) => {
      close(fd);
    },
    epoll: () => must(epollCreate(EPOLL_CLOEXEC), 'epoll_create1'),
    control(epoll, action, fd, events) {
      event.writeUInt32LE(events, 0);
      event.writeInt32LE(fd, EVENT_DATA);
      must(epollCtl(epoll, EPOLL_CTL[action], fd, event), 'epoll_ctl');
    },
    wait: (epoll, events, most, timeoutMs) => epollWait(epoll, events, most, timeoutMs),
    errno: () => koffi.errno(),
    lock: (fd) => flock(fd, LOCK_EX | LOCK_NB) === 0,
    connect(path) {
      const address = addressOf(path);
      const fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
      const errno = connect(fd, address, address.length) < 0 ? koffi.errno() : 0;
      close(fd);
      return errno;
    },
    datagram: (path, text) => sendDatagram(functions, must, path, text),
    keepThroughExec: (fd, keep) => {
      must(fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC), 'fcntl');
    },
    memoryFile: (name) => must(memfdCreate(name, 0), 'memfd_create'),
    exec(file, args) {
      execv(file, [file, ...args, null]);
      throw new Error(`execv ${file}: errno ${koffi.errno()}`);
    },
  };
}

/** struct sockaddr_un. */
function addressOf(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length > SOCKET_PATH_BYTES) throw new Error(`the path of a socket may have ${SOCKET_PATH_BYTES} bytes: ${path}`);
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}
