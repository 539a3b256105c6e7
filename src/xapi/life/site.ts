// A host for the life of VMs: its starts, and the names that its toolstack uses.
import type { VmSpec } from '../../machine/vm.js';
import { StateNotKeptError } from '../../xenopsd/api/metadata.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { PoolHost } from '../model/pool-hosts.js';
import { StartsTogether } from './vm-queue.js';

export class Site {
  readonly host: PoolHost;
  readonly #starts: StartsTogether;
  readonly #known: Set<string>;

  constructor(host: PoolHost) {
    this.host = host;
    this.#starts = new StartsTogether(host.toolstack);
    this.#known = new Set(host.toolstack.vms().map(({ spec }) => spec.name));
  }

  get toolstack(): Toolstack {
    return this.host.toolstack;
  }

  async start(spec: VmSpec): Promise<Outcome> {
    await this.forget(spec.name);
    await this.toolstack.add(spec);
    this.#known.add(spec.name);
    return this.#starts.start(spec.name);
  }

  async forget(name: string): Promise<void> {
    if (!this.#known.has(name)) return;
    await this.toolstack.remove(name);
    this.#known.delete(name);
  }

  /** The toolstack need not know halted VMs, and may know them until storage accepts changes. */
  async forgetIfStored(name: string): Promise<void> {
    try {
      await this.forget(name);
    } catch (error) {
      if (!(error instanceof StateNotKeptError)) throw error;
    }
  }

  /**
   * Whether the VM has a domain. A guest of a real host may have gone down by itself just now,
   * which the database does not say yet.
   */
  hasDomain(name: string): boolean {
    const { doors } = this.toolstack;
    return !doors.can.runsGuests || this.domid(name) !== null;
  }

  domid(name: string): number | null {
    if (!this.#known.has(name)) return null;
    return this.toolstack.vms().find(({ spec }) => spec.name === name)?.domid ?? null;
  }
}
