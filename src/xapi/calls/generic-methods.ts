// The messages that every class has by its table of fields: getters, setters, add_to_ and
// remove_from_, and those that list and find. Names and errors as ocaml/idl/datamodel_utils.ml of
// xen-api makes them.
import type { Database } from '../model/database.js';
import type { ClassDef, FieldDef } from '../model/schema-types.js';
import { xapiErrors } from '../wire/errors.js';
import type { FieldType } from '../wire/types.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { search } from './lists/search.js';
import { type CallContext, type Method, selfOf, VOID } from './method.js';
import type { Turns } from './turns.js';

/** Called when a field was set, with the object's ref; throws XapiError to refuse. */
export type SetHook = (ref: string, field: string, value: Wire) => void;

export interface GenericHooks {
  /** Before the change: may refuse it. */
  readonly check?: SetHook;
  /** After it. */
  readonly changed?: SetHook;
}

export function genericMethods(database: Database, type: ClassDef, turns: Turns, hooks: GenericHooks = {}): Method[] {
  const methods: Method[] = listing(database, type, turns);
  for (const [name, field] of Object.entries(type.fields)) {
    methods.push({
      name: `${type.name}.get_${name}`,
      params: [selfOf(type)],
      role: 'read-only',
      async: false,
      call: ([ref]) => database.published.get(type.name, ref as string)[name]!,
    });
    if (field.access === 'rw') methods.push(...setters(database, type, name, field, hooks));
  }
  return methods;
}

function listing({ published }: Database, type: ClassDef, turns: Turns): Method[] {
  const read = (name: string, params: Method['params'], call: Method['call']): Method => ({
    name: `${type.name}.${name}`,
    params,
    role: 'read-only',
    async: false,
    call,
  });
  const where = async (text: Wire, context: CallContext): Promise<[string, WireStruct][]> =>
    search(text as string, published.records(type.name), turns, context);
  const asMap = (records: Iterable<[string, WireStruct]>): Wire => {
    const all = newStruct();
    for (const [ref, record] of records) all[ref] = record;
    return all;
  };
  const methods = [
    read('get_all', [], () => published.refs(type.name)),
    read('get_all_where', [{ name: 'expr', type: 'string' }], async ([text], context) => (await where(text!, context)).map(([ref]) => ref)),
    read('get_all_records', [], () => published.map(type.name)),
    read('get_all_records_where', [{ name: 'expr', type: 'string' }], async ([text], context) => asMap(await where(text!, context))),
    read('get_record', [selfOf(type)], ([ref]) => published.get(type.name, ref as string)),
    read('get_by_uuid', [{ name: 'uuid', type: 'string' }], ([uuid]) => published.refOfUuid(type.name, uuid as string)),
  ];
  if (type.fields.name_label !== undefined) {
    methods.push(
      read('get_by_name_label', [{ name: 'label', type: 'string' }], ([label]) =>
        [...published.records(type.name)].filter(([, { name_label }]) => name_label === label).map(([ref]) => ref),
      ),
    );
  }
  return methods;
}

function setters(database: Database, type: ClassDef, name: string, field: FieldDef, hooks: GenericHooks): Method[] {
  const put = (ref: string, value: Wire): Wire => {
    hooks.check?.(ref, name, value);
    database.update(type.name, ref, { [name]: value });
    hooks.changed?.(ref, name, value);
    return VOID;
  };
  const write = (verb: string, params: Method['params'], call: Method['call']): Method => ({
    name: `${type.name}.${verb}_${name}`,
    params: [selfOf(type), ...params],
    role: 'admin',
    async: false,
    call,
  });
  const old = (ref: Wire): Wire => database.get(type.name, ref as string)[name]!;
  const methods = [write('set', [{ name: 'value', type: field.type }], ([ref, value]) => put(ref as string, value!))];
  if (typeof field.type === 'string') return methods;
  if ('map' in field.type) methods.push(...mapSetters(database, type, name, field.type.map, write, old, put));
  if ('set' in field.type) {
    const member = [{ name: 'value', type: field.type.set }];
    methods.push(
      write('add', member, ([ref, value]) => {
        const members = old(ref!) as readonly Wire[];
        return members.includes(value!) ? VOID : put(ref as string, [...members, value!]);
      }),
      write('remove', member, ([ref, value]) =>
        put(
          ref as string,
          (old(ref!) as readonly Wire[]).filter((one) => one !== value),
        ),
      ),
    );
  }
  return methods;
}

function mapSetters(
  database: Database,
  type: ClassDef,
  name: string,
  valueType: FieldType,
  write: (verb: string, params: Method['params'], call: Method['call']) => Method,
  old: (ref: Wire) => Wire,
  put: (ref: string, value: Wire) => Wire,
): Method[] {
  const key = { name: 'key', type: 'string' } as const;
  return [
    write('add_to', [key, { name: 'value', type: valueType }], ([ref, newKey, value]) => {
      const entries = old(ref!) as WireStruct;
      if (Object.hasOwn(entries, newKey as string)) {
        throw xapiErrors.mapDuplicateKey(type.name, name, String(database.get(type.name, ref as string).uuid), newKey as string);
      }
      return put(ref as string, Object.freeze(Object.assign(newStruct(), entries, single(newKey as string, value!))));
    }),
    // An absent key is no error.
    write('remove_from', [key], ([ref, goneKey]) => {
      const entries = Object.assign(newStruct(), old(ref!) as WireStruct);
      if (!Object.hasOwn(entries, goneKey as string)) return VOID;
      delete entries[goneKey as string];
      return put(ref as string, Object.freeze(entries));
    }),
  ];
}

function single(key: string, value: Wire): WireStruct {
  const struct = newStruct();
  struct[key] = value;
  return struct;
}
