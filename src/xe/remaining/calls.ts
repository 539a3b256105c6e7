// Commands of xe that are one call: the words that become its parameters, and how its answer is
// printed (cli_operations.ml of xen-api e2ee48d6).
import { asList, asRecord, asText } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { flag, required } from '../objects.js';
import type { Run } from '../operations.js';

export type Named = readonly [string, XeCommand];

/** A parameter of the call. */
export interface Word {
  /** Words of the command line that it takes. */
  readonly needs: readonly string[];
  readonly optional: readonly string[];
  of(run: Run): unknown;
}

/** The object of a class with this uuid. */
export const uuid = (type: string, key = 'uuid'): Word => ({
  needs: [key],
  optional: [],
  of: ({ context, params }) => context.session.call(`${type}.get_by_uuid`, [required(params, key)]),
});
export const word = (key: string): Word => ({ needs: [key], optional: [], of: ({ params }) => required(params, key) });
export const maybe = (key: string, initial = ''): Word => ({
  needs: [],
  optional: [key],
  of: ({ params }) => paramOf(params, key) ?? initial,
});
export const truth = (key: string): Word => ({ needs: [], optional: [key], of: ({ params }) => flag(params, key) });
/** key:name=value, as often as there are names. */
export const pairs = (key: string): Word => ({
  needs: [],
  optional: [`${key}:`],
  of: ({ params }) =>
    Object.fromEntries(params.filter(([name]) => name.startsWith(`${key}:`)).map(([name, value]) => [name.slice(key.length + 1), value])),
});
export const constant = (value: unknown): Word => ({ needs: [], optional: [], of: () => value });
/** The only pool. */
export const pool: Word = { needs: [], optional: [], of: async ({ context }) => asList(await context.session.call('pool.get_all', []))[0] };
/** The host of a uuid; without one the pool's coordinator. */
export const hostOrOwn = (key: string): Word => ({
  needs: [],
  optional: [key],
  of: async (run) => {
    const given = paramOf(run.params, key);
    if (given !== undefined) return run.context.session.call('host.get_by_uuid', [given]);
    return run.context.session.call('pool.get_master', [await pool.of(run)]);
  },
});

type Print = (run: Run, answer: unknown) => unknown;
export const asLine: Print = ({ printer }, answer) => printer.list([String(answer)]);
export const asLines: Print = ({ printer }, answer) => printer.list(asList(answer).map(String));
/** The uuid of a new object. */
export const asUuidOf =
  (type: string): Print =>
  async ({ context, printer }, answer) =>
    printer.list([asText(await context.session.call(`${type}.get_uuid`, [answer]))]);
/** A map as a record of fields. */
export const asFields: Print = ({ printer }, answer) =>
  printer.table([Object.entries(asRecord(answer)).map(([name, value]) => ({ name, mark: ' ( RO)', value: String(value), json: value }))]);
const silent: Print = () => {};

/** @param ask what xe asks before; --force is the answer */
export function oneCall(name: string, help: string, method: string, words: readonly Word[], print: Print = silent, ask?: string): Named {
  const run = async (one: Run): Promise<void> => {
    if (ask !== undefined && !flag(one.params, 'force')) throw new XeFailure(`${ask} Then give --force.`);
    const values: unknown[] = [];
    for (const each of words) values.push(await each.of(one));
    await print(one, await one.context.session.call(method, values));
  };
  const optional = [...words.flatMap((each) => each.optional), ...(ask === undefined ? [] : ['force'])];
  return [name, { required: words.flatMap((each) => each.needs), optional, help, run }];
}
