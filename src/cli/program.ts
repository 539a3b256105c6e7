// The program as commander sees it: all names and summaries, and the options of the one command that runs.
import { Command } from 'commander';
import { InputError } from '../base/errors.js';
import { COMMANDS } from './command-table.js';
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
  await program.parseAsync(words, { from: 'user' });
  return code;
}

/** @param loaded names of the commands whose options are to be there */
export async function makeProgram(loaded: readonly string[], answer: (code: number) => void): Promise<Command> {
  const program = new Command('xennuma')
    .description('NUMA placement and vCPU affinity for Xen: where VMs land, and why.')
    .version(VERSION, '-V, --version', 'print the version')
    .usage('<command> [options]')
    .helpCommand('help [command]', 'help on a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(columns(), 100), showGlobalOptions: false })
    // The one line of an error is written by failure.ts.
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', '\nxennuma help <command> tells more. The start: xennuma demo');
  for (const entry of COMMANDS) {
    const command = program.command(entry.name).summary(entry.summary).description(entry.summary).helpGroup(entry.group);
    if (loaded.includes(entry.name)) (await entry.load()).define(command, answer);
  }
  return program;
}
