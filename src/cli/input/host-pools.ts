// `--cpupools SOURCE...`: the CPU pools of a described host.
import { InputError } from '../../base/errors.js';
import type { Host } from '../../machine/model.js';
import { numaSplit, poolsInOrder } from '../../machine/pools.js';
import { readPoolConfig } from '../../machine/readers/xl/pool-config.js';
import { readInput } from './read-input.js';

/** One pool a node, as `xl cpupool-numa-split` makes them. */
export const NUMA_SPLIT = 'numa-split';

/**
 * @param host with Xen's node numbers
 * @param sources numa-split alone, or configs for `xl cpupool-create`; [] leaves the host as it is
 * @throws InputError for a bad config, and for pools that the host cannot have
 */
export function withPools(host: Host, sources: readonly string[]): Host {
  if (sources.length === 0) return host;
  const path = '--cpupools';
  if (host.pools !== undefined) {
    throw new InputError('expected pools in the host description or in --cpupools, got both', { path }, 'leave one of them out');
  }
  if (!sources.includes(NUMA_SPLIT)) {
    const pools = sources.map((source) => readPoolConfig(readInput(source), host));
    const ordered = poolsInOrder(host.cpus, pools, (index, message, mend) => {
      throw new InputError(message, { file: sources[index]! }, mend);
    });
    const empty = ordered[0]!.cpus.length === 0;
    if (empty) throw new InputError('no CPU is left for Pool-0', { path }, 'leave it at least one');
    return { ...host, pools: ordered };
  }
  if (sources.length > 1) throw new InputError('expected numa-split or configs of pools, got both', { path }, 'leave one of them out');
  return { ...host, pools: numaSplit(host) };
}
