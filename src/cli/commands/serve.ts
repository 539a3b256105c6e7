// `xennuma serve`: the daemon that owns one host and speaks XAPI; `xennuma serve passwd`: its users. Box of the chart: xe's other end.
import { type Command, Option } from 'commander';
import { PROFILES } from '../../xenopsd/api/profiles.js';
import type { ServeGiven } from '../input/serve-config.js';
import { parseSeed, parseXenVersion } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .option('--host <file...>', 'the embedded host: a file, two that belong together, or - for stdin')
    .addOption(new Option('--on <host>', 'the real host of this machine').choices(['xen']).conflicts('host'))
    .option('--xen <version>', 'version of the embedded Xen, such as 4.17 (default: what the host says)', parseXenVersion)
    .addOption(new Option('--scheduler <name>', "scheduler of the embedded Xen's Pool-0").choices(['credit', 'credit2']))
    .addOption(new Option('--profile <name>', 'behaviour of the toolstack (default: xapi-25.6)').choices(PROFILES))
    .option('--seed <number>', 'who goes first when VMs start side by side (default: 1)', parseSeed)
    .option('--state <folder>', 'keep VMs, policies, tasks and the audit log here (default: in memory, gone when the daemon ends)')
    .option('--listen <address:port>', 'where to listen (default: 127.0.0.1:8080)')
    .option('--tls-cert <file>', 'certificate in PEM, with --tls-key')
    .option('--tls-key <file>', 'its key')
    .addOption(new Option('--tls-generate', 'a certificate of its own, kept in the state folder').conflicts('tlsCert'))
    .option('--users <file>', 'who may log in; see: xennuma serve passwd')
    .option('--config <file>', 'these settings from a file, in YAML or JSON')
    .addHelpText(
      'after',
      `
It stays in the foreground; SIGTERM and SIGINT end it once what is under way has
ended. The line "listening at URL" on stdout says that it is ready; its log, a
JSON line each, goes to stderr. Without both --users and TLS it listens on
loopback only. See docs/xapi.md.`,
    )
    .action(async (given: ServeGiven) => {
      const [{ readSettings }, { serve }] = await Promise.all([import('../input/serve-config.js'), import('../answers/serve-run.js')]);
      if ((given.tlsCert === undefined) !== (given.tlsKey === undefined)) {
        const { InputError } = await import('../../base/errors.js');
        throw new InputError('a certificate and its key belong together', { path: '--tls-cert' }, 'give both --tls-cert and --tls-key');
      }
      await serve(readSettings(given));
      answer(EXIT.ok);
    });
  command
    .command('backup')
    .summary('copy the state of a daemon, also while it runs')
    .description('Writes the whole state to one file: from the running daemon, or from its folder when none runs. The copy is checked.')
    .argument('<file>', 'file to write; it must not exist')
    .requiredOption('--from <folder>', 'state folder of the daemon')
    .action(async (file: string, given: { from: string }) => {
      const { backup } = await import('../answers/serve-backup.js');
      await backup(file, given.from);
      answer(EXIT.ok);
    });
  command
    .command('restore')
    .summary('put a backup into a state folder')
    .description('Checks a backup and puts it into a state folder that no daemon uses. A state that is there is kept beside it.')
    .argument('<file>', 'backup')
    .requiredOption('--into <folder>', 'state folder')
    .action(async (file: string, given: { into: string }) => {
      const { restore } = await import('../answers/serve-backup.js');
      await restore(file, given.into);
      answer(EXIT.ok);
    });
  command
    .command('passwd')
    .summary('write a user and the hash of a password into a file of users')
    .description('Writes a user and the scrypt hash of a password, read from the terminal or the first line of stdin.')
    .argument('<user>', 'name')
    // Not --users: the daemon's own option would take it.
    .requiredOption('--file <file>', 'file of users; made if it is not there')
    .addOption(new Option('--role <role>', 'what the user may do').choices(['admin', 'read-only']).default('admin'))
    .option('--remove', 'take the user out')
    .action(async (user: string, given: { file: string; role: 'admin' | 'read-only'; remove?: boolean }) => {
      const { passwd } = await import('../answers/serve-passwd.js');
      await passwd(user, given);
      answer(EXIT.ok);
    });
}
