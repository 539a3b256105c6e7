// The types of XAPI's fields and parameters, and the check of a caller's values against them. Pure.
import { xapiErrors } from './errors.js';
import { isStruct, newStruct, type Wire, WireDate, WireFloat } from './values.js';

export type FieldType =
  | 'string'
  | 'int'
  | 'float'
  | 'bool'
  | 'datetime'
  | 'record'
  | { readonly enum: readonly string[] }
  | { readonly ref: string }
  | { readonly set: FieldType }
  | { readonly map: FieldType };

export const NULL_REF = 'OpaqueRef:NULL';
const REF = /^OpaqueRef:[0-9A-Za-z-]{1,64}$/;
const DATE = /^\d{4}-?\d{2}-?\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?$/;

/** Limits of one value; the limits of a call apply as well. */
export const VALUE_LIMITS = { mapEntries: 1024, setMembers: 4096 } as const;

/**
 * The value as it is stored, with the type of its field.
 * @throws XapiError FIELD_TYPE_ERROR for another type, VALUE_NOT_SUPPORTED for an enum's unknown
 *   member or a value past its bounds
 */
export function checkValue(type: FieldType, value: Wire, field: string): Wire {
  if (typeof type === 'string') return checkPlain(type, value, field);
  if ('enum' in type) {
    if (typeof value !== 'string') throw xapiErrors.fieldType(field);
    if (!type.enum.includes(value)) throw xapiErrors.valueNotSupported(field, excerpt(value), `expected one of ${type.enum.join(', ')}`);
    return value;
  }
  if ('ref' in type) {
    if (typeof value !== 'string') throw xapiErrors.fieldType(field);
    // An empty string is what XAPI's clients write for no reference.
    if (value === '') return NULL_REF;
    if (!REF.test(value)) throw xapiErrors.handleInvalid(type.ref, excerpt(value));
    return value;
  }
  if ('set' in type) {
    if (!Array.isArray(value)) throw xapiErrors.fieldType(field);
    const members = value as readonly Wire[];
    if (members.length > VALUE_LIMITS.setMembers) {
      throw xapiErrors.valueNotSupported(field, `${members.length} members`, `expected at most ${VALUE_LIMITS.setMembers}`);
    }
    return members.map((member) => checkValue(type.set, member, field));
  }
  if (!isStruct(value)) throw xapiErrors.fieldType(field);
  const entries = Object.entries(value);
  if (entries.length > VALUE_LIMITS.mapEntries) {
    throw xapiErrors.valueNotSupported(field, `${entries.length} entries`, `expected at most ${VALUE_LIMITS.mapEntries}`);
  }
  const map = newStruct();
  for (const [name, member] of entries) {
    // The state folder and XML could not hold them as they are.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
    if (/[\u0000-\u001f]/.test(name))
      throw xapiErrors.valueNotSupported(field, JSON.stringify(excerpt(name)), 'keys have no control characters');
    map[name] = checkValue(type.map, member, field);
  }
  return Object.freeze(map);
}

function checkPlain(type: 'string' | 'int' | 'float' | 'bool' | 'datetime' | 'record', value: Wire, field: string): Wire {
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value;
      break;
    case 'int': {
      // As a number in JSON, as digits in XML-RPC; both are understood in both, as xapi does.
      const number = typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value) ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number)) break;
      if (!Number.isSafeInteger(number)) throw xapiErrors.valueNotSupported(field, String(value), 'expected an integer within 2^53');
      return number === 0 ? 0 : number;
    }
    case 'float':
      if (value instanceof WireFloat) return value;
      if (typeof value === 'number') return new WireFloat(value);
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'datetime': {
      const text = value instanceof WireDate ? value.text : value;
      if (typeof text === 'string' && DATE.test(text)) return new WireDate(text);
      break;
    }
    case 'record':
      if (isStruct(value)) return value;
      break;
    default:
      break;
  }
  throw xapiErrors.fieldType(field);
}

function excerpt(value: string): string {
  return value.length > 200 ? `${value.slice(0, 200)}...` : value;
}
