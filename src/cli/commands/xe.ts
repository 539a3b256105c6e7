// `xennuma xe`: xe's commands against xennuma serve and any XAPI host. Its arguments are xe's own,
// so they bypass commander.
import type { Command } from 'commander';
import { DEFAULT_PORT } from '../../xapi/http/default-port.js';
import { runXe } from '../../xe/run.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description("Run xe's commands, with its syntax, output and exit codes, against xennuma serve or any XAPI host.")
    .usage('COMMAND [key=value ...] [-s HOST] [-u USER] [-pwf FILE]')
    .argument('[words...]')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 anything else, as xe does.

  xennuma xe vm-list
  xennuma xe vm-param-set uuid=UUID VCPUs-params:mask=1,2,3
  xennuma xe host-param-set uuid=UUID numa-affinity-policy=best_effort
  xennuma xe vm-start vm=web -s xcp-1 -u root -pwf password.txt
  xennuma xe help --all`,
    )
    .action(async (words: readonly string[]) => answer(await xe(words)));
}

/** @param words everything after `xe`, unchanged. @returns xe's exit code */
export function xe(words: readonly string[]): Promise<number> {
  const out = (text: string): void => void process.stdout.write(text);
  const error = (text: string): void => void process.stderr.write(text);
  return runXe(words, process.env, { out, error }, DEFAULT_PORT);
}
