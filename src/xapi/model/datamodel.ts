// XAPI's data model as ocaml/idl of xen-api has it (May 2024): the classes, fields and messages of
// datamodel.json, which scripts/make-datamodel.mjs writes.
import type { FieldType } from '../wire/types.js';
import table from './datamodel.json' with { type: 'json' };
import { type Access, type ClassDef, type FieldDef, field } from './schema-types.js';

/** A type as the table has it: an enum by its name. */
type TableType = string | { readonly enum: string } | { readonly ref: string } | { readonly set: TableType } | { readonly map: TableType };
interface TableClass {
  readonly fields: Readonly<Record<string, readonly [Access, TableType]>>;
  readonly messages: Readonly<Record<string, readonly [string | null, (readonly [string, TableType][])?]>>;
}

export interface ModelMessage {
  /** The least role that may send it; null = the local superuser alone. */
  readonly role: string | null;
  /**
   * After the session; null = a getter, setter or the like, whose parameters follow from the class.
   */
  readonly params: readonly { readonly name: string; readonly type: FieldType }[] | null;
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

function modelClass(name: string, { fields, messages }: TableClass): ModelClass {
  return {
    name,
    fields: Object.fromEntries(Object.entries(fields).map(([one, [access, type]]) => [one, field(access, typeOf(type))])),
    messages: new Map(
      Object.entries(messages).map(([message, [role, params]]) => [
        message,
        { role, params: params?.map(([param, type]) => ({ name: param, type: typeOf(type) })) ?? null },
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
