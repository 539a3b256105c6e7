// Opens the fleet for the commands of `xennuma fleet`.
import type { NatsConnection } from '@nats-io/transport-node';
import { InputError, type UnreachableError } from '../../../base/errors.js';
import { FleetClient } from '../../../fleet/place/fleet-client.js';
import type { PicturedHost } from '../../../fleet/protocol/picture.js';
import { seedOfAccess } from '../../../fleet/store/access.js';
import { connectFleet } from '../../../fleet/store/connect.js';
import { waitFor } from '../../../fleet/store/retry.js';
import { Jobs } from '../../../fleet/work/jobs.js';
import { Seal } from '../../../fleet/work/seal.js';
import { accessOf, type FleetOptions, replicasOf } from '../../input/fleet-options.js';
import { becomeDaemon, remark } from '../../output/terminal.js';

export async function withFleet<T>(options: FleetOptions, work: (client: FleetClient) => Promise<T>): Promise<T> {
  const client = await FleetClient.open({ access: accessOf(options), name: options.fleetAs, replicas: replicasOf(options.fleet) });
  try {
    const answer = await work(client);
    // A log that could not be tidied is tidied by the next command.
    if (options.fleetAs === 'admin') await client.tidy().catch(() => {});
    return answer;
  } finally {
    await client.close();
  }
}

/** Hosts in a message. */
const SHOWN = 5;

/** Hosts that get no VMs, on stderr. */
export function sayAway(away: ReadonlySet<string>): void {
  if (away.size === 0) return;
  const names = [...away].sort(byName);
  const more = names.length > SHOWN ? `, and ${names.length - SHOWN} more` : '';
  remark(`not chosen, since no answer comes from it: ${names.slice(0, SHOWN).join(', ')}${more}`);
}

/** In a fleet with keys this needs the administrator's. */
export function openJobs(connection: NatsConnection, options: FleetOptions): Promise<Jobs> {
  return Jobs.open(connection, replicasOf(options.fleet), new Seal(seedOfAccess(accessOf(options))));
}

/** SIGTERM and SIGINT end a command that runs until then: a daemon, which its log does not stop. */
export async function untilSignals(): Promise<AbortSignal> {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  await becomeDaemon();
  return stop.signal;
}

/** Of a command that runs until a signal. @returns null when the signal came first */
export function connectWaiting(options: FleetOptions, stop: AbortSignal): Promise<NatsConnection | null> {
  const open = async () => {
    const connection = await connectFleet(accessOf(options), options.fleetAs);
    if (stop.aborted) await connection.close();
    return connection;
  };
  return waitFor(stop, open, sayWaiting);
}

export function sayWaiting({ message, mend }: UnreachableError): void {
  remark(`${message}; waiting. ${mend ?? ''}`.trim());
}

/** By name. @throws InputError for a host that the fleet does not have */
export function hostsOf(client: FleetClient, names: readonly string[]): PicturedHost[] {
  const { hosts } = client.picture;
  for (const name of names) {
    if (!hosts.has(name)) throw new InputError(`the fleet has no host ${name}`, {}, 'xennuma fleet show lists its hosts');
  }
  const wanted = names.length === 0 ? [...hosts.keys()] : [...new Set(names)];
  return wanted.sort(byName).map((name) => hosts.get(name)!);
}

const order = new Intl.Collator('en', { numeric: true });
const byName = (a: string, b: string): number => order.compare(a, b);
