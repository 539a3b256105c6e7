// The CPU pool that xl starts a guest in: pool= by name or number, Pool-0 otherwise
// (libxl_create.c, libxl_utils.c libxl_cpupool_qualifier_to_cpupoolid). Names of pools are keys in
// XenStore, which xl writes when it makes a pool.
import { XenError } from '../../base/errors.js';
import { poolNameKey } from '../hosts/described-pools.js';
import { type StartRun, StepError } from './start-run.js';

/** @throws StepError when there is no such pool */
export async function poolOfXl({ vm, xc, doors }: StartRun): Promise<number> {
  const { pool } = vm;
  if (pool === undefined) return 0;
  const ids = xc.cpupoolList().map(({ id }) => id);
  const named = /^\d{1,9}$/.test(pool) ? [Number(pool)] : [];
  for (const id of ids) if ((await nameOf(id)) === pool) named.push(id);
  const found = named.find((id) => ids.includes(id));
  if (found !== undefined) return found;
  const names = await Promise.all(ids.map(async (id) => (await nameOf(id)) ?? String(id)));
  throw new StepError('VM.create', `pool '${pool}' is not there; the host has pools ${names.join(', ')}`, { kind: { kind: 'refused' } });

  async function nameOf(id: number): Promise<string | undefined> {
    try {
      return await doors.xs.read(poolNameKey(id));
    } catch (error) {
      if (error instanceof XenError) return id === 0 ? 'Pool-0' : undefined;
      throw error;
    }
  }
}
