// `xennuma fleet collect`: remote hosts as members of a fleet, without any software of ours on
// them. They are read repeatedly, over ssh or through their pool. With --start their pool starts
// VMs of the fleet; else nothing is placed on them.
import { InputError, UnreachableError } from '../../../../base/errors.js';
import { waitFor } from '../../../../fleet/store/retry.js';
import { ensureStream, MAKE_AGAIN_MS } from '../../../../fleet/store/stream.js';
import type { HostMap } from '../../../../map/host-map.js';
import { accessOf as hostAccess } from '../../../../pool/access.js';
import { mapOfPool } from '../../../../pool/workload.js';
import { type FleetOptions, replicasOf } from '../../../input/fleet-options.js';
import { describer, openPool, poolSources } from '../../../input/open-pool.js';
import type { PoolOptions } from '../../../input/pool-options.js';
import { type HostSource, hostSources, readHosts, remarkFailures } from '../../../input/several-hosts.js';
import { out, remark } from '../../../output/terminal.js';
import { connectWaiting, sayWaiting, untilSignals } from '../open-fleet.js';
import { Collector } from './collector.js';
import { PooledHost, type PoolReading } from './pool-host.js';
import { PoolHosts } from './pool-hosts.js';
import { WatchedHost } from './watched-host.js';

export interface CollectOptions extends FleetOptions, PoolOptions {
  readonly from?: string;
  /** Seconds between two readings. */
  readonly every: number;
  readonly fleetTag?: readonly string[];
  /** Template of the pool: VMs of the fleet are started as clones of it. */
  readonly start?: string;
}

/** Until a signal ends it. @throws InputError without a source, or with two */
export async function fleetCollect(options: CollectOptions): Promise<void> {
  if ((options.from === undefined) === (options.pool === undefined)) {
    throw new InputError('expected --from or --pool', {}, 'name the hosts to read');
  }
  if (options.start === undefined) return collect(options, watched(options));
  if (options.pool === undefined || options.ssh === true) {
    throw new InputError(
      '--start needs --pool without --ssh',
      { path: '--start' },
      'the pool starts the VMs: describe its hosts with --host',
    );
  }
  return collect(options, await started(options, options.start));
}

interface Source<Reading> {
  readonly collector: Collector<Reading>;
  /** The collector takes a reading. @throws InputError, UnreachableError when no host is read */
  readonly read: () => Promise<void>;
}

/** Hosts on which the fleet starts nothing. */
function watched(options: CollectOptions): Source<HostMap> {
  const collector = new Collector<HostMap>((token) => new WatchedHost(token, options.fleetTag ?? []));
  return { collector, read: async () => collector.take(await readAll(options)) };
}

/** Hosts on which their pool starts VMs of the fleet. */
async function started(options: CollectOptions, template: string): Promise<Source<PoolReading>> {
  const pool = new PoolHosts(options, template, (reading) => collector.take(reading));
  const collector = new Collector<PoolReading>(
    (token, name) => new PooledHost(token, options.fleetTag ?? [], (start, waiting) => pool.start(name, start, waiting)),
  );
  const { destroyed, kept, failed } = await pool.open();
  if (destroyed.length > 0)
    remark(`the last collector ended during starts; these VMs never ran and were destroyed: ${destroyed.join(', ')}`);
  if (kept.length > 0)
    remark(`the last collector ended during starts; these VMs are off and may have run: start or destroy them: ${kept.join(', ')}`);
  if (failed.length > 0)
    remark(`the last collector ended during starts; the pool refuses to change these VMs, so destroy them by xe: ${failed.join(', ')}`);
  return { collector, read: () => pool.read() };
}

async function collect<Reading>(options: CollectOptions, { collector, read }: Source<Reading>): Promise<void> {
  const stop = await untilSignals();
  await read();
  const connection = await connectWaiting(options, stop);
  if (connection === null) return;
  const ensureLog = () => ensureStream(connection, replicasOf(options.fleet)).then(() => true);
  if ((await waitFor(stop, ensureLog, sayWaiting)) === null) {
    await connection.close();
    return;
  }
  collector.open(connection, options.fleetAs, () => ensureStream(connection, replicasOf(options.fleet), MAKE_AGAIN_MS));
  out(`collecting ${collector.names.join(', ')} for ${options.fleet}`);
  while (await pause(options.every * 1000, stop)) {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof UnreachableError || error instanceof InputError)) throw error;
      remark(error.message);
      collector.take([]);
    }
  }
  await collector.stop();
}

/** Each host by its name. @throws InputError, UnreachableError when no host can be read */
async function readAll(options: CollectOptions): Promise<(readonly [string, HostMap])[]> {
  if (options.pool === undefined || options.ssh === true) {
    const sources = options.pool === undefined ? hostSources(options.from!) : await poolSources(options, []);
    const { read, failed } = await readHosts(sources, { memory: true });
    remarkFailures(failed);
    return read.map(({ captured, ...source }) => [nameOf(source, captured.live.map), captured.live.map]);
  }
  return openPool(options, async (pool) => {
    const describe = describer(options.host);
    return pool.view.hosts.map((record) => [record.name, mapOfPool(hostAccess(pool, record, describe)).map]);
  });
}

/** ssh://root@xen-1:22 is xen-1; what a file holds has the host's own name. */
function nameOf({ source }: HostSource, map: HostMap): string {
  return /^ssh:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)/.exec(source)?.[1] ?? map.name;
}

/** @returns false when a signal has ended it */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((done) => {
    if (signal.aborted) done(false);
    const ended = () => {
      clearTimeout(timer);
      done(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', ended);
      done(true);
    }, ms);
    signal.addEventListener('abort', ended, { once: true });
  });
}
