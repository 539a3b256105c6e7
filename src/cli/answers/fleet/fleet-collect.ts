// `xennuma fleet collect`: remote hosts as members of a fleet, without any software of ours on
// them. They are read repeatedly, over ssh or through their pool; nothing is placed on them.
import { InputError, UnreachableError } from '../../../base/errors.js';
import { Member } from '../../../fleet/member/member.js';
import { hostToken } from '../../../fleet/protocol/subjects.js';
import { ensureStream } from '../../../fleet/store/nats-log.js';
import { waitFor } from '../../../fleet/store/retry.js';
import type { HostMap } from '../../../map/host-map.js';
import { accessOf as hostAccess } from '../../../pool/access.js';
import { mapOfPool } from '../../../pool/workload.js';
import { type FleetOptions, replicasOf } from '../../input/fleet-options.js';
import { describer, openPool, poolSources } from '../../input/open-pool.js';
import type { PoolOptions } from '../../input/pool-options.js';
import { type HostSource, hostSources, readHosts, remarkFailures } from '../../input/several-hosts.js';
import { out, remark } from '../../output/terminal.js';
import { ownerName } from './membership.js';
import { connectWaiting, sayWaiting, stopOfSignals } from './open-fleet.js';
import { WatchedHost } from './watched-host.js';

export interface CollectOptions extends FleetOptions, PoolOptions {
  readonly from?: string;
  /** Seconds between two readings. */
  readonly every: number;
  readonly fleetTag?: readonly string[];
}

/** Result of one reading, by the hosts' names in the fleet. */
type Reading = ReadonlyMap<string, HostMap>;

/** Until a signal ends it. @throws InputError without a source, or with two */
export async function fleetCollect(options: CollectOptions): Promise<void> {
  if ((options.from === undefined) === (options.pool === undefined)) {
    throw new InputError('expected --from or --pool', {}, 'name the hosts to read');
  }
  const stop = stopOfSignals();
  const first = await readAll(options);
  const connection = await connectWaiting(options, stop);
  if (connection === null) return;
  const ensureLog = () => ensureStream(connection, replicasOf(options.fleet)).then(() => true);
  if ((await waitFor(stop, ensureLog, sayWaiting)) === null) {
    await connection.close();
    return;
  }
  const members = new Map<string, { readonly host: WatchedHost; readonly member: Member }>();
  const take = (reading: Reading) => {
    for (const [name, map] of reading) if (!members.has(name)) members.set(name, join(name, map));
    for (const [name, { host, member }] of members) {
      host.read(reading.get(name) ?? null);
      member.changed();
    }
  };
  const join = (name: string, map: HostMap) => {
    const host = new WatchedHost(name, options.fleetTag ?? []);
    host.read(map);
    const log = { info() {}, warn: (values: object, message: string) => remark(`${name}: ${message} ${JSON.stringify(values)}`) };
    return { host, member: new Member({ connection, host, name: ownerName(name), inboxes: options.fleetAs, log }) };
  };
  take(first);
  out(`collecting ${[...members.keys()].sort().join(', ')} for ${options.fleet}`);
  while (await pause(options.every * 1000, stop)) {
    try {
      take(await readAll(options));
    } catch (error) {
      if (!(error instanceof UnreachableError || error instanceof InputError)) throw error;
      remark(error.message);
      take(new Map());
    }
  }
  // Together: they share the connection, which the first one to end closes.
  await Promise.all([...members.values()].map(({ member }) => member.stop()));
}

/** @throws InputError, UnreachableError when no host can be read */
async function readAll(options: CollectOptions): Promise<Reading> {
  if (options.pool === undefined || options.ssh === true) {
    const sources = options.pool === undefined ? hostSources(options.from!) : await poolSources(options, []);
    const { read, failed } = await readHosts(sources, { memory: true });
    remarkFailures(failed);
    return unique(read.map(({ captured, ...source }) => [nameOf(source, captured.live.map), captured.live.map]));
  }
  return openPool(options, async (pool) => {
    const describe = describer(options.host);
    return unique(pool.view.hosts.map((record) => [record.name, mapOfPool(hostAccess(pool, record, describe)).map]));
  });
}

/** ssh://root@xen-1:22 is xen-1; what a file holds has the host's own name. */
function nameOf({ source }: HostSource, map: HostMap): string {
  return /^ssh:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)/.exec(source)?.[1] ?? map.name;
}

/** @throws InputError for two hosts that would be one in the fleet */
function unique(hosts: readonly (readonly [string, HostMap])[]): Reading {
  const reading = new Map<string, HostMap>();
  for (const [name, map] of hosts) {
    const token = hostToken(name);
    if (reading.has(token))
      throw new InputError(`two hosts would be ${token} in the fleet`, {}, 'collect them separately, or name them differently');
    reading.set(token, map);
  }
  return reading;
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
