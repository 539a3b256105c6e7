// Types and shorthand for the tables of XAPI's classes and fields. Pure.
import type { FieldType } from '../wire/types.js';
import { EPOCH, newStruct, type Wire, WireFloat } from '../wire/values.js';

/**
 * rw: has set_ (and add_to_/remove_from_ for maps, add_/remove_ for sets); once: given at creation,
 * changed only by messages of the class; ro: the server's own.
 */
export type Access = 'rw' | 'once' | 'ro';

export interface FieldDef {
  readonly type: FieldType;
  readonly access: Access;
  readonly initial: Wire;
}

export interface ClassDef {
  readonly name: string;
  readonly fields: Readonly<Record<string, FieldDef>>;
  /** Stored in the state folder. */
  readonly stored: boolean;
  /** get_all and get_all_records exist. */
  readonly listed: boolean;
}

export const NULL = 'OpaqueRef:NULL';
export const EMPTY_MAP: Wire = Object.freeze(newStruct());
const NO_FLOAT = new WireFloat(0);

export const ref = (name: string): FieldType => ({ ref: name });
export const set = (type: FieldType): FieldType => ({ set: type });
export const map = (type: FieldType = 'string'): FieldType => ({ map: type });
export const oneOf = (...members: readonly string[]): FieldType => ({ enum: members });

export function initialOf(type: FieldType): Wire {
  if (typeof type !== 'string') {
    if ('enum' in type) return type.enum[0]!;
    if ('ref' in type) return NULL;
    return 'set' in type ? [] : EMPTY_MAP;
  }
  const plain: Readonly<Record<typeof type, Wire>> = {
    string: '',
    int: 0,
    float: NO_FLOAT,
    bool: false,
    datetime: EPOCH,
    record: EMPTY_MAP,
  };
  return plain[type];
}

export function field(access: Access, type: FieldType, initial: Wire = initialOf(type)): FieldDef {
  return { access, type, initial };
}
export const rw = (type: FieldType, initial?: Wire): FieldDef => field('rw', type, initial ?? initialOf(type));
export const once = (type: FieldType, initial?: Wire): FieldDef => field('once', type, initial ?? initialOf(type));
export const ro = (type: FieldType, initial?: Wire): FieldDef => field('ro', type, initial ?? initialOf(type));
