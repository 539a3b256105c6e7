// The messages of class message: what happened to an object, for its administrators
// (ocaml/xapi/xapi_message.ml of xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { newStruct, type Wire, WireDate, type WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { modelMessage } from './shape.js';

/** The class of an object by the value of message.cls; others are classes without objects. */
const CLASSES: Readonly<Record<string, string>> = { VM: 'VM', Host: 'host', SR: 'SR', Pool: 'pool', VDI: 'VDI' };

export function messageMethods(database: Database): Method[] {
  const one = (name: string, action: Parameters<typeof modelMessage>[2]): Method => modelMessage(database, `message.${name}`, action);
  const isThere = (cls: Wire, uuid: Wire): boolean => {
    const type = CLASSES[cls as string];
    return type !== undefined && database.findUuid(type, uuid as string) !== null;
  };
  const all = (fits: (record: WireStruct) => boolean): Wire => {
    const found = newStruct();
    for (const [ref, record] of database.published.records('message')) if (fits(record)) found[ref] = record;
    return found;
  };
  const isAfter = (record: WireStruct, since: Wire) => timeOf(record.timestamp!) > timeOf(since);
  return [
    one('create', ([name, priority, cls, uuid, body]) => {
      if (!isThere(cls!, uuid!)) throw xapiErrors.uuidInvalid(cls as string, uuid as string);
      const timestamp = WireDate.at(Date.now());
      return database.create('message', { name: name!, priority: priority!, cls: cls!, obj_uuid: uuid!, timestamp, body: body! });
    }),
    one('destroy', ([ref]) => database.destroy('message', ref as string)),
    one('destroy_many', ([refs]) =>
      database.atomically(() => {
        for (const ref of refs as readonly string[]) database.destroy('message', ref);
      }),
    ),
    one('get', ([cls, uuid, since]) => {
      // Without parameters, as xapi answers.
      if (!isThere(cls!, uuid!)) throw new XapiError('UUID_INVALID');
      return all((record) => record.obj_uuid === uuid && isAfter(record, since!));
    }),
    one('get_since', ([since]) => all((record) => isAfter(record, since!))),
  ];
}

/** Seconds since 1970; clients write dates with dashes or without. */
function timeOf(date: Wire): number {
  return Date.parse((date as WireDate).text.replace(/^(\d{4})-?(\d{2})-?(\d{2})T/, '$1-$2-$3T')) / 1000;
}
