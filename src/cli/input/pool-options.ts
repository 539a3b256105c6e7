// The options of --pool, for every command that takes a host of a pool.
import type { Command } from 'commander';

export interface PoolOptions {
  /** Files that describe the topology of the host. */
  readonly host?: readonly string[];
  readonly on?: 'xen';
  readonly pool?: string;
  readonly user?: string;
  readonly pwf?: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly poolHost?: string;
}

export function addPoolOptions(command: Command): Command {
  return command
    .option('--pool <url>', 'a pool by XAPI: its coordinator, such as https://xcp-1, or xennuma serve')
    .option('-u, --user <name>', 'user of the pool (default: root)')
    .option('--pwf <file>', "the user's password: user and password on two lines, or the password alone; also -pwf")
    .option('--ca <file>', 'certificates to trust, in PEM')
    .option('--insecure', "take any certificate of the pool's")
    .option('--pool-host <name>', 'which host of the pool, by name or uuid');
}
