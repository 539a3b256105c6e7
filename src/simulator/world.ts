// One simulated machine: the embedded Xen and XenStore, a disk, and the daemon that lives, dies and
// is started again on them.
import { InputError, XenError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { MIB } from '../base/units.js';
import type { Host } from '../machine/model.js';
import { userLine } from '../xapi/calls/users.js';
import { followUsersFile } from '../xapi/calls/users-file.js';
import { type Daemon, openDaemon } from '../xapi/daemon.js';
import { StorageError } from '../xapi/model/storage.js';
import type { InspectedDoor } from '../xenctrl/doors/inspection.js';
import { openXenctrl } from '../xenctrl/open-xenctrl.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import { embeddedXenguest } from '../xenguest/embedded.js';
import type { Xenguest } from '../xenguest/xenguest.js';
import { EMBEDDED_CAPABILITIES, type HostDoors, XEN_CAPABILITIES } from '../xenopsd/api/host-doors.js';
import { type PolicyName, PROFILES, type ProfileName } from '../xenopsd/api/profiles.js';
import { type EmbeddedHost, embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { XenstoreClient } from '../xenstore/client/client.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { Faults, Killed, Life, type Plant } from './faults.js';
import { faultyXenguest, processXenguest } from './faulty-builder.js';
import { FaultyDoor } from './faulty-door.js';
import { type Files, faultyFiles, UsersFile } from './faulty-files.js';
import { Disk, faultyState } from './faulty-state.js';
import { FaultyTransport } from './faulty-transport.js';
import type { VirtualProcess } from './virtual-process.js';
import { WatchedDoor } from './watched-door.js';

/** The users who log in, and their addresses. */
export const CLIENTS = {
  admin: { name: 'root', password: 'right', address: '127.0.0.1' },
  reader: { name: 'viewer', password: 'looking', address: '127.0.0.2' },
} as const;

export const AUDIT_FILE = 'audit.log';

/**
 * Why a VM whose guest ended cannot start again: the host has no room (ENOMEM, or libxenguest's
 * EBUSY), or its masks no CPU (EINVAL).
 */
const HOST_ANSWERS = /^(HOST_NOT_ENOUGH_FREE_MEMORY|INTERNAL_ERROR\(xenopsd internal error: .*\[(12|16|22)\])/;

export interface WorldShape {
  readonly nodes: number;
  readonly cpusPerNode: number;
  readonly mibPerNode: number;
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  /** As on a real host: domains go on when the daemon dies, and guests end by themselves. */
  readonly outlives: boolean;
}

export function shapeOf(random: Random): WorldShape {
  const profile = random.pick(PROFILES);
  return {
    nodes: random.between(1, 4),
    cpusPerNode: random.between(1, 4),
    mibPerNode: 1024 * random.between(2, 5),
    profile,
    policy: random.pick(['default_policy', 'any', 'best_effort', profile === 'xl' ? 'any' : 'tight'] as const),
    outlives: random.chance(65),
  };
}

export class World {
  readonly virtual: VirtualProcess;
  readonly shape: WorldShape;
  readonly faults: Faults;
  readonly users: UsersFile;
  readonly disk = new Disk();
  /** Files of the daemon beside its state. */
  readonly files: Files = new Map();
  /** Messages of the daemon that no log should have. */
  readonly complaints: string[] = [];
  /** Lines of the audit log that the daemon logged because the file refused them. */
  readonly unwritten: string[] = [];
  freePagesAtBoot = 0;
  explicitNodeAffinity = new Set<number>();
  #host!: EmbeddedHost;
  #door!: WatchedDoor;
  #administrator!: Xenctrl;
  #checkedAtCall = -1;
  #daemon: Daemon | null = null;
  #life = new Life();
  #endLife: () => void = () => {};
  #faultsAtPeace = 0;
  /** Calls of the builder that have not ended, in the daemon's present life. */
  #builds = new Set<object>();
  starts = 0;

  private constructor(virtual: VirtualProcess, shape: WorldShape, faults: Faults, users: UsersFile) {
    this.virtual = virtual;
    this.users = users;
    this.shape = shape;
    this.faults = faults;
  }

  static async open(virtual: VirtualProcess, seed: number, plant: Plant | null): Promise<World> {
    const random = new Random(seed);
    const { admin, reader } = CLIENTS;
    const users = new UsersFile(
      await userLine(admin.name, 'admin', admin.password),
      await userLine(reader.name, 'read-only', reader.password),
    );
    const world = new World(virtual, shapeOf(random), new Faults(new Random(seed ^ 0x5eed), plant), users);
    await world.#newHost();
    await world.start();
    return world;
  }

  get host(): EmbeddedHost {
    return this.#host;
  }

  /** Xen's calls as the host's administrator has them, past the daemon and without faults. */
  get administrator(): Xenctrl {
    return this.#administrator;
  }

  /** Whether Xen was called since the last query. */
  wasChanged(): boolean {
    const { calls } = this.#door;
    const changed = calls !== this.#checkedAtCall;
    this.#checkedAtCall = calls;
    return changed;
  }

  freePagesNow(): number {
    return this.#host.inspect.freePages().reduce((sum, pages) => sum + pages, 0);
  }

  get life(): Life {
    return this.#life;
  }

  /** @throws Error when it is down */
  get daemon(): Daemon {
    if (this.#daemon === null) throw new Error('the daemon is down');
    return this.#daemon;
  }

  /** Whether a call or a guest that restarts waits for the builder, which may hang. */
  get isBuilding(): boolean {
    return this.#builds.size > 0 || this.daemon.ledger.held('tasks') > 0;
  }

  get isUp(): boolean {
    return this.#daemon !== null && !this.#life.dead;
  }

  /** Clean: what is under way ends first. */
  async stop(): Promise<void> {
    const { daemon } = this;
    await daemon.close();
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#life.kill();
    this.#daemon = null;
    this.virtual.dropTimers();
    this.#endLife();
    this.#endLife = () => {};
    // Connections end with the process.
    await this.virtual.turn();
  }

  /**
   * Starts it as a service manager does, until it runs. Without faults the first attempt must
   * succeed.
   */
  async start(): Promise<void> {
    for (;;) {
      if (!this.shape.outlives && this.starts > 0) await this.#newHost();
      this.starts++;
      const spoilt = this.users.state === 'spoilt';
      const fullDiskAlone = this.faults.diskErrno === 'ENOSPC' && this.faults.perMille === 0 && this.#life.callsLeft === null && !spoilt;
      const hadFaults = this.faults.active || this.#life.callsLeft !== null || spoilt;
      try {
        await this.#open();
        return;
      } catch (error) {
        await this.kill();
        const known = error instanceof XenError || error instanceof InputError || error instanceof StorageError || error instanceof Killed;
        if (!hadFaults || !known) throw error;
        // But for its very first start, a daemon needs no room on the disk to serve reads.
        if (fullDiskAlone && this.starts > 1 && this.shape.outlives) throw error;
        this.faults.heal();
        if (spoilt) this.users.leave('both');
      }
    }
  }

  async #open(): Promise<void> {
    const life = new Life();
    this.#life = life;
    const { faults, shape } = this;
    const door = new FaultyDoor(this.#door, faults, life, this);
    const xc = openXenctrl(door);
    this.#endLife = () => xc.close();
    const opening = openDaemon({
      doors: this.#doors(xc, life),
      profile: shape.profile,
      seed: 1,
      state: null,
      audit: AUDIT_FILE,
      files: faultyFiles(this.files, faults, life),
      policy: shape.policy,
      wrapState: () => faultyState(this.disk, faults, life),
      users: followUsersFile('users', () => {}, this.users.reads(faults)),
      version: '0.0.0',
      address: '127.0.0.1',
      log: { info() {}, warn() {}, error: (values, message) => this.#heard(values, message) },
    });
    this.#daemon = await this.#settled(opening);
  }

  #doors(xc: Xenctrl, life: Life): HostDoors {
    const { faults, shape } = this;
    const xs = this.#connect(life);
    const inProcess = embeddedXenguest({ xc, xs });
    const builder = { door: (own: Life) => new FaultyDoor(this.#door, faults, own, this), connect: (own: Life) => this.#connect(own) };
    return {
      kind: 'embedded',
      can: shape.outlives ? XEN_CAPABILITIES : EMBEDDED_CAPABILITIES,
      name: 'simulated',
      xc,
      xs,
      xenguest: this.#counted(shape.outlives ? processXenguest(builder, faults, life) : faultyXenguest(inProcess, faults, life)),
      channels: this.#host.channels,
      pagesByNode: this.#host.inspect.pagesByNode,
    };
  }

  #counted(builder: Xenguest): Xenguest {
    const builds = new Set<object>();
    this.#builds = builds;
    return {
      run: async (args, run) => {
        builds.add(args);
        try {
          return await builder.run(args, run);
        } finally {
          builds.delete(args);
        }
      },
    };
  }

  /** Comes back by itself, as the daemon's does on a real host. */
  #connect(life: Life): XenstoreConnection {
    const { engine } = this.#host.store;
    return new XenstoreClient(new FaultyTransport(engine, this.faults, life), {
      reconnect: () => FaultyTransport.connect(engine, this.faults, life),
    });
  }

  /** The start of a daemon waits for timers too. */
  async #settled<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    work.then(
      () => (ended = true),
      () => (ended = true),
    );
    for (let turns = 0; !ended; turns++) {
      if (this.#life.dead) throw new Killed();
      await this.virtual.turn();
      if (turns > 200) await this.virtual.advance(100);
      if (turns > 3000) throw new Error('the daemon does not come up: it waits for ever');
    }
    return work;
  }

  /**
   * An end that cannot be followed is a complaint, but for an answer of the host that a healthy one
   * can give, and for faults of a door.
   */
  #heard(values: object, message: string): void {
    const { audit, error } = values as { readonly audit?: string; readonly error?: string };
    if (audit !== undefined) this.unwritten.push(audit);
    if (!message.includes('could not be followed') || this.#life.dead || this.faults.count > this.#faultsAtPeace) return;
    if (!HOST_ANSWERS.test(error ?? '')) this.complaints.push(`${message}: ${JSON.stringify(values)}`);
  }

  /** Resets the count of faults: no operation in progress was hit by one. */
  atPeace(): void {
    this.#faultsAtPeace = this.faults.count;
  }

  async #newHost(): Promise<void> {
    this.explicitNodeAffinity.clear();
    const { nodes, cpusPerNode, mibPerNode, profile } = this.shape;
    this.#host = await embeddedHost(machineOf(nodes, cpusPerNode, mibPerNode), { profile });
    this.#door = new WatchedDoor(this.#host.xc.door as InspectedDoor);
    this.#administrator = openXenctrl(this.#door);
    this.freePagesAtBoot = this.freePagesNow();
  }
}

function machineOf(nodes: number, cpusPerNode: number, mibPerNode: number): Host {
  const all = Array.from({ length: nodes }, (_, id) => id);
  return {
    name: 'simulated',
    source: 'simulator',
    nodes: all.map((id) => ({ id, memoryBytes: (mibPerNode + 512) * MIB, freeBytes: mibPerNode * MIB })),
    cpus: Array.from({ length: nodes * cpusPerNode }, (_, id) => {
      const node = Math.floor(id / cpusPerNode);
      return { id, node, core: id % cpusPerNode, socket: node };
    }),
    distances: all.map((i) => all.map((j) => (i === j ? 10 : 20))),
    notes: [],
  };
}
