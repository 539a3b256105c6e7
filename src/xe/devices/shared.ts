// What the commands of xe on storage and networks have in common.
import { asText, NULL_REF } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { paramOf } from '../command-line.js';
import { required } from '../objects.js';
import type { Run } from '../operations.js';

export type Named = readonly [string, XeCommand];

export const refOf = async ({ context, params }: Run, type: string, key = 'uuid'): Promise<string> =>
  asText(await context.session.call(`${type}.get_by_uuid`, [required(params, key)]));
/** NULL where the parameter is not given. */
export const optionalRef = (run: Run, type: string, key: string): Promise<string> =>
  paramOf(run.params, key) === undefined ? Promise.resolve(NULL_REF) : refOf(run, type, key);
export const printUuid = async ({ context, printer }: Run, type: string, ref: unknown): Promise<void> =>
  printer.list([asText(await context.session.call(`${type}.get_uuid`, [ref]))]);
/** device-config:key=value */
export const mapParam = ({ params }: Run, name: string): Record<string, string> =>
  Object.fromEntries(params.filter(([key]) => key.startsWith(`${name}:`)).map(([key, value]) => [key.slice(name.length + 1), value]));

export function command(
  name: string,
  needs: readonly string[],
  optional: readonly string[],
  help: string,
  run: (run: Run) => Promise<void>,
): Named {
  return [name, { required: needs, optional, help, run }];
}

/** A message on one object, by its uuid. */
export function simple(name: string, type: string, message: string, help: string): Named {
  return command(name, ['uuid'], [], help, async (run) => {
    await run.context.session.call(`${type}.${message}`, [await refOf(run, type)]);
  });
}
