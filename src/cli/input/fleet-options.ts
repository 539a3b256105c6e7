// How commands and the daemon reach the fleet.
import { type Command, InvalidArgumentError } from 'commander';
import { isToken } from '../../fleet/protocol/subjects.js';
import type { FleetAccess } from '../../fleet/store/access.js';

export interface FleetOptions {
  readonly fleet: string;
  readonly fleetKey?: string;
  readonly fleetCa?: string;
  readonly fleetAs: string;
}

const DEFAULT_URL = 'nats://127.0.0.1:4222';

export function addFleetOptions(command: Command): Command {
  return command
    .option('--fleet <urls>', "URL of the fleet's NATS servers; several are separated by commas", DEFAULT_URL)
    .option('--fleet-key <file>', 'key file that fleet init or fleet join wrote (the seed of an nkey)')
    .option('--fleet-ca <file>', "certificate authority of the servers' certificates, in PEM")
    .option('--fleet-as <name>', 'name of the key that --fleet-key holds', parseToken, 'admin');
}

/** Options of a process that is a member of the fleet. */
export function addMemberOptions(command: Command): Command {
  return command
    .option('--fleet <urls>', 'NATS servers of the fleet to join, such as nats://fleet.example; see docs/fleet.md')
    .option('--fleet-key <file>', 'key file of this member, as xennuma fleet join writes it')
    .option('--fleet-ca <file>', "certificate authority of the NATS servers' certificates, in PEM")
    .option('--fleet-name <name>', "name of this host in the fleet (default: the host's own)")
    .option('--fleet-tag <tag...>', 'tag for xennuma fleet place --tag', parseTag);
}

/** The option of commands that workers can run. */
export function addJobOption(command: Command): Command {
  return command.option('--job <name>', 'let workers do it, as jobs with this name; repeat the command to continue them', parseToken);
}

/** As many and as long as a map of the fleet may say (src/fleet/protocol/entries.ts). */
export const TAG_LIMITS = { tags: 64, characters: 128 } as const;

/** Parser of an option that may be repeated. */
export function parseTag(text: string, before: readonly string[] | undefined): string[] {
  const { tags, characters } = TAG_LIMITS;
  if (text === '' || text.length > characters) throw new InvalidArgumentError(`expected 1 to ${characters} characters.`);
  const all = [...new Set([...(before ?? []), text])];
  if (all.length > tags) throw new InvalidArgumentError(`expected ${tags} tags at most.`);
  return all;
}

function parseToken(text: string): string {
  if (!isToken(text)) throw new InvalidArgumentError('expected letters, digits, - and _, 64 at most.');
  return text;
}

export function accessOf({ fleet, fleetKey, fleetCa }: Omit<FleetOptions, 'fleetAs'>): FleetAccess {
  return {
    url: fleet,
    ...(fleetKey === undefined ? {} : { keyFile: fleetKey }),
    ...(fleetCa === undefined ? {} : { caFile: fleetCa }),
  };
}

/** Replicas of the stream: three if three servers are named. */
export const replicasOf = (url: string): number => (url.split(',').length >= 3 ? 3 : 1);
