// `xennuma console`: the console of a guest on the real host.

import type { Command } from 'commander';
import { InputError, UnreachableError } from '../../base/errors.js';
import { attachConsole, findTerminal } from '../../xenopsd/hosts/guest-console.js';
import { ANSWER_MS, connectXenstore } from '../../xenstore/client/connect.js';
import { EXIT } from '../output/exit-codes.js';

interface ConsoleOptions {
  readonly xenstore?: string;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description("Attach to a running guest's console. Ctrl-] detaches; the guest keeps running.")
    .argument('<vm>', 'name of the guest, or its domain ID')
    .option('--xenstore <path>', 'socket or device of XenStore (default: the usual places)')
    .addHelpText(
      'after',
      `
Exit codes: 0 detached with Ctrl-] or at the end of the input, 1 the guest
ended, 2 no such guest, 3 no Xen or XenStore here.

  xennuma console web-1`,
    )
    .action(async (vm: string, options: ConsoleOptions) => answer(await show(vm, options)));
}

async function show(vm: string, options: ConsoleOptions): Promise<number> {
  const xs = await connectXenstore({ answerMs: ANSWER_MS, ...(options.xenstore === undefined ? {} : { path: options.xenstore }) }).catch(
    unreachable,
  );
  const terminal = await findTerminal(xs, vm).finally(() => xs.close());
  const { stdin } = process;
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    process.stderr.write(`Console of domain ${terminal.domid}; Ctrl-] detaches.\n`);
  }
  try {
    const end = await attachConsole(terminal, { input: stdin, output: process.stdout });
    if (end === 'ended') process.stderr.write('The guest ended.\n');
    return end === 'detached' ? EXIT.ok : EXIT.no;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
}

/** No XenStore: this is not a control domain, or the user has no permission there. */
function unreachable(error: unknown): never {
  if (!(error instanceof InputError)) throw error;
  const { message, place, mend } = error;
  throw new UnreachableError(
    place.file === undefined ? message : `${place.file}: ${message}`,
    mend === '' ? 'see docs/real-host.md' : mend,
  );
}
