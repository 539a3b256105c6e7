// The program for commander: all names and summaries, and the options of the one command that runs.
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { InputError } from '../base/errors.js';
import { COMMANDS } from './command-table.js';
import { namesFirst } from './input/argument-order.js';
import { EXIT } from './output/exit-codes.js';
import { columns } from './output/terminal.js';
import { VERSION } from './output/version.js';

/** @returns the exit code. @throws CommanderError for bad usage, InputError for bad input */
export async function runProgram(words: readonly string[]): Promise<number> {
  const first = words.find((word) => !word.startsWith('-'));
  const wanted = first === 'help' ? words[words.indexOf('help') + 1] : first;
  if (
    first === 'help' &&
    wanted !== undefined &&
    wanted !== 'help' &&
    !wanted.startsWith('-') &&
    !COMMANDS.some(({ name }) => name === wanted)
  ) {
    throw new InputError(`there is no command '${wanted}'`, {}, 'xennuma help lists them');
  }
  let code: number = EXIT.ok;
  const program = await makeProgram(wanted === undefined ? [] : [wanted], (answer) => {
    code = answer;
  });
  await program.parseAsync(withNamesFirst(helpOfSubcommand(words, program), program), { from: 'user' });
  return code;
}

/** commander's own `help` looks at one name; `help serve passwd` is `serve passwd --help`. */
function helpOfSubcommand(words: readonly string[], program: Command): readonly string[] {
  const [help, name, inner] = words;
  const parent = program.commands.find((one) => one.name() === name);
  if (help !== 'help' || parent === undefined || inner === undefined || inner.startsWith('-')) return words;
  if (parent.commands.length === 0) return words;
  if (parent.commands.some((one) => one.name() === inner)) return [parent.name(), inner, '--help'];
  throw new InputError(`there is no command '${parent.name()} ${inner}'`, {}, `xennuma help ${parent.name()} lists them`);
}

/** Only for commands that take names; the others take files. */
function withNamesFirst(words: readonly string[], program: Command): readonly string[] {
  const [first = '', ...rest] = words;
  const command = program.commands.find((one) => one.name() === first);
  const takesNames = command?.registeredArguments.some((argument) => /^vms?$/.test(argument.name())) === true;
  return takesNames ? [first, ...namesFirst(rest, existsSync)] : words;
}

/** @param loaded names of the commands whose options are defined */
async function makeProgram(loaded: readonly string[], answer: (code: number) => void): Promise<Command> {
  const program = new Command('xennuma')
    .description('NUMA placement and vCPU affinity for Xen: which nodes VMs get, and why.')
    .version(VERSION, '-V, --version', 'print the version')
    .usage('<command> [options]')
    .helpCommand('help [command]', 'help on a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(columns(), 100), showGlobalOptions: false })
    // The one line of an error is written by failure.ts.
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', '\nxennuma help <command> explains a command. Start with: xennuma demo');
  for (const entry of COMMANDS) {
    const command = program.command(entry.name).summary(entry.summary).description(sentence(entry.summary)).helpGroup(entry.group);
    if (loaded.includes(entry.name)) (await entry.load()).define(command, answer, everyCommand);
  }
  return program;
}

const sentence = (summary: string) => `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;

/** For completion and manual pages. */
export async function everyCommand(): Promise<readonly Command[]> {
  const names = COMMANDS.map(({ name }) => name);
  return (await makeProgram(names, () => {})).commands;
}
