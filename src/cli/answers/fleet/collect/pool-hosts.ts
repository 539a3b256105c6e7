// The hosts of a pool for `xennuma fleet collect --start`: readings of the pool, one after the
// other, and starts through it.
import { InputError } from '../../../../base/errors.js';
import { MIB } from '../../../../base/units.js';
import { accessOf, type Pool } from '../../../../pool/access.js';
import { type PoolStart, type RecoveredStarts, recoverStarts, startOn, templateNamed } from '../../../../pool/fleet-start.js';
import { CLAIM_KEY } from '../../../../pool/start-marks.js';
import { mapOfPool } from '../../../../pool/workload.js';
import { XapiError } from '../../../../xapi-client/errors.js';
import type { PoolHost } from '../../../../xapi-client/pool.js';
import { describer, openPool } from '../../../input/open-pool.js';
import type { PoolOptions } from '../../../input/pool-options.js';
import type { PoolReading, Waiting } from './pool-host.js';

export class PoolHosts {
  readonly #options: PoolOptions;
  readonly #template: string;
  readonly #take: (reading: ReadonlyMap<string, PoolReading>) => void;
  /** The reading that goes on, and one that begins after it. */
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  /**
   * @param template name or uuid of the template of the VMs
   * @param take receives each reading, the hosts by their names in the pool
   */
  constructor(options: PoolOptions, template: string, take: (reading: ReadonlyMap<string, PoolReading>) => void) {
    this.#options = options;
    this.#template = template;
    this.#take = take;
  }

  /**
   * Cleans up after a collector that ended during a start.
   * @throws InputError for an unknown template
   */
  open(): Promise<RecoveredStarts> {
    return openPool(this.#options, async (pool) => {
      await this.#templateIn(pool);
      return recoverStarts(pool.session);
    });
  }

  /**
   * A reading that begins after this call: what a start has changed is in it.
   * @throws InputError, UnreachableError when the pool cannot be read
   */
  read(): Promise<void> {
    this.#next ??= this.#current
      .catch(() => {})
      .then(() => {
        this.#next = null;
        this.#current = openPool(this.#options, async (pool) => this.#take(await this.#readingOf(pool)));
        return this.#current;
      });
    return this.#next;
  }

  /**
   * @param name of the host in the pool
   * @param waiting is told why the pool does not say whether the VM runs; null = it has said so
   */
  async start(name: string, start: PoolStart, waiting: Waiting): Promise<void> {
    await openPool(this.#options, async (pool) => {
      const host = pool.view.hosts.find((one) => one.name === name);
      if (host === undefined) throw new InputError(`the pool has no host '${name}' any more`, {}, 'place the VM again');
      const told = (problem: unknown) => waiting(problem === null ? null : pool.worded(problem));
      await startOn(pool.session, await this.#templateIn(pool), host.ref, start, { waiting: told });
    });
    // The VM runs: without a reading that has it the hosts are away, until one can be had.
    await this.read().catch(() => this.#take(new Map()));
  }

  async #templateIn({ session }: Pool): Promise<string> {
    const found = await templateNamed(session, this.#template);
    if (found !== null) return found;
    throw new InputError(
      `expected one template '${this.#template}' in the pool`,
      { path: '--start' },
      'name one of xe template-list, or its uuid where several have the name',
    );
  }

  async #readingOf(pool: Pool): Promise<Map<string, PoolReading>> {
    const describe = describer(this.#options.host);
    const readings = new Map<string, PoolReading>();
    for (const record of pool.view.hosts) {
      const access = accessOf(pool, { ...record, memoryFreeBytes: await freeBytes(pool, record) }, describe);
      const claims = access.running.flatMap(({ otherConfig }) => otherConfig[CLAIM_KEY] ?? []);
      const halted = readings.size === 0 ? access.halted.map(({ spec }) => spec.name) : [];
      const cpu = await cpuPercent(pool, record);
      readings.set(record.name, {
        map: mapOfPool(access).map,
        started: new Set(claims),
        halted,
        ...(cpu === null ? {} : { cpuPercent: cpu }),
      });
    }
    return readings;
  }
}

/**
 * The pool's measured figure is some seconds old, and knows nothing of a VM that was just started;
 * its sum over the VMs' records knows nothing of what else is in use. The smaller one counts.
 */
async function freeBytes({ session }: Pool, { ref, memoryFreeBytes }: PoolHost): Promise<number> {
  const computed = Number(await session.call('host.compute_free_memory', [ref]));
  return Math.floor(Math.min(memoryFreeBytes, computed) / MIB) * MIB;
}

/** The host's data source of that name; null where the pool records none, or not yet. */
async function cpuPercent({ session }: Pool, { ref }: PoolHost): Promise<number | null> {
  try {
    const share = Number(await session.call('host.query_data_source', [ref, 'cpu_avg']));
    return Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * 100) : null;
  } catch (error) {
    if (error instanceof XapiError) return null;
    throw error;
  }
}
