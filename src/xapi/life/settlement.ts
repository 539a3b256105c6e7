// Clean-up after an operation that failed, or that storage refused: the host is brought back to the
// database's state of the VM. If the host refuses, this is repeated until it succeeds.
import type { Database } from '../model/database.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import type { VmQueues } from './vm-queue.js';

/** Refused operations are tried again after this time. */
const AGAIN_MS = 1000;

/** A domain of a start that was refused, and what its VM is without it. */
export interface UnwantedDomain {
  readonly domid: number;
  readonly into: 'Halted' | 'Suspended';
}

export interface SettlementParts {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly queues: VmQueues;
  /**
   * Brings the host back to what the database says of the VM. @returns the domain that could not be
   * stopped. @throws any error: not all of it could be done
   */
  readonly revert: (vm: string) => Promise<UnwantedDomain | null>;
  /** The VM has no domain any more, as a fact. */
  readonly halted: (vm: string, into: UnwantedDomain['into']) => Promise<void>;
  readonly forget: (name: string) => Promise<void>;
}

export class Settlement {
  readonly #parts: SettlementParts;
  /**
   * VMs whose host still differs from the database, with the domain to destroy; null = do all that
   * is needed.
   */
  readonly #unsettled = new Map<string, UnwantedDomain | null>();
  /** Names of the toolstack's VMs that the database does not have, and whose domains are to go. */
  readonly #strays = new Set<string>();
  #again: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** An operation has changed the VM since, and its client knows what it is. */
  overtaken(vm: string): void {
    this.#unsettled.delete(vm);
  }

  /** Within the VM's turn. */
  async settle(vm: string): Promise<void> {
    const unwanted = await this.#parts.revert(vm).catch(() => undefined);
    if (unwanted === null) this.#unsettled.delete(vm);
    else this.#later(vm, unwanted ?? null);
  }

  /** A toolstack has this VM and the database does not: its domain goes, then it is forgotten. */
  async dropStray(name: string): Promise<void> {
    const { hosts, forget } = this.#parts;
    this.#strays.delete(name);
    try {
      let gone = true;
      for (const { toolstack } of hosts.all) {
        const state = toolstack.vms().find(({ spec }) => spec.name === name);
        const stopped = state === undefined || state.domid === null ? null : await toolstack.discard(name);
        if (stopped !== null && stopped.failure !== null) gone = false;
      }
      if (gone) return await forget(name);
    } catch {
      // The host's answer, as a failure of the outcome is.
    }
    this.#strays.add(name);
    this.#wake();
  }

  /** Ends the trying again. */
  close(): void {
    if (this.#again !== null) clearTimeout(this.#again);
    this.#again = null;
    this.#closed = true;
  }

  #later(vm: string, unwanted: UnwantedDomain | null): void {
    this.#unsettled.set(vm, unwanted);
    this.#wake();
  }

  #wake(): void {
    if (this.#closed) return;
    this.#again ??= setTimeout(() => {
      this.#again = null;
      for (const [vm, domain] of this.#unsettled) {
        const work = () => (domain === null ? this.settle(vm) : this.#discard(vm, domain));
        this.#parts.queues.run(vm, vm, null, null, work).catch(() => this.#later(vm, domain));
      }
      for (const name of this.#strays) void this.#parts.queues.run(name, name, null, null, () => this.dropStray(name));
    }, AGAIN_MS).unref();
  }

  async #discard(vm: string, unwanted: UnwantedDomain): Promise<void> {
    if (this.#unsettled.get(vm) !== unwanted) return;
    this.#unsettled.delete(vm);
    const { database, hosts, halted } = this.#parts;
    if (!database.has('VM', vm) || database.get('VM', vm).domid !== unwanted.domid) return;
    const { uuid, resident_on: home } = database.get('VM', vm);
    const { failure } = await hosts.get(home as string).toolstack.discard(String(uuid));
    if (failure !== null) {
      this.#later(vm, unwanted);
      return;
    }
    await halted(vm, unwanted.into);
    await database.flushed().catch(() => {});
  }
}
