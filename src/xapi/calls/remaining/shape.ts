// A message whose parameters and least role are the data model's.
import type { Database } from '../../model/database.js';
import { DATAMODEL } from '../../model/datamodel.js';
import { CLASSES } from '../../model/schema.js';
import { NULL } from '../../model/schema-types.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { FieldType } from '../../wire/types.js';
import type { Wire } from '../../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from '../method.js';

/** @returns the answer; most messages have none */
// biome-ignore lint/suspicious/noConfusingVoidType: a last call that returns nothing is common
export type Action = (args: readonly Wire[], context: CallContext) => Wire | void;

/** @param full "pool.disable_ha" */
export function modelMessage(database: Database, full: string, action: Action): Method {
  const [type, name] = full.split('.') as [string, string];
  const message = DATAMODEL.get(type)!.messages.get(name)!;
  const params = message.params ?? implicitParams(type, name);
  return {
    name: full,
    params,
    role: message.role === 'read-only' ? 'read-only' : 'admin',
    async: message.async,
    call: (args, context) => {
      params.forEach(({ type: kind }, index) => {
        if (typeof kind === 'object' && 'ref' in kind) assertThere(database, kind.ref, args[index] as string);
      });
      return action(args, context) ?? VOID;
    },
  };
}

/** Of a constructor, a destructor, or a setter of a class that has no records. */
function implicitParams(type: string, name: string): readonly Param[] {
  if (name === 'create') return [{ name: 'args', type: 'record' }];
  const [, verb, field] = /^(set|add_to|remove_from)_(.+)$/.exec(name) ?? [];
  if (verb === undefined) return [selfOf(type)];
  const key: Param = { name: 'key', type: 'string' };
  const kind = DATAMODEL.get(type)!.fields[field!]!.type;
  if (verb === 'set') return [selfOf(type), { name: 'value', type: kind }];
  if (verb === 'remove_from') return [selfOf(type), key];
  return [selfOf(type), key, { name: 'value', type: (kind as { readonly map: FieldType }).map }];
}

/** @throws XapiError HANDLE_INVALID; no reference at all may be given where one is not needed */
function assertThere(database: Database, type: string, ref: string): void {
  if (ref !== NULL && CLASSES.has(type)) database.get(type, ref);
}

/** An action that always fails with a code of xapi's. */
export function fails(code: string, ...params: readonly string[]): Action {
  return () => {
    throw new XapiError(code, ...params);
  };
}

/** @throws XapiError NOT_IMPLEMENTED: a success would claim something that did not happen */
export const refuses = (full: string): Action => {
  return () => {
    throw xapiErrors.notImplemented(full);
  };
};

/** Nothing has to be done, and a host of xapi's does nothing either. */
export const nothing: Action = () => {};
