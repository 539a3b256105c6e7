// The table of commands. A command is one entry here and one module that exports `define`; only the module of the command that was
// asked for is loaded. Box of the chart: none.
import type { Command } from 'commander';

export interface CommandModule {
  /** Adds arguments, options, help text and the action; the action returns the exit code through `answer`. */
  define(command: Command, answer: (code: number) => void): void;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Heading in the help. */
  readonly group: string;
  readonly load: () => Promise<CommandModule>;
}

const OTHER = 'Other:';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'xenstored', group: OTHER, summary: 'a XenStore server on a unix socket', load: () => import('./xenstored.js') },
  { name: 'completion', group: OTHER, summary: 'completion for bash, zsh or fish', load: () => import('./completion.js') },
];
