// XAPI's data model as ocaml/idl of xen-api has it (May 2024): the classes, fields and messages of
// datamodel.json, which scripts/make-datamodel.mjs writes.
import type { FieldType } from '../wire/types.js';
import type { Wire } from '../wire/values.js';
import table from './datamodel.json' with { type: 'json' };
import { type Access, type ClassDef, type FieldDef, field } from './schema-types.js';

/** A type as the table has it: an enum by its name. */
type TableType = string | { readonly enum: string } | { readonly ref: string } | { readonly set: TableType } | { readonly map: TableType };
interface TableClass {
  readonly fields: Readonly<Record<string, readonly [Access, TableType]>>;
  readonly messages: Readonly<Record<string, readonly [string | null, (readonly (readonly [string, TableType, Wire?])[])?]>>;
  readonly removed: readonly string[];
  readonly sync: readonly string[];
}

export interface ModelMessage {
  /** The least role that may send it; null = the local superuser alone. */
  readonly role: string | null;
  /**
   * After the session; null = a getter, setter or the like, whose parameters follow from the class.
   */
  readonly params: readonly ModelParam[] | null;
  /** No longer there: MESSAGE_REMOVED. */
  readonly removed: boolean;
  /** Has an Async form. */
  readonly async: boolean;
}

export interface ModelParam {
  readonly name: string;
  readonly type: FieldType;
  /** The value where a caller leaves it out; only the last ones may be left out. */
  readonly initial?: Wire;
}

export interface ModelClass {
  readonly name: string;
  readonly fields: Readonly<Record<string, FieldDef>>;
  readonly messages: ReadonlyMap<string, ModelMessage>;
}

const ENUMS: Readonly<Record<string, readonly string[]>> = table.enums;

function typeOf(type: TableType): FieldType {
  if (typeof type === 'string') return type as FieldType;
  if ('enum' in type) return { enum: ENUMS[type.enum]! };
  if ('set' in type) return { set: typeOf(type.set) };
  if ('map' in type) return { map: typeOf(type.map) };
  return type;
}

function paramOf([name, type, initial]: readonly [string, TableType, Wire?]): ModelParam {
  return { name, type: typeOf(type), ...(initial === undefined ? {} : { initial }) };
}

/** Messages that follow from a class (ocaml/idl/ocaml_backend/gen_client.ml, has_async). */
const IMPLICIT_ASYNC = ['create', 'destroy'];

function modelClass(name: string, { fields, messages, removed, sync }: TableClass): ModelClass {
  return {
    name,
    fields: Object.fromEntries(Object.entries(fields).map(([one, [access, type]]) => [one, field(access, typeOf(type))])),
    messages: new Map(
      Object.entries(messages).map(([message, [role, params]]) => [
        message,
        {
          role,
          params: params?.map(paramOf) ?? null,
          removed: removed.includes(message),
          async: params === undefined ? IMPLICIT_ASYNC.includes(message) : !sync.includes(message),
        },
      ]),
    ),
  };
}

export const DATAMODEL: ReadonlyMap<string, ModelClass> = new Map(
  Object.entries(table.classes as unknown as Readonly<Record<string, TableClass>>).map(([name, one]) => [name, modelClass(name, one)]),
);

/** A class with the fields of the data model that it lacks, at their types' defaults. */
export function withAllFields(known: ClassDef): ClassDef {
  const missing = Object.entries(DATAMODEL.get(known.name)?.fields ?? {}).filter(([name]) => known.fields[name] === undefined);
  return { ...known, fields: { ...known.fields, ...Object.fromEntries(missing) } };
}

/** A class that never has objects here. */
export function emptyClass({ name, fields }: ModelClass): ClassDef {
  return { name, fields, stored: false, listed: true };
}
