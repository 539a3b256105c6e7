// Commands of xe that are one call (cli_operations.ml of xen-api e2ee48d6).
import type { XeCommand } from '../command.js';
import { XeFailure } from '../failures.js';
import { forHosts } from '../host-commands.js';
import { flag } from '../objects.js';
import { forVms, type Run } from '../operations.js';
import { type Print, silent } from './prints.js';
import type { Word } from './words.js';

export type Named = readonly [string, XeCommand];

const named = (words: readonly Word[]) => ({
  needs: words.flatMap((each) => each.needs),
  optional: words.flatMap((each) => each.optional),
});

async function valuesOf(run: Run, words: readonly Word[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const each of words) values.push(await each.of(run));
  return values;
}

/** Keys of maps end in a colon, which those of a selection do not. */
const selectNothing = (words: readonly Word[]): string[] =>
  words.flatMap((each) => [...each.needs, ...each.optional]).map((key) => key.replace(/:$/, ''));

interface OnHosts {
  readonly print?: Print;
  /** Several at a time, with --multiple. */
  readonly several?: boolean;
  /** The host is the call's last parameter. */
  readonly last?: boolean;
}

/** The same call for each of the hosts that the command line selects. */
export function onHosts(name: string, help: string, method: string, words: readonly Word[] = [], how: OnHosts = {}): Named {
  const { print = silent, several = true, last = false } = how;
  const { needs, optional } = named(words);
  const run = (one: Run): Promise<void> =>
    forHosts(
      one,
      selectNothing(words),
      async ({ ref }) => {
        const values = await valuesOf(one, words);
        await print(one, await one.context.session.call(method, last ? [...values, ref] : [ref, ...values]));
      },
      several,
    );
  return [name, { required: needs, optional: [...optional, 'host'], help, run }];
}

/** The same call for each of the VMs that the command line selects. */
export function onVms(
  name: string,
  help: string,
  method: string,
  words: readonly Word[] = [],
  print: Print = silent,
  controlDomains = false,
): Named {
  const { needs, optional } = named(words);
  const run = (one: Run): Promise<void> =>
    forVms(
      one,
      async ({ ref }) => {
        await print(one, await one.context.session.call(method, [ref, ...(await valuesOf(one, words))]));
      },
      { ignored: selectNothing(words), controlDomains },
    );
  return [name, { required: needs, optional, help, selectsVms: true, run }];
}

/** @param ask what xe asks before; --force is the answer */
export function oneCall(name: string, help: string, method: string, words: readonly Word[], print: Print = silent, ask?: string): Named {
  const run = async (one: Run): Promise<void> => {
    if (ask !== undefined && !flag(one.params, 'force')) throw new XeFailure(`${ask} Then give --force.`);
    await print(one, await one.context.session.call(method, await valuesOf(one, words)));
  };
  const { needs, optional } = named(words);
  return [name, { required: needs, optional: [...optional, ...(ask === undefined ? [] : ['force'])], help, run }];
}

/** The one host that the command line selects. @param ignored words that select nothing */
export const selectedHost = (...ignored: readonly string[]): Word => ({
  needs: [],
  optional: ['host'],
  of: async (run) => {
    let found = '';
    await forHosts(run, ignored, ({ ref }) => {
      found = ref;
      return Promise.resolve();
    });
    return found;
  },
});
