// `xennuma serve`: the daemon that owns one host and speaks XAPI. Box of the chart: xe's other end.
import { type Command, Option } from 'commander';
import { InputError } from '../errors.js';
import { PROFILES, type ProfileName } from '../xenopsd/toolstack.js';
import { EXIT } from './exit-codes.js';
import { parseSeed, parseXenVersion } from './workload-options.js';

interface Given {
  readonly host?: readonly string[];
  readonly on?: 'xen';
  readonly xen?: string;
  readonly scheduler?: 'credit' | 'credit2';
  readonly profile: ProfileName;
  readonly seed: number;
  readonly state?: string;
  readonly listen: string;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .option('--host <file...>', 'the embedded host: a file, two that belong together, or - for stdin')
    .addOption(new Option('--on <host>', 'the real host of this machine').choices(['xen']).conflicts('host'))
    .option('--xen <version>', 'version of the embedded Xen, such as 4.17 (default: what the host says)', parseXenVersion)
    .addOption(new Option('--scheduler <name>', "scheduler of Xen's Pool-0").choices(['credit', 'credit2']))
    .addOption(new Option('--profile <name>', 'behaviour of the toolstack').choices(PROFILES).default('xapi-25.6'))
    .option('--seed <number>', 'who goes first when VMs start side by side', parseSeed, 1)
    .option('--state <folder>', 'keep VMs, policies and tasks here (default: in memory, gone when the daemon ends)')
    .option('--listen <address:port>', 'where to listen', '127.0.0.1:8080')
    .action(async (given: Given) => {
      const { serve } = await import('./serve-run.js');
      if (given.host === undefined && given.on === undefined) {
        throw new InputError('which host?', { path: '--host' }, 'give --host FILE for an embedded one, or --on xen');
      }
      await serve(given);
      answer(EXIT.ok);
    });
}
