// Options that exclude each other. Only options given by the user count, not defaults.
import type { Command } from 'commander';
import { InputError } from '../../base/errors.js';

/** Names of options as typed: "--pool-host". */
function firstSet(command: Command, flags: readonly string[]): string | undefined {
  return flags.find((flag) => {
    const option = command.options.find(({ long }) => long === flag);
    return option !== undefined && command.getOptionValueSource(option.attributeName()) === 'cli';
  });
}

/** @throws InputError when one of `others` is given beside `flag` */
export function refuseTogether(command: Command, flag: string, others: readonly string[]): void {
  const other = firstSet(command, others);
  if (other !== undefined) throw new InputError(`expected ${flag} or ${other}, got both`, {}, 'leave one of them out');
}

/** @throws InputError when one of `others` is given without `flag` */
export function refuseWithout(command: Command, flag: string, others: readonly string[]): void {
  const other = firstSet(command, others);
  if (other !== undefined) throw new InputError(`${other} needs ${flag}`, {}, `give ${flag}, or leave ${other} out`);
}

/** Options for --pool only. */
export const POOL_ONLY = ['--user', '--pwf', '--ca', '--insecure', '--pool-host', '--ssh'] as const;
