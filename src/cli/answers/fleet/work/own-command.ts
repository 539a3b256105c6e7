// A command of xennuma in a process of its own: one that takes all memory, or too long, does not
// end the worker that runs it.
import { spawn } from 'node:child_process';
import { plural } from '../../../../base/phrases.js';
import { killTree, whileUnfinished } from '../../../../base/unfinished.js';

/** Characters of its standard output. */
export const MOST_OUTPUT = 2 ** 24;
const MOST_ERRORS = 2000;

export type CommandEnd = { readonly out: string } | { readonly error: string };

/**
 * Never rejects.
 * @param seconds after which it is killed
 * @returns what it printed, or why it did not end with 0
 */
export function runOwnCommand(words: readonly string[], seconds: number): Promise<CommandEnd> {
  return new Promise((done) => {
    // Not in the group of the terminal, whose Ctrl-C would end the job in progress.
    const child = spawn(process.execPath, [process.argv[1]!, ...words], { detached: true });
    const release = whileUnfinished({ endNow: () => killTree(child) });
    let [text, errors, late] = ['', '', false];
    const limit = setTimeout(() => {
      late = true;
      killTree(child);
    }, seconds * 1000);
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      text = (text + data).slice(0, MOST_OUTPUT);
    });
    child.stderr.setEncoding('utf8').on('data', (data: string) => {
      errors = (errors + data).slice(-MOST_ERRORS);
    });
    const end = (result: CommandEnd) => {
      clearTimeout(limit);
      release();
      done(result);
    };
    child.once('error', (error) => end({ error: error.message }));
    child.once('close', (code) => {
      if (late) end({ error: `not done in ${plural(seconds, 'second')}; the worker's --job-seconds sets that time` });
      else end(code === 0 ? { out: text } : { error: errors.trim() || `ended with ${code}` });
    });
  });
}
