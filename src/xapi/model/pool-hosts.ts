// The hosts of the pool, each with the toolstack behind its record. The first is the coordinator.
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { xapiErrors } from '../wire/errors.js';
import type { Database } from './database.js';

export interface PoolHost {
  readonly ref: string;
  readonly uuid: string;
  /** Its host_metrics. */
  readonly metrics: string;
  readonly toolstack: Toolstack;
}

export class PoolHosts {
  #all: readonly PoolHost[];

  /** @param all at least one */
  constructor(all: readonly PoolHost[]) {
    this.#all = all;
  }

  get all(): readonly PoolHost[] {
    return this.#all;
  }

  get coordinator(): PoolHost {
    return this.#all[0]!;
  }

  /** Without one whose leaving is being stored. */
  present(database: Database): readonly PoolHost[] {
    return this.#all.filter(({ ref }) => database.has('host', ref));
  }

  /** null = none has this ref, or it has left the pool. */
  find(ref: unknown): PoolHost | null {
    return this.#all.find((one) => one.ref === ref) ?? null;
  }

  /** @throws XapiError HANDLE_INVALID */
  get(ref: string): PoolHost {
    const found = this.find(ref);
    if (found === null) throw xapiErrors.handleInvalid('host', ref);
    return found;
  }

  /** One that leaves the pool. */
  remove(ref: string): void {
    this.#all = this.#all.filter((one) => one.ref !== ref);
  }
}
