// `xennuma verify --pool` and `xennuma place --pool`: commands of their own beside those of a running Xen, with options of their own and
// nothing of Xen loaded.
import { Command, Option } from 'commander';
import { InputError } from '../base/errors.js';
import { PROFILES } from '../xenopsd/api/profiles.js';
import type { PoolPlaceOptions } from './commands/pool-place-command.js';
import type { PoolVerifyOptions } from './commands/pool-verify-command.js';
import { addPoolOptions } from './input/pool-options.js';
import { EXIT } from './output/exit-codes.js';
import { columns } from './output/terminal.js';

/** What Host.numa_affinity_policy takes. */
const HOST_POLICIES = ['any', 'best_effort', 'default_policy'];
const TOPOLOGY = 'the topology of the host, such as the output of xl info -n';

export function isPoolCommand(words: readonly string[]): boolean {
  return (words[0] === 'verify' || words[0] === 'place') && words.some((word) => word === '--pool' || word.startsWith('--pool='));
}

/** @returns the exit code. @throws CommanderError for bad usage, InputError for bad input, UnreachableError */
export async function runPoolCommand(words: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = new Command('xennuma')
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(columns(), 100) })
    .configureOutput({ outputError: () => {} });
  for (const [name, define] of Object.entries(DEFINE)) {
    define(program.command(name), (answer) => {
      code = answer;
    });
  }
  await program.parseAsync(words, { from: 'user' });
  return code;
}

const DEFINE = { verify: defineVerify, place: definePlace } as const;
type PoolCommandName = keyof typeof DEFINE;

export function isPoolCommandName(name: string): name is PoolCommandName {
  return Object.hasOwn(DEFINE, name);
}

/** The form that a command has with --pool. */
export function poolCommand(name: PoolCommandName): Command {
  const command = new Command(name).configureHelp({ helpWidth: Math.min(columns(), 100) }).helpOption(false);
  DEFINE[name](command, () => {});
  return command;
}

/** What the help of the command without --pool says of the one with it. */
export function poolHelp(name: PoolCommandName): string {
  const command = poolCommand(name);
  const told = command.helpInformation();
  const options = told.slice(told.indexOf('Options:\n') + 'Options:\n'.length).trimEnd();
  return `\nWith --pool, for ${name === 'verify' ? 'the VMs that run on' : 'VMs of'} a host of a pool by XAPI:\n${options}`;
}

function defineVerify(command: Command, answer: (code: number) => void): void {
  command.description('Is what was asked what there is? For each VM that runs there: its mask and policy against where its memory is.');
  addPoolOptions(command)
    .option('--host <file...>', TOPOLOGY)
    .addOption(new Option('--profile <name>', 'what default_policy means there').choices(PROFILES).default('xapi-26.3'))
    .option('--json', 'print JSON (schemas/verify-pool.schema.json)')
    .addHelpText(
      'after',
      `
Exit codes: 0 no drift, 1 drift, 2 bad input, 3 the pool cannot be reached.

  xennuma verify --pool https://xcp-1 -pwf password.txt --host xcp-1.txt`,
    )
    .action(async (options: PoolVerifyOptions) => {
      const { verifyInPool } = await import('./commands/pool-verify-command.js');
      answer(await verifyInPool(options));
    });
}

function definePlace(command: Command, answer: (code: number) => void): void {
  command
    .description(
      "Sets policy and masks of a pool's VMs as the planner would place them. Changes nothing without --yes, and moves no memory: what is set counts from a VM's next start.",
    )
    .argument('[vms...]', 'VMs by name or uuid, in the order in which they would start');
  addPoolOptions(command)
    .option('--host <file...>', TOPOLOGY)
    .addOption(
      new Option('--profile <name>', 'whose planner is asked').choices(PROFILES.filter((one) => one !== 'xl')).default('xapi-25.6'),
    )
    .addOption(new Option('--set-policy <policy>', "also set the host's numa_affinity_policy").choices(HOST_POLICIES))
    .option('--yes', 'do it')
    .option('--json', 'print JSON (schemas/place-pool.schema.json)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done or shown, 1 a VM has no place, 2 bad input,
3 the pool cannot be reached.

  xennuma place web db --pool https://xcp-1 -pwf password.txt --host xcp-1.txt
  xennuma place --set-policy best_effort --pool https://xcp-1 --yes`,
    )
    .action(async (vms: readonly string[], options: PoolPlaceOptions) => {
      if (vms.length === 0 && options.setPolicy === undefined) {
        throw new InputError('expected VMs or a policy, got neither', {}, 'name VMs, or give --set-policy');
      }
      const { placeInPool } = await import('./commands/pool-place-command.js');
      answer(await placeInPool(vms, options));
    });
}
