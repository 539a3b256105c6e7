// From an error to one line on stderr and an exit code; a stack trace only with XENNUMA_DEBUG=1.

import { tooFewDescriptors } from '../../base/descriptors.js';
import { InputError, isMissingModule, UnreachableError, XenError } from '../../base/errors.js';
import { npmCommand } from '../../base/own-package.js';
import { harmless } from '../../base/safe-text.js';
import { COMMANDS } from '../command-table.js';
import { EXIT } from './exit-codes.js';

/** Native code that an installation may lack (optionalDependencies of package.json). */
const OPTIONAL_PACKAGES = ['better-sqlite3', 'koffi'];

/**
 * Prints the error in one line.
 * @param words of the command line; usage is explained by the help of their command
 * @returns the exit code
 */
export function reportFailure(error: unknown, words: readonly string[] = []): number {
  const [line, code] = describe(error, words);
  if (line !== '') process.stderr.write(`xennuma: ${harmless(shortened(oneLine(line)))}\n`);
  if (process.env.XENNUMA_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return code;
}

/** A path can have 4,096 characters, and a mistyped one any number. */
const LONG_WORD = /\S{1000,}/g;

const shortened = (text: string): string =>
  text.replace(LONG_WORD, (word) => `${word.slice(0, 200)}...(${word.length} characters)...${word.slice(-100)}`);

const oneLine = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join(' ');

function describe(error: unknown, words: readonly string[]): [string, number] {
  if (error instanceof InputError) return [error.toString(), EXIT.input];
  if (error instanceof UnreachableError) return [`${error.message}; ${error.mend}`, EXIT.unreachable];
  if (error instanceof XenError) return [`Xen refused: ${error.message}`, EXIT.no];
  if (!(error instanceof Error)) return [String(error), EXIT.fault];
  const code = (error as NodeJS.ErrnoException).code ?? '';
  // The command's own modules are files too.
  if (code === 'EMFILE') return [tooFewDescriptors().toString(), EXIT.input];
  if (code.startsWith('commander.')) {
    const { exitCode, message } = error as Error & { exitCode: number };
    // Requested help is not an error; commander has printed it.
    if (exitCode === 0) return ['', EXIT.ok];
    if (code === 'commander.help') return ['', EXIT.input];
    return [`${usageText(message)}; see ${helpFor(words, code)}`, EXIT.input];
  }
  const missing = OPTIONAL_PACKAGES.find((name) => isMissingModule(error) && error.message.includes(`'${name}'`));
  if (missing !== undefined) return [`this command needs the package ${missing}; ${npmCommand('install', missing)}`, EXIT.unreachable];
  return [`${error.message}; this is a fault of xennuma: XENNUMA_DEBUG=1 shows where`, EXIT.fault];
}

/** Commander's text without its full stop; an underscore is easily typed as a hyphen. */
function usageText(message: string): string {
  const text = message.replace(/^error: /, '').replace(/\.$/, '');
  const [, argument = '', choices = ''] = /'([^']*)' is invalid[^.]*\. Allowed choices are (.*)$/.exec(text) ?? [];
  const plain = (word: string) => word.toLowerCase().replace(/[-_. ]/g, '');
  const meant = choices.split(', ').find((choice) => choice !== '' && plain(choice) === plain(argument));
  return meant === undefined ? text : `${text} (Did you mean ${meant}?)`;
}

/** Errors for a word that is not a subcommand. */
const NOT_FOUND = ['commander.unknownCommand', 'commander.excessArguments'];

function helpFor(words: readonly string[], code: string): string {
  const [command = '', sub = ''] = words;
  if (!COMMANDS.some(({ name }) => name === command)) return 'xennuma help';
  const known = /^(fleet|serve)$/.test(command) && /^[a-z]+$/.test(sub) && !NOT_FOUND.includes(code);
  return known ? `xennuma ${command} ${sub} --help` : `xennuma help ${command}`;
}
