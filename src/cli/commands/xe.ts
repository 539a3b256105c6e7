// `xennuma xe`: the xe that people know, against xennuma serve and any XAPI host. Its words are xe's own and go around commander.
// Box of the chart: where the chart begins.
import type { Command } from 'commander';
import { DEFAULT_PORT } from '../../xapi/http/default-port.js';
import { runXe } from '../../xe/run.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description("The xe that people know: xe's syntax, output and exit codes, against xennuma serve or any XAPI host.")
    .usage('COMMAND [key=value ...] [-s HOST] [-u USER] [-pwf FILE]')
    .argument('[words...]')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 anything else, as xe has it.

  xennuma xe vm-list
  xennuma xe vm-param-set uuid=UUID VCPUs-params:mask=1,2,3
  xennuma xe host-param-set uuid=UUID numa-affinity-policy=best_effort
  xennuma xe vm-start vm=web -s xcp-1 -u root -pwf password.txt
  xennuma xe help --all`,
    )
    .action(async (words: readonly string[]) => answer(await xe(words)));
}

/** @param words all after `xe`, untouched. @returns xe's exit code */
export function xe(words: readonly string[]): Promise<number> {
  const out = (text: string): void => void process.stdout.write(text);
  const error = (text: string): void => void process.stderr.write(text);
  return runXe(words, process.env, { out, error }, DEFAULT_PORT);
}
