// The options of --pool, for every command that takes a host of a pool.
import type { Command } from 'commander';

/** Values of Host.numa_affinity_policy. */
export const HOST_POLICIES = ['any', 'best_effort', 'default_policy'] as const;

export interface PoolOptions {
  /** Files that describe the topology of the host: FILE for every host, NAME=FILE for one. */
  readonly host?: readonly string[];
  readonly on?: 'xen';
  readonly pool?: string;
  readonly user?: string;
  readonly pwf?: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly poolHost?: string;
  readonly ssh?: true;
}

export function addPoolOptions(command: Command): Command {
  return command
    .optionsGroup('A host of a pool, over XAPI:')
    .option('--pool <url>', 'coordinator of the pool, such as https://xcp-1, or xennuma serve')
    .option('-u, --user <name>', 'user of the pool (default: root)')
    .option('--pwf <file>', 'file with user and password on two lines, or the password alone; also -pwf')
    .option('--ca <file>', 'certificates to trust, in PEM')
    .option('--insecure', 'accept any certificate')
    .option('--pool-host <name>', 'host of the pool, by name or uuid')
    .option('--ssh', 'read the hosts themselves, as root over ssh, in place of --host')
    .optionsGroup('Options:');
}

/** The options of a command that reads a topology for --pool only. */
export function addTopologyOption(command: Command): Command {
  return command
    .optionsGroup('A host of a pool, over XAPI:')
    .option('--host <file...>', "host's topology, such as the output of xl info -n; NAME=FILE for one host of several")
    .optionsGroup('Options:');
}
