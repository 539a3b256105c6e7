// Records by the fields of their class: whole, and with changes. Pure.
import type { Wire, WireStruct } from '../wire/values.js';
import { classOf } from './schema.js';

/**
 * Fields that the class has and the record has not come with their defaults: an older state gains
 * fields so.
 * @param uuid in the place of the one among the fields
 */
export function complete(type: string, fields: Readonly<Record<string, Wire>>, uuid: Wire = fields.uuid!): WireStruct {
  const record = copyOf(templateOf(type));
  for (const [name, { initial }] of Object.entries(classOf(type).fields)) record[name] = fields[name] ?? initial;
  record.uuid = uuid;
  return freeze(record);
}

/** @param record with all fields of its class; `changes` has some of them */
export function withChanges(record: WireStruct, changes: Readonly<Record<string, Wire>>): WireStruct {
  const changed = copyOf(record);
  for (const name in changes) changed[name] = changes[name]!;
  return changed;
}

/**
 * Spread, and then without a prototype: V8 copies the whole object at once, where field by field
 * into an object that began without a prototype takes twice as long.
 */
function copyOf(record: WireStruct): { [name: string]: Wire } {
  return Object.setPrototypeOf({ ...record }, null) as { [name: string]: Wire };
}

/** By class: all fields, of no value yet. Read as JSON, it is an object whose copies are fast. */
const templates = new Map<string, WireStruct>();

function templateOf(type: string): WireStruct {
  let template = templates.get(type);
  if (template === undefined) {
    const members = Object.keys(classOf(type).fields).map((name) => `${JSON.stringify(name)}:null`);
    template = Object.setPrototypeOf(JSON.parse(`{${members.join(',')}}`), null) as WireStruct;
    templates.set(type, template);
  }
  return template;
}

export function freeze(record: WireStruct): WireStruct {
  return Object.freeze(record);
}
