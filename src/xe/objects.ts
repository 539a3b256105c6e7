// The commands of xe that every class has: list and filter, and param-list, -get, -set, -add,
// -remove, -clear (make_param_funs in xapi-cli-server/cli_operations.ml of xen-api e2ee48d6).
import { XapiError } from '../xapi-client/errors.js';
import { asRecord, asText, type Json } from '../xapi-client/values.js';
import { type Param, paramOf } from './command-line.js';
import { NOT_IN_DATABASE, type XeContext } from './context.js';
import { XeFailure, XeMissingParameter, XeUsageFailure } from './failures.js';
import { type Entries, type Field, parseBool, type XeClass, type XeObject } from './field.js';
import type { Printer, ShownField } from './print.js';

/** Words that every command takes and that are no field (stdparams). */
export const STANDARD_PARAMS = new Set([
  'server',
  'password',
  'port',
  'username',
  'minimal',
  'force',
  'multiple',
  'all',
  'message-priority',
  'trace',
]);
/** Records of so many objects are made at a time: the connections are few. */
const AT_ONCE = 64;

/** The fields of a class that an object of this host has. */
export function fieldsOf(xeClass: XeClass, record: Json): readonly Field[] {
  return xeClass.fields.filter((field) => field.key in record);
}

export function lookUp(fields: readonly Field[], name: string): Field {
  const found = fields.find((field) => field.name === name);
  if (found === undefined) throw new XeMissingParameter(name);
  return found;
}

/** The value as xe shows it; a reference that has just gone is no error. */
export async function shownValue(field: Field, object: XeObject): Promise<string> {
  try {
    return await field.get(object);
  } catch (error) {
    if (error instanceof XapiError && error.code === 'HANDLE_INVALID') return '<invalid reference>';
    // A host that does not have every call of xapi's is still listed.
    if (error instanceof XapiError && error.code === 'MESSAGE_METHOD_UNKNOWN') return NOT_IN_DATABASE;
    throw error;
  }
}

/**
 * A field named by an argument such as other-config:key, or other-config-key in the older form.
 */
export interface FieldPart {
  readonly kind: 'whole' | 'map' | 'set';
  readonly field: Field;
  /** Key of the map; "contains" for a set. */
  readonly part: string;
}

export function partOf(fields: readonly Field[], word: string): FieldPart {
  const whole = fields.find((field) => field.name === word);
  if (whole !== undefined) return { kind: 'whole', field: whole, part: '' };
  const colon = word.indexOf(':');
  if (colon >= 0) {
    const field = fields.find(({ name }) => name === word.slice(0, colon));
    if (field === undefined) throw new XeFailure(`Unknown field '${word}'`);
    if (field.getSet !== undefined) return { kind: 'set', field, part: word.slice(colon + 1) };
    if (field.getMap !== undefined) return { kind: 'map', field, part: word.slice(colon + 1) };
    throw new XeFailure(`Field '${field.name}' is not a set or map`);
  }
  for (const kind of ['map', 'set'] as const) {
    const fitting = fields.filter(
      (field) => (kind === 'map' ? field.getMap : field.getSet) !== undefined && word.startsWith(`${field.name}-`),
    );
    const longest = fitting.sort((a, b) => b.name.length - a.name.length)[0];
    if (longest !== undefined) return { kind, field: longest, part: word.slice(longest.name.length + 1) };
  }
  throw new XeFailure(`Unknown field '${word}'`);
}

/** Those of the objects that fit one word of the command line. */
export async function filterBy(xeClass: XeClass, objects: readonly XeObject[], [word, value]: Param): Promise<XeObject[]> {
  const first = objects[0];
  if (first === undefined) return [];
  const { kind, field, part } = partOf(fieldsOf(xeClass, first.record), word);
  if (kind === 'set' && part !== 'contains') {
    throw new XeFailure('Invalid syntax for set filtering (should be set-param:contains=key)');
  }
  const fits = await inTurns(objects, async (object) => {
    if (kind === 'set') return (await field.getSet!(object)).includes(value);
    if (kind === 'map') return (await field.getMap!(object)).some(([key, item]) => key === part && item === value);
    return (await shownValue(field, object)) === value;
  });
  return objects.filter((_, index) => fits[index]);
}

export async function filterByAll(xeClass: XeClass, objects: readonly XeObject[], words: readonly Param[]): Promise<readonly XeObject[]> {
  let left = objects;
  for (const word of words) left = await filterBy(xeClass, left, word);
  return left;
}

export async function allObjects(context: XeContext, xeClass: XeClass): Promise<XeObject[]> {
  const records = await context.session.records(xeClass.apiClass).catch((error: unknown) => {
    // A host of another version may lack a class, and so has no objects of it.
    if (error instanceof XapiError && error.code === 'MESSAGE_METHOD_UNKNOWN') return new Map<string, Json>();
    throw error;
  });
  return [...records].map(([ref, record]) => ({ context, apiClass: xeClass.apiClass, ref, record }));
}

async function objectOf(context: XeContext, xeClass: XeClass, params: readonly Param[]): Promise<XeObject> {
  const { apiClass } = xeClass;
  const ref = asText(await context.session.call(`${apiClass}.get_by_uuid`, [required(params, 'uuid')]));
  return { context, apiClass, ref, record: asRecord(await context.session.call(`${apiClass}.get_record`, [ref])) };
}

/** @throws XeUsageFailure when it is not there */
export function required(params: readonly Param[], key: string): string {
  const value = paramOf(params, key);
  if (value === undefined) throw new XeUsageFailure(`Required parameter not found: ${key}`);
  return value;
}

export function flag(params: readonly Param[], key: string): boolean {
  const value = paramOf(params, key);
  return value === undefined ? false : parseBool(key, value);
}

export async function list(context: XeContext, xeClass: XeClass, params: readonly Param[], printer: Printer): Promise<void> {
  const all = await allObjects(context, xeClass);
  const words = [...xeClass.filters, ...params.filter(([key]) => key !== 'params' && !STANDARD_PARAMS.has(key))];
  const fitting = await filterByAll(xeClass, all, words);
  const selection = paramOf(params, 'params');
  const named = selection === 'all' ? null : selection?.split(',');
  const wanted = named === undefined ? xeClass.listed : named;
  const objects = flag(params, 'all') ? all : fitting;
  printer.table(await shownObjects(xeClass, objects, wanted));
}

/** @param wanted names of fields; null = all */
export function shownObjects(xeClass: XeClass, objects: readonly XeObject[], wanted: readonly string[] | null): Promise<ShownField[][]> {
  return inTurns(objects, (object) => {
    const fields = fieldsOf(xeClass, object.record).filter((field) => !field.hidden && (wanted === null || wanted.includes(field.name)));
    return Promise.all(fields.map((field) => show(field.expensive ? { ...field, get: () => '<expensive field>' } : field, object)));
  });
}

export async function paramList(context: XeContext, xeClass: XeClass, params: readonly Param[], printer: Printer): Promise<void> {
  const object = await objectOf(context, xeClass, params);
  const fields = fieldsOf(xeClass, object.record).filter((field) => !field.hidden);
  printer.table([await Promise.all(fields.map((field) => show(field, object)))]);
}

export async function paramGet(context: XeContext, xeClass: XeClass, params: readonly Param[], printer: Printer): Promise<void> {
  const name = required(params, 'param-name');
  const object = await objectOf(context, xeClass, params);
  const field = lookUp(fieldsOf(xeClass, object.record), name);
  const key = paramOf(params, 'param-key');
  if (key === undefined || field.getMap === undefined) {
    printer.list([await shownValue(field, object)]);
    return;
  }
  const found = (await field.getMap(object)).find(([one]) => one === key);
  if (found === undefined) throw new XeFailure(`Key ${key} not found in map`);
  printer.list([found[1]]);
}

export async function paramSet(context: XeContext, xeClass: XeClass, params: readonly Param[]): Promise<void> {
  const object = await objectOf(context, xeClass, params);
  const fields = fieldsOf(xeClass, object.record);
  for (const [word, value] of params) {
    if (word !== 'uuid' && !STANDARD_PARAMS.has(word)) await setOne(fields, object, word, value);
  }
}

async function setOne(fields: readonly Field[], object: XeObject, word: string, value: string): Promise<void> {
  const { kind, field, part } = partOf(fields, word);
  if (kind === 'set') throw new XeFailure('Cannot param-set on set fields');
  if (kind === 'whole') {
    if (field.set !== undefined) await field.set(object, value);
    else if (field.addToMap !== undefined) {
      throw new XeFailure(`Field '${word}' is a map or set. use the 'name:key=value' syntax.`);
    } else throw new XeFailure(`Field '${word}' is read-only.`);
    return;
  }
  if (field.setInMap !== undefined) {
    await field.setInMap(object, part, value);
    return;
  }
  if (field.addToMap === undefined || field.removeFromMap === undefined) throw new XeFailure(`Map field '${field.name}' is read-only.`);
  // As xe does it, in two calls: between them the key is absent.
  if ((await field.getMap!(object)).some(([key]) => key === part)) await field.removeFromMap(object, part);
  await field.addToMap(object, part, value);
}

export async function paramAdd(context: XeContext, xeClass: XeClass, params: readonly Param[]): Promise<void> {
  const name = required(params, 'param-name');
  const object = await objectOf(context, xeClass, params);
  const field = lookUp(fieldsOf(xeClass, object.record), name);
  const key = paramOf(params, 'param-key');
  if (field.addToSet !== undefined) {
    if (key === undefined) {
      throw new XeFailure('When adding a key to a set, use the syntax: *-param-add param-name=<name> param-key=<key>');
    }
    await field.addToSet(object, key);
  } else if (field.addToMap !== undefined) {
    const own = new Set(['uuid', 'param-name', 'param-key', ...STANDARD_PARAMS]);
    for (const [item, value] of params) if (!own.has(item)) await field.addToMap(object, item, value);
  } else if (field.getSet !== undefined || field.getMap !== undefined) throw new XeFailure('Parameter is read-only');
  else throw new XeFailure('Can only add to parameters of type Set or Map');
}

export async function paramRemove(context: XeContext, xeClass: XeClass, params: readonly Param[]): Promise<void> {
  const name = required(params, 'param-name');
  const key = required(params, 'param-key');
  const object = await objectOf(context, xeClass, params);
  const field = lookUp(fieldsOf(xeClass, object.record), name);
  if (field.getSet !== undefined && field.removeFromSet !== undefined) {
    if (!(await field.getSet(object)).includes(key)) throw new XeFailure(`Key ${key} is not in the set`);
    await field.removeFromSet(object, key);
  } else if (field.getMap !== undefined && field.removeFromMap !== undefined) {
    if (!(await field.getMap(object)).some(([one]) => one === key)) throw new XeFailure(`Key ${key} is not in map`);
    await field.removeFromMap(object, key);
  } else if (field.getSet !== undefined || field.getMap !== undefined) {
    throw new XeFailure('Cannot remove parameters from read-only map');
  } else throw new XeFailure('Can only remove from parameters of type Set or Map');
}

export async function paramClear(context: XeContext, xeClass: XeClass, params: readonly Param[]): Promise<void> {
  const name = required(params, 'param-name');
  const object = await objectOf(context, xeClass, params);
  const field = lookUp(fieldsOf(xeClass, object.record), name);
  if (field.getSet !== undefined && field.removeFromSet !== undefined) {
    for (const item of await field.getSet(object)) await field.removeFromSet(object, item);
  } else if (field.clearMap !== undefined) await field.clearMap(object);
  else if (field.getMap !== undefined && field.removeFromMap !== undefined) {
    for (const [key] of await field.getMap(object)) await field.removeFromMap(object, key);
  } else if (field.set !== undefined) {
    try {
      await field.set(object, '');
    } catch {
      throw new XeFailure('Cannot clear this parameter');
    }
  } else throw new XeFailure('Can only clear RW parameters');
}

/** ( RO), (MRW) and their like: what the field is and whether xe changes it. */
export function markOf(field: Field): string {
  return ` (${rightsOf(field)})${field.deprecated ? ' [DEPRECATED]' : ''}`;
}

function rightsOf({ getSet, addToSet, getMap, addToMap, set }: Field): string {
  if (getSet !== undefined) return addToSet === undefined ? 'SRO' : 'SRW';
  if (getMap !== undefined) return addToMap === undefined ? 'MRO' : 'MRW';
  return set === undefined ? ' RO' : ' RW';
}

async function show(field: Field, object: XeObject): Promise<ShownField> {
  const value = await shownValue(field, object);
  const structured = async (): Promise<unknown> => {
    if (field.expensive) return value;
    if (field.getMap !== undefined) return Object.fromEntries((await field.getMap(object)) as Entries);
    return field.getSet === undefined ? value : field.getSet(object);
  };
  return { name: field.name, mark: markOf(field), value, json: await structured() };
}

/** A bounded number side by side; answers in the order of the items. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  return results;
}
