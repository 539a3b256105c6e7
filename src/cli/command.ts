// The interface of a command: a module that describes itself to commander, and is loaded only when
// it is called.
import type { Command } from 'commander';

export interface CommandModule {
  /**
   * Adds arguments, options, help text and the action.
   * @param answer takes the exit code
   * @param everyCommand loads all commands with their options, for completion
   */
  define(command: Command, answer: (code: number) => void, everyCommand: () => Promise<readonly Command[]>): void;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Heading in the help. */
  readonly group: string;
  readonly load: () => Promise<CommandModule>;
}
