// The XenStore server: an engine, its doors and its state file.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { createEngine } from '../in-process.js';
import type { Engine } from '../store/engine.js';
import type { Personality, StoreQuota } from '../store/limits.js';
import type { ServerLimits } from './client-limits.js';
import { JournalFile } from './journal-file.js';
import { libc } from './libc.js';
import { type CarriedConnection, PollServer } from './poll-server.js';

export interface ServerOptions {
  readonly personality: Personality;
  /** Socket of domain 0. */
  readonly socket: string;
  /** Where the store survives a restart. */
  readonly stateFile?: string;
  /** A folder: every introduced domain gets a socket there, named by its number, through which it is unprivileged. */
  readonly domainSockets?: string;
  readonly quota?: Partial<StoreQuota>;
  readonly limits?: Partial<ServerLimits>;
  readonly domainExists?: (domid: number) => boolean;
  readonly log?: (line: string) => void;
  /** Starts this program again with the same arguments; without it there is no live restart. */
  readonly restart?: (carry: string) => never;
  /** What a live restart left for us. */
  readonly carry?: string;
}

/** State that a live restart hands over, as structured data. */
interface Carried {
  readonly version: 1;
  readonly personality: Personality;
  readonly engine: unknown;
  readonly doors: readonly { fd: number; path: string; domid: number }[];
  readonly connections: readonly (CarriedConnection & { client: unknown })[];
}

export class XenstoreServer {
  readonly engine: Engine;
  readonly poll: PollServer;
  private readonly options: ServerOptions;
  private readonly journal: JournalFile | undefined;
  private restarting = false;

  /** @throws InputError, Error when the socket or the state file cannot be had */
  constructor(options: ServerOptions) {
    this.options = options;
    this.journal = options.stateFile === undefined ? undefined : new JournalFile(options.stateFile);
    this.engine = createEngine({
      personality: options.personality,
      ...(options.quota === undefined ? {} : { quota: options.quota }),
      ...(options.domainExists === undefined ? {} : { domainExists: options.domainExists }),
      ...(this.journal === undefined ? {} : { journal: this.journal }),
      control: {
        print: (text) => options.log?.(`print: ${text}`),
        ...(options.restart === undefined ? {} : { restart: () => this.requestRestart() }),
      },
    });
    this.poll = new PollServer({
      engine: this.engine,
      commit: () => this.journal?.commit(),
      afterTurn: () => {
        if (this.restarting) this.restart();
      },
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
    if (options.carry === undefined) this.begin();
    else this.goOn(options.carry);
    this.engine.onDomain = (domid, introduced) => this.door(domid, introduced);
  }

  /** Serves until `stop`. */
  run(): Promise<void> {
    return this.poll.run();
  }

  stop(): void {
    this.poll.stop();
    this.journal?.close();
  }

  /** Starts the program again once the requests of this turn are answered; clients notice nothing. */
  requestRestart(): void {
    this.restarting = true;
  }

  private begin(): void {
    this.journal?.load(this.engine);
    mkdirSync(dirname(this.options.socket), { recursive: true });
    this.poll.open(this.options.socket, 0);
    for (const { domid } of this.engine.introducedDomains()) this.door(domid, true);
  }

  private door(domid: number, introduced: boolean): void {
    this.poll.shut(domid);
    const folder = this.options.domainSockets;
    if (folder === undefined || !introduced) return;
    mkdirSync(folder, { recursive: true });
    this.poll.open(join(folder, String(domid)), domid, 0o666);
  }

  private restart(): never {
    const { doors, connections } = this.poll.carried();
    const carried: Carried = {
      version: 1,
      personality: this.options.personality,
      engine: this.engine.dump(),
      doors,
      connections: connections.map(({ session, ...connection }) => ({ ...connection, client: this.engine.dumpClient(session.client) })),
    };
    const file = `${this.options.socket}.carry`;
    // One message, so that nodes which a transaction shares with the store stay the same objects.
    writeFileSync(file, serialize(carried), { mode: 0o600 });
    for (const { fd } of [...doors, ...connections]) libc().keepThroughExec(fd);
    return this.options.restart!(file);
  }

  private goOn(file: string): void {
    const carried = deserialize(readFileSync(file)) as Carried;
    rmSync(file);
    if (carried.version !== 1 || carried.personality !== this.options.personality) throw new Error('what the restart left is not ours');
    this.engine.load(carried.engine);
    for (const { fd, path, domid } of carried.doors) this.poll.adoptDoor(fd, path, domid);
    for (const { fd, domid, client, unanswered, unsent } of carried.connections) {
      const session = this.poll.adopt(fd, domid);
      this.engine.loadClient(session.client, client);
      if (unsent.length > 0) session.out.raw(Buffer.from(unsent));
      session.receive(Buffer.from(unanswered) as never, unanswered.length);
    }
    this.journal?.adopt(this.engine);
  }
}
