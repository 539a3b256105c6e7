// The command `xennuma`: finds the subcommand, loads only its module, and turns every error into
// one line and an exit code.
import { reportFailure } from './output/failure.js';
import { guardPipes } from './output/terminal.js';
import { VERSION } from './output/version.js';

export async function main(words: readonly string[]): Promise<number> {
  guardPipes();
  try {
    if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) {
      process.stdout.write(`${VERSION}\n`);
      return 0;
    }
    // xe has its own syntax, which commander does not parse: -pw, key=value, --minimal.
    if (words[0] === 'xe') return await (await import('./commands/xe.js')).xe(words.slice(1));
    const { runProgram } = await import('./program.js');
    return await runProgram(withPasswordFile(words));
  } catch (error) {
    return reportFailure(error, words);
  }
}

/** xe's name for a password file, which commander would read as -p wf. */
function withPasswordFile(words: readonly string[]): string[] {
  return words.map((word) => (word === '-pwf' ? '--pwf' : word));
}
