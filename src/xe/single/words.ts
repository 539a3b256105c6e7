// What commands of xe take from their words for a call: objects by uuid, sizes, switches, files
// (cli_operations.ml of xen-api e2ee48d6).
import { asList, NULL_REF } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { parseBool, parseBytes } from '../field.js';
import { flag, required, STANDARD_PARAMS } from '../objects.js';
import type { Run } from '../operations.js';

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
/** As `truth`, where it is not false when it is left out, or must be given. */
export const truthOr = (key: string, initial: boolean | null): Word =>
  keyed(key, initial !== null, (text) => (text === undefined ? initial : parseBool(key, text)));
export const bytes = (key: string): Word => keyed(key, false, (text) => parseBytes(key, text!));
export const integer = (key: string, initial?: number): Word =>
  keyed(key, initial !== undefined, (text) => (text === undefined ? initial : parseNumber(key, text, /^[-+]?\d{1,15}$/, 'an integer')));
export const float = (key: string, initial?: number): Word =>
  keyed(key, initial !== undefined, (text) =>
    text === undefined ? initial : parseNumber(key, text, /^[-+]?\d{1,15}(\.\d*)?$/, 'a floating-point number'),
  );
/** One of these, in any case. */
export const oneOf = (key: string, words: readonly string[], initial?: string): Word =>
  keyed(key, initial !== undefined, (text) => {
    if (text === undefined) return initial;
    const found = words.find((one) => one.toLowerCase() === text.toLowerCase());
    if (found === undefined) throw new XeFailure(`Expected ${key}=${words.join(' or ')}, got ${text}`);
    return found;
  });
/** Separated by commas. */
export const listed = (key: string, initial: readonly string[] | null = []): Word =>
  keyed(key, initial !== null, (text) => text?.split(',') ?? initial);
/** The objects of a class with these uuids. */
export const uuids = (type: string, key: string, optional = true): Word => ({
  ...listed(key, optional ? [] : null),
  of: async ({ context, params }) => {
    const given = optional ? paramOf(params, key) : required(params, key);
    const refs: unknown[] = [];
    for (const one of given?.split(',') ?? []) refs.push(await context.session.call(`${type}.get_by_uuid`, [one]));
    return refs;
  },
});
/** The object of a class with this uuid; none where it is left out. */
export const maybeUuid = (type: string, key: string): Word => ({
  needs: [],
  optional: [key],
  of: ({ context, params }) => {
    const given = paramOf(params, key);
    return given === undefined ? NULL_REF : context.session.call(`${type}.get_by_uuid`, [given]);
  },
});
/** The text of a file of whoever typed the command. @param what it is, for the error */
export const file = (key: string, what: string): Word => ({
  needs: [key],
  optional: [],
  of: (run) => textOfFile(run, required(run.params, key), what),
});
export const maybeFile = (key: string, what: string): Word => ({
  needs: [],
  optional: [key],
  of: (run) => {
    const given = paramOf(run.params, key);
    return given === undefined ? '' : textOfFile(run, given, what);
  },
});
/** The last part of a file's path. */
export const baseName = (key: string): Word => ({ ...word(key), of: ({ params }) => required(params, key).replace(/^.*\//, '') });

function keyed(key: string, optional: boolean, of: (text: string | undefined) => unknown): Word {
  return {
    ...(optional ? { needs: [], optional: [key] } : { needs: [key], optional: [] }),
    of: ({ params }) => of(optional ? paramOf(params, key) : required(params, key)),
  };
}

function parseNumber(key: string, text: string, form: RegExp, what: string): number {
  if (!form.test(text)) throw new XeFailure(`Failed to parse parameter '${key}': expecting ${what}`);
  return Number(text);
}

async function textOfFile({ files }: Run, name: string, what: string): Promise<string> {
  const content = await files.load(name);
  if (content === null) throw new XeFailure(`Failed to read ${what} '${name}'`);
  return content.toString('utf8');
}
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
/** The only pool, which may be named by its uuid. */
export const onlyPool: Word = {
  needs: [],
  optional: ['uuid'],
  of: (run) => {
    const given = paramOf(run.params, 'uuid');
    return given === undefined ? pool.of(run) : run.context.session.call('pool.get_by_uuid', [given]);
  },
};
/** All parameters but these, as a map. @param named for help and completion */
export const others = (but: readonly string[], named: readonly string[]): Word => ({
  needs: [],
  optional: named,
  of: ({ params }) => Object.fromEntries(params.filter(([key]) => !but.includes(key) && !STANDARD_PARAMS.has(key))),
});
/** key=name:value,name:value */
export const colonPairs = (key: string): Word =>
  keyed(key, true, (text) => {
    const parts = (text ?? '').split(',').map((part) => part.split(':'));
    return Object.fromEntries(parts.filter((part) => part.length === 2));
  });
/** Several parameters of a command as one record of the API. */
export const record = (fields: Readonly<Record<string, Word>>): Word => ({
  needs: Object.values(fields).flatMap((each) => each.needs),
  optional: Object.values(fields).flatMap((each) => each.optional),
  of: async (run) => {
    const values: Record<string, unknown> = {};
    for (const [name, each] of Object.entries(fields)) values[name] = await each.of(run);
    return values;
  },
});
