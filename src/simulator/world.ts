// One simulated machine: the embedded Xen and XenStore, a disk, and the daemon that lives, dies and
// is started again on them.
import { InputError, XenError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { MIB } from '../base/units.js';
import type { Host } from '../machine/model.js';
import { parseUsers, type User, userLine } from '../xapi/calls/users.js';
import { type Daemon, openDaemon } from '../xapi/daemon.js';
import { StorageError } from '../xapi/model/storage.js';
import type { InspectedDoor } from '../xenctrl/doors/inspection.js';
import { openXenctrl } from '../xenctrl/open-xenctrl.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import { embeddedXenguest } from '../xenguest/embedded.js';
import { EMBEDDED_CAPABILITIES, type HostDoors, XEN_CAPABILITIES } from '../xenopsd/api/host-doors.js';
import { type PolicyName, PROFILES, type ProfileName } from '../xenopsd/api/profiles.js';
import { type EmbeddedHost, embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { Faults, Killed, Life, type Plant } from './faults.js';
import { FaultyDoor } from './faulty-door.js';
import { Disk, faultyState } from './faulty-state.js';
import { faultyXenguest, faultyXenstore } from './faulty-xenstore.js';
import type { VirtualProcess } from './virtual-process.js';
import { WatchedDoor } from './watched-door.js';

/** Names and passwords of those who log in. */
export const CLIENTS = { admin: ['root', 'right'], reader: ['viewer', 'looking'] } as const;

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
  readonly disk = new Disk();
  /** What the daemon said of itself that no log should have. */
  readonly complaints: string[] = [];
  freePagesAtBoot = 0;
  byHand = new Set<number>();
  #users: ReadonlyMap<string, User> = new Map();
  #host!: EmbeddedHost;
  #door!: WatchedDoor;
  #administrator!: Xenctrl;
  #checkedAtCall = -1;
  #daemon: Daemon | null = null;
  #life = new Life();
  #endLife: () => Promise<void> = async () => {};
  starts = 0;

  private constructor(virtual: VirtualProcess, shape: WorldShape, faults: Faults) {
    this.virtual = virtual;
    this.shape = shape;
    this.faults = faults;
  }

  static async open(virtual: VirtualProcess, seed: number, plant: Plant | null): Promise<World> {
    const random = new Random(seed);
    const world = new World(virtual, shapeOf(random), new Faults(new Random(seed ^ 0x5eed), plant));
    const lines = [
      await userLine(CLIENTS.admin[0], 'admin', CLIENTS.admin[1]),
      await userLine(CLIENTS.reader[0], 'read-only', CLIENTS.reader[1]),
    ];
    world.#users = parseUsers(lines.join('\n'), 'users');
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

  /** Whether anybody called into Xen since this was last looked at. */
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
    await this.#endLife();
    this.#endLife = async () => {};
  }

  /** As a service manager does: until it runs. Without faults the first attempt must succeed. */
  async start(): Promise<void> {
    for (;;) {
      if (!this.shape.outlives && this.starts > 0) await this.#newHost();
      this.starts++;
      const hadFaults = this.faults.active || this.#life.callsLeft !== null;
      try {
        await this.#open();
        return;
      } catch (error) {
        await this.kill();
        const known = error instanceof XenError || error instanceof InputError || error instanceof StorageError || error instanceof Killed;
        if (!hadFaults || !known) throw error;
        this.faults.heal();
      }
    }
  }

  async #open(): Promise<void> {
    const life = new Life();
    this.#life = life;
    const { faults, shape } = this;
    const door = new FaultyDoor(this.#door, faults, life, this);
    const xc = openXenctrl(door);
    const connection = this.#host.store.connect(0);
    const xs = faultyXenstore(connection, faults, life);
    this.#endLife = async () => {
      xc.close();
      await connection.close();
    };
    const doors: HostDoors = {
      kind: 'embedded',
      can: shape.outlives ? XEN_CAPABILITIES : EMBEDDED_CAPABILITIES,
      name: 'simulated',
      xc,
      xs,
      xenguest: faultyXenguest(embeddedXenguest({ xc, xs }), faults, life),
      channels: this.#host.channels,
      pagesByNode: this.#host.inspect.pagesByNode,
    };
    const opening = openDaemon({
      doors,
      profile: shape.profile,
      seed: 1,
      state: null,
      audit: null,
      policy: shape.policy,
      wrapState: () => faultyState(this.disk, faults, life),
      users: () => this.#users,
      version: '0.0.0',
      address: '127.0.0.1',
      log: { info() {}, warn() {}, error: (values, message) => this.#heard(values, message) },
    });
    this.#daemon = await this.#settled(opening);
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

  #heard(values: object, message: string): void {
    const text = `${message}: ${JSON.stringify(values)}`;
    // That a VM cannot start again is an answer of the host, or of its disk.
    const answered = /xenopsd internal error|HOST_NOT_ENOUGH_FREE_MEMORY|nothing was changed|could not be kept/.test(text);
    if (message.includes('could not be followed') && !answered && !this.#life.dead) this.complaints.push(text);
  }

  async #newHost(): Promise<void> {
    this.byHand.clear();
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
