// The messages of classes without objects here. They answer like xapi on a host without such
// objects. Messages that would create one are refused (remaining/).
import { DATAMODEL, type ModelMessage } from '../model/datamodel.js';
import { EMPTY_CLASSES } from '../model/schema.js';
import { xapiErrors } from '../wire/errors.js';
import { type Method, selfOf } from './method.js';

/** Classes without get_all, of which an object can be named all the same. */
const UNLISTED = ['user', 'LVHD'];

let methods: readonly Method[] | null = null;

/** Beside the getters and setters that genericMethods makes. */
export function emptyClassMethods(): readonly Method[] {
  methods ??= makeMethods();
  return methods;
}

function makeMethods(): Method[] {
  return [...EMPTY_CLASSES, ...UNLISTED].flatMap((type) =>
    [...DATAMODEL.get(type)!.messages].flatMap(([name, message]) => {
      const method = methodOn(type, name, message);
      return method === null ? [] : [method];
    }),
  );
}

/** No object has the handle, whichever it is. @returns null for a message that needs none */
function methodOn(type: string, name: string, { params }: ModelMessage): Method | null {
  const asks = name.startsWith('get');
  const shape = { name: `${type}.${name}`, role: asks ? ('read-only' as const) : ('admin' as const) };
  if (params === null) return UNLISTED.includes(type) ? implicitOn(type, name, shape) : null;
  const [first] = params;
  if (first === undefined || typeof first.type === 'string' || !('ref' in first.type)) return null;
  const { ref } = first.type;
  if (!EMPTY_CLASSES.includes(ref)) return null;
  return {
    ...shape,
    params,
    async: !asks,
    call: ([handle]) => {
      throw xapiErrors.handleInvalid(ref, handle as string);
    },
  };
}

function implicitOn(type: string, name: string, shape: Pick<Method, 'name' | 'role'>): Method | null {
  if (name === 'get_by_uuid') {
    return {
      ...shape,
      params: [{ name: 'uuid', type: 'string' }],
      async: false,
      call: ([uuid]) => {
        throw xapiErrors.uuidInvalid(type, uuid as string);
      },
    };
  }
  if (!name.startsWith('get_')) return null;
  return {
    ...shape,
    params: [selfOf(type)],
    async: false,
    call: ([ref]) => {
      throw xapiErrors.handleInvalid(type, ref as string);
    },
  };
}
