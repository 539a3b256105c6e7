// A message of a class of storage or networks: its parameters and role are the data model's, and it
// makes all of its changes or none.
import type { PossibleHosts } from '../../devices/bonds.js';
import type { Database } from '../../model/database.js';
import { DATAMODEL } from '../../model/datamodel.js';
import { classOf } from '../../model/schema.js';
import type { DeviceClass } from '../../model/schema-devices.js';
import { checkValue } from '../../wire/types.js';
import { newStruct, type Wire, type WireStruct } from '../../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from '../method.js';

/** A uuid that a caller chooses. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Call = (args: readonly Wire[], context: CallContext) => Wire | undefined;

/** Parts that all of these messages use. */
export interface DeviceParts {
  readonly database: Database;
  /** The modelled host's own; a real host's storage and networks are not managed. */
  readonly host: () => string;
  readonly modelled: boolean;
  /** See VM.get_possible_hosts. */
  readonly possibleHosts: PossibleHosts;
}

function methodOf(database: Database, name: string, params: readonly Param[], reads: boolean, call: Call): Method {
  return {
    name,
    params,
    role: reads ? 'read-only' : 'admin',
    async: !/\.(get|set)_/.test(name),
    call: (args, context) => (reads ? call(args, context) : database.atomically(() => call(args, context))) ?? VOID,
  };
}

/** A message that the data model lists with its parameters. */
export function deviceMessage(database: Database, type: string, name: string, call: Call): Method {
  const { params } = DATAMODEL.get(type)!.messages.get(name)!;
  return methodOf(database, `${type}.${name}`, params!, name.startsWith('get_'), call);
}

/** Messages on an object, which is the first parameter. @throws XapiError HANDLE_INVALID */
export function messagesOn(database: Database, type: string): (name: string, call: (ref: string, args: readonly Wire[]) => void) => Method {
  return (name, call) =>
    deviceMessage(database, type, name, (args) => {
      database.get(type, args[0] as string);
      call(args[0] as string, args);
      return undefined;
    });
}

/** The constructor: fields that a creator may choose, and the others at their defaults. */
export function creation(database: Database, type: DeviceClass, call: (fields: Readonly<Record<string, Wire>>) => string): Method {
  const { fields } = classOf(type);
  return methodOf(database, `${type}.create`, [{ name: 'args', type: 'record' }], false, ([args]) => {
    const given = newStruct();
    for (const [name, { access, type: fieldType, initial }] of Object.entries(fields)) {
      if (access === 'ro') continue;
      const value = (args as WireStruct)[name];
      given[name] = value === undefined ? initial : checkValue(fieldType, value, name);
    }
    return call(given);
  });
}

export function destruction(database: Database, type: DeviceClass, call: (ref: string) => void): Method {
  return methodOf(database, `${type}.destroy`, [selfOf(type)], false, ([ref]) => {
    database.get(type, ref as string);
    call(ref as string);
    return VOID;
  });
}
