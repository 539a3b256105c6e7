// `xennuma serve`: the daemon that owns a host or a pool and speaks XAPI; `xennuma serve passwd`:
// its users.
import { type Command, Option } from 'commander';
import { DEFAULT_PROFILE, PROFILES } from '../../xenopsd/api/profiles.js';
import { addMemberOptions } from '../input/fleet-options.js';
import type { ServeCommandLine } from '../input/serve-config.js';
import { parseSeed, parseXenVersion } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .option(
      '--host <file...>',
      'embedded host description: one file, two that complete each other, or - for stdin; several hosts are one pool',
    )
    .addOption(new Option('--on <host>', 'the host this command runs on').choices(['xen']).conflicts('host'))
    .option('--xen <version>', 'version of the embedded Xen, such as 4.17 (default: from the host description)', parseXenVersion)
    .addOption(new Option('--scheduler <name>', "scheduler of the embedded Xen's Pool-0").choices(['credit', 'credit2']))
    .addOption(new Option('--profile <name>', `toolstack version to act as (default: ${DEFAULT_PROFILE})`).choices(PROFILES))
    .option('--seed <number>', 'seed for the order of parallel starts (default: 1)', parseSeed)
    .option('--state <folder>', 'folder for VMs, policies, tasks and the audit log (default: in memory, lost when the daemon ends)')
    .option('--listen <address:port>', 'address and port to listen on (default: 127.0.0.1:8080)')
    .option('--unix <path>', 'additional unix socket to listen on; everyone who may open it is root, as on a host')
    .option('--www <folder>', 'folder of files to serve, such as a web interface (default: none)')
    .option('--origin <url...>', 'origin whose web pages may call the API, such as https://admin.example (default: only pages of --www)')
    .option('--tls-cert <file>', 'certificate in PEM, with --tls-key')
    .option('--tls-key <file>', 'private key of the certificate, in PEM')
    .addOption(new Option('--tls-generate', 'generate a certificate and keep it in the state folder').conflicts('tlsCert'))
    .option('--users <file>', 'file of users and password hashes; see: xennuma serve passwd');
  addMemberOptions(command)
    .option('--config <file>', 'settings file in YAML or JSON; options on the command line override it')
    .addHelpText(
      'after',
      `
The daemon stays in the foreground. SIGTERM and SIGINT end it after the calls
in progress. "listening at URL" on stdout means that it is ready; the log
goes to stderr, one JSON object a line. Without both --users and TLS it listens
on loopback only. See docs/xapi.md.`,
    )
    .action(async (commandLine: ServeCommandLine) => {
      const { readSettings, serve } = await loadDaemon();
      if ((commandLine.tlsCert === undefined) !== (commandLine.tlsKey === undefined)) {
        const { InputError } = await import('../../base/errors.js');
        throw new InputError('expected a certificate and its key', { path: '--tls-cert' }, 'give both --tls-cert and --tls-key');
      }
      await serve(readSettings(commandLine));
      answer(EXIT.ok);
    });
  command
    .command('backup')
    .summary('copy the state of a daemon, even while it runs')
    .description('Write the whole state to one file: from the running daemon, or from its folder if none runs. The copy is checked.')
    .argument('<file>', 'file to write; it must not exist')
    .requiredOption('--from <folder>', 'state folder of the daemon')
    .action(async (file: string, commandLine: { from: string }) => {
      const { backup } = await import('../answers/serve-backup.js');
      await backup(file, commandLine.from);
      answer(EXIT.ok);
    });
  command
    .command('restore')
    .summary('put a backup into a state folder')
    .description('Check a backup and put it into a state folder that no daemon uses. An existing state is kept in a folder next to it.')
    .argument('<file>', 'backup')
    .requiredOption('--into <folder>', 'state folder')
    .action(async (file: string, commandLine: { into: string }) => {
      const { restore } = await import('../answers/serve-backup.js');
      await restore(file, commandLine.into);
      answer(EXIT.ok);
    });
  definePasswd(command, answer);
}

function definePasswd(command: Command, answer: (code: number) => void): void {
  command
    .command('passwd')
    .summary('add or remove a user in the file of users')
    .description('Add a user with the scrypt hash of a password, which is read from the terminal or the first line of stdin.')
    .argument('<user>', 'name of the user')
    // Not --users: the daemon's own option would take it.
    .requiredOption('--file <file>', 'file of users; created when missing')
    .addOption(new Option('--role <role>', 'rights of the user').choices(['admin', 'read-only']).default('admin'))
    .option('--remove', 'remove the user')
    .action(async (user: string, commandLine: { file: string; role: 'admin' | 'read-only'; remove?: boolean }) => {
      const { passwd } = await import('../answers/serve-passwd.js');
      await passwd(user, commandLine);
      answer(EXIT.ok);
    });
}

/**
 * The daemon's modules in pieces: Node opens all files of one import at once, and would find no
 * descriptor where few are allowed (`ulimit -n 64`).
 */
async function loadDaemon() {
  const { readSettings } = await import('../input/serve-config.js');
  await import('pino');
  await import('../../xenctrl/open-xenctrl.js');
  await import('../../xenstore/in-process.js');
  await import('../../xenopsd/hosts/embedded-host.js');
  await import('../../xenopsd/life/toolstack.js');
  await import('../../xapi/model/database.js');
  await import('../../xapi/daemon.js');
  await import('../../xapi/http/http-server.js');
  const { serve } = await import('../answers/serve-run.js');
  return { readSettings, serve };
}
