// Records by the fields of their class: whole, and with changes. Pure.
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { classOf } from './schema.js';

/**
 * Fields that the class has and the record has not come with their defaults: an older state gains
 * fields so.
 * @param uuid in the place of the one among the fields
 */
export function complete(type: string, fields: Readonly<Record<string, Wire>>, uuid: Wire = fields.uuid!): WireStruct {
  const record = newStruct();
  for (const [name, { initial }] of Object.entries(classOf(type).fields)) record[name] = fields[name] ?? initial;
  record.uuid = uuid;
  return freeze(record);
}

/**
 * All fields of the class, one by one: Object.assign of a record that is frozen and has no
 * prototype takes three times as long.
 */
export function withChanges(type: string, record: WireStruct, changes: Readonly<Record<string, Wire>>): WireStruct {
  const changed = newStruct();
  for (const name of fieldNames(type)) changed[name] = record[name]!;
  for (const name in changes) changed[name] = changes[name]!;
  return changed;
}

const namesOfClass = new Map<string, readonly string[]>();

function fieldNames(type: string): readonly string[] {
  let names = namesOfClass.get(type);
  if (names === undefined) {
    names = Object.keys(classOf(type).fields);
    namesOfClass.set(type, names);
  }
  return names;
}

export function freeze(record: WireStruct): WireStruct {
  return Object.freeze(record);
}
