// What the data model says of a message beside its action: who may send it, whether it has an Async
// form, which parameters may be left out, and whether it was removed.
import type { Database } from '../../model/database.js';
import { DATAMODEL, type ModelMessage } from '../../model/datamodel.js';
import { CLASSES } from '../../model/schema.js';
import { NULL } from '../../model/schema-types.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Method, Param } from '../method.js';

/** A message that the data model does not have stays as it is. */
export function asModelled(database: Database, method: Method): Method {
  const [type, name] = method.name.split('.') as [string, string];
  const message = DATAMODEL.get(type)?.messages.get(name);
  if (message === undefined) return method;
  const { removed, async } = message;
  // A session's own messages check whose session it is.
  const role = type === 'session' || message.role === 'read-only' ? method.role : 'admin';
  const params = paramsOf(method.params, message);
  return { ...method, params, role, async, call: removed ? sayRemoved : onFirst(database, params, method.call) };
}

function sayRemoved(): never {
  throw xapiErrors.messageRemoved();
}

/**
 * The object that a message is sent to must be there, whatever else is wrong (message_forwarding.ml
 * of xen-api reads its record first).
 */
function onFirst(database: Database, [first]: readonly Param[], call: Method['call']): Method['call'] {
  if (typeof first?.type !== 'object' || !('ref' in first.type)) return call;
  const { ref: type } = first.type;
  if (!CLASSES.has(type)) return call;
  return (args, context) => {
    if (args[0] !== NULL) database.get(type, args[0] as string);
    return call(args, context);
  };
}

function paramsOf(params: readonly Param[], { params: modelled }: ModelMessage): readonly Param[] {
  if (modelled === null) return params;
  const known = params.map((param, index) => {
    const initial = param.initial ?? modelled[index]?.initial;
    return initial === undefined ? param : { ...param, initial };
  });
  // Younger than the method, which needs none of them.
  return [...known, ...modelled.slice(params.length).filter(({ initial }) => initial !== undefined)];
}
