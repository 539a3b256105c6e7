// The XenStore server: an engine, its doors and its state file.
import { closeSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { createEngine } from '../in-process.js';
import type { Engine } from '../store/engine.js';
import type { Personality, StoreQuota } from '../store/limits.js';
import { SERVER_LIMITS, type ServerLimits } from './client-limits.js';
import { JournalFile } from './journal-file.js';
import { libc, libcIfThere } from './libc.js';
import { NodeServer } from './node-server.js';
import { PollServer } from './poll-server.js';
import { HostRings, type HostRingsOptions } from './rings/host-rings.js';
import type { CarriedConnection, CarriedDoor, SocketServer } from './socket-server.js';

export interface ServerOptions {
  readonly personality: Personality;
  /** Socket of domain 0. */
  readonly socket: string;
  /** Where the store survives a restart. */
  readonly stateFile?: string;
  /**
   * A folder: every introduced domain gets a socket there, named by its number, through which it is
   * unprivileged.
   */
  readonly domainSockets?: string;
  readonly quota?: Partial<StoreQuota>;
  readonly limits?: Partial<ServerLimits>;
  readonly domainExists?: (domid: number) => boolean;
  /** The rings of a host's domains, of which this is the XenStore. */
  readonly rings?: HostRingsOptions;
  readonly log?: (line: string) => void;
  /**
   * Whether this program, as it is installed now, starts and takes a carry of this version. Without
   * it there is no live restart.
   */
  readonly rehearse?: (version: number) => Promise<boolean>;
  /**
   * Executes this program again with the same arguments; `carry` is what `carry` below is to be.
   * @throws Error when it cannot
   */
  readonly restart?: (carry: string) => never;
  /** What a live restart left for us. */
  readonly carry?: string;
}

/** Rises with each change of what a live restart carries. */
export const CARRY_VERSION = 3;

/** A socket of a domain that could not be opened is tried again after this time. */
const DOOR_RETRY_MS = 1000;

/** State that a live restart hands over, as structured data. */
interface Carried {
  readonly version: typeof CARRY_VERSION;
  readonly personality: Personality;
  readonly engine: unknown;
  readonly doors: readonly CarriedDoor[];
  readonly connections: readonly (CarriedConnection & { client: unknown })[];
}

export class XenstoreServer {
  readonly engine: Engine;
  readonly sockets: SocketServer;
  readonly #options: ServerOptions;
  #rings: HostRings | undefined;
  readonly #journal: JournalFile | undefined;
  /** Domains whose socket could not be opened. */
  readonly #lacking = new Set<number>();
  #retry: NodeJS.Timeout | undefined;
  /** A restart is rehearsed; further requests for one are the same one. */
  #rehearsing = false;
  /** The rehearsal succeeded: execute the program after this turn. */
  #ready = false;
  #notBeforeMs = 0;

  /** @throws InputError, Error when the socket or the state file cannot be had */
  constructor(options: ServerOptions) {
    this.#options = options;
    this.#journal =
      options.stateFile === undefined
        ? undefined
        : new JournalFile(options.stateFile, options.log === undefined ? {} : { log: options.log });
    this.engine = createEngine({
      personality: options.personality,
      ...(options.quota === undefined ? {} : { quota: options.quota }),
      ...(options.domainExists === undefined ? {} : { domainExists: options.domainExists }),
      ...(this.#journal === undefined ? {} : { journal: this.#journal }),
      control: {
        print: (text) => options.log?.(`print: ${text}`),
        ...(options.restart === undefined ? {} : { restart: () => this.requestRestart() }),
      },
    });
    const createSockets = libcIfThere() === undefined ? NodeServer : PollServer;
    this.sockets = new createSockets({
      engine: this.engine,
      commit: () => this.#commit(),
      written: () => this.#journal?.written ?? 0,
      afterTurn: () => {
        this.#rings?.flush();
        if (this.#ready && performance.now() >= this.#notBeforeMs) this.#restart();
      },
      hasMore: () => this.#rings?.hasMore ?? false,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
    if (options.carry === undefined) this.#begin();
    else this.#goOn(options.carry);
    this.engine.onDomain = (domid, introduced) => this.#door(domid, introduced);
    this.engine.onPort = (domid) => this.#rings?.rebind(domid);
  }

  #commit(): void {
    try {
      this.#journal?.sync();
    } catch (error) {
      this.#rings?.uncertain();
      throw error;
    }
  }

  /** Serves until `stop`. */
  run(): Promise<void> {
    return this.sockets.run();
  }

  stop(): void {
    clearInterval(this.#retry);
    this.sockets.stop();
    this.#journal?.close();
  }

  /**
   * Replaces the program by itself, as it is installed now, when a rehearsal has shown that it
   * starts; clients notice a pause. `quietMs`: how long to wait after the last such request. A
   * signal that arrives while Node starts would end the new program, so that requests by signal
   * must have stopped coming.
   */
  requestRestart(quietMs = 0): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, performance.now() + quietMs);
    if (this.#rehearsing || this.#options.restart === undefined) return;
    if (this.sockets.handover === undefined || this.#rings !== undefined) {
      this.#stay(this.#rings === undefined ? 'it needs koffi' : 'the rings of domains cannot be handed over');
      return;
    }
    this.#rehearsing = true;
    void (this.#options.rehearse?.(CARRY_VERSION) ?? Promise.resolve(true)).then(
      (starts) => {
        this.#ready = starts;
        if (!starts) this.#stay('the installed program does not start, or is too different');
      },
      (error: Error) => this.#stay(error.message),
    );
  }

  #stay(why: string): void {
    this.#rehearsing = false;
    this.#ready = false;
    this.#options.log?.(`no live restart: ${why}; this program goes on`);
  }

  #begin(): void {
    this.#journal?.load(this.engine);
    mkdirSync(dirname(this.#options.socket), { recursive: true });
    this.sockets.open(this.#options.socket, 0);
    if (this.#options.rings !== undefined) this.#serveRings(this.#options.rings);
    for (const { domid } of this.engine.introducedDomains()) this.#door(domid, true);
  }

  #serveRings(options: HostRingsOptions): void {
    const limits = { ...SERVER_LIMITS, ...this.#options.limits };
    this.#rings = new HostRings(this.engine, options, limits, (line) => this.#options.log?.(line));
    if (this.sockets.watch === undefined) throw new Error('the rings of domains need koffi');
    this.sockets.watch(this.#rings.fd, () => this.#rings!.turn());
  }

  #door(domid: number, introduced: boolean): void {
    this.#lacking.delete(domid);
    this.sockets.shut(domid);
    this.#rings?.detach(domid);
    if (!introduced) return;
    this.#rings?.attach(domid);
    this.#openDoor(domid);
  }

  /**
   * What is in the way of a domain's socket (a file, a full disk, no descriptor) ends neither the
   * request nor the server: it is tried again until it is there.
   */
  #openDoor(domid: number): void {
    const folder = this.#options.domainSockets;
    if (folder === undefined) return;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.sockets.open(join(folder, String(domid)), domid);
      if (this.#lacking.delete(domid)) this.#options.log?.(`domain ${domid} has its socket`);
    } catch (error) {
      if (!this.#lacking.has(domid))
        this.#options.log?.(`domain ${domid} has no socket yet: ${error instanceof Error ? error.message : String(error)}`);
      this.#lacking.add(domid);
      this.#retry ??= setInterval(() => this.#openLacking(), DOOR_RETRY_MS).unref();
    }
  }

  #openLacking(): void {
    for (const domid of this.#lacking) this.#openDoor(domid);
    if (this.#lacking.size > 0) return;
    clearInterval(this.#retry);
    this.#retry = undefined;
  }

  #restart(): void {
    try {
      this.#journal?.prepareRestart();
    } catch (error) {
      this.#stay((error as Error).message);
      return;
    }
    const handover = this.sockets.handover!;
    const { doors, connections } = handover.carried();
    const carried: Carried = {
      version: CARRY_VERSION,
      personality: this.#options.personality,
      engine: this.engine.dump(),
      doors,
      connections: connections.map(({ session, ...connection }) => ({ ...connection, client: this.engine.dumpClient(session.client) })),
    };
    let memory: number | undefined;
    const keep = (on: boolean): void => {
      for (const { fd } of [...doors, ...connections]) libc().keepThroughExec(fd, on);
      // Node closes its own at an exec: the next program could not write a log.
      for (const fd of [0, 1, 2]) libc().keepThroughExec(fd, on);
    };
    try {
      // One message, so that nodes which a transaction shares with the store stay the same objects;
      // in memory, so that a full disk does not matter.
      memory = libc().memoryFile('xenstored-carry');
      const bytes = serialize(carried);
      for (let done = 0; done < bytes.length; ) done += writeSync(memory, bytes, done);
      keep(true);
      this.#options.restart!(`/proc/self/fd/${memory}`);
    } catch (error) {
      keep(false);
      if (memory !== undefined) closeSync(memory);
      this.#stay((error as Error).message);
    }
  }

  #goOn(file: string): void {
    const handover = this.sockets.handover!;
    const carried = deserialize(readFileSync(file)) as Carried;
    if (carried.version !== CARRY_VERSION || carried.personality !== this.#options.personality)
      throw new Error('the program before this one left a state that this one does not know');
    this.engine.load(carried.engine);
    for (const door of carried.doors) handover.adoptDoor(door);
    for (const { fd, domid, client, unanswered, unsent } of carried.connections) {
      const session = handover.adopt(fd, domid);
      this.engine.loadClient(session.client, client);
      if (unsent.length > 0) session.out.raw(Buffer.from(unsent));
      session.receive(Buffer.from(unanswered) as never, unanswered.length);
    }
    this.#journal?.adopt(this.engine);
    const memory = /^\/proc\/self\/fd\/(\d+)$/.exec(file);
    if (memory !== null) closeSync(Number(memory[1]));
  }
}
