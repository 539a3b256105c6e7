// `xennuma console`: the console of a guest on the real host.
import type { Command } from 'commander';
import { attachConsole, findTerminal } from '../../xenopsd/hosts/guest-console.js';
import { connectXenstore } from '../../xenstore/client/connect.js';
import { EXIT } from '../output/exit-codes.js';

interface ConsoleOptions {
  readonly xenstore?: string;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description("Show a running guest's console and send it what is typed. Ctrl-] leaves it; the guest goes on.")
    .argument('<vm>', 'name of the guest, or its domain id')
    .option('--xenstore <path>', 'socket or device of XenStore (found by itself)')
    .addHelpText(
      'after',
      `
Exit codes: 0 left with Ctrl-] or at the end of the input, 1 the guest went,
2 no such guest or no XenStore.

  xennuma console web-1`,
    )
    .action(async (vm: string, options: ConsoleOptions) => answer(await show(vm, options)));
}

async function show(vm: string, options: ConsoleOptions): Promise<number> {
  const xs = await connectXenstore(options.xenstore === undefined ? {} : { path: options.xenstore });
  const terminal = await findTerminal(xs, vm).finally(() => xs.close());
  const { stdin } = process;
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    process.stderr.write(`Console of domain ${terminal.domid}; Ctrl-] leaves it.\n`);
  }
  try {
    const end = await attachConsole(terminal, { input: stdin, output: process.stdout });
    if (end === 'ended') process.stderr.write('The guest went.\n');
    return end === 'detached' ? EXIT.ok : EXIT.no;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
}
