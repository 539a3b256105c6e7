// A record in the state folder: JSON in which floats and dates keep their kind, with its charge. It
// is checked when it is read back.
import type { FieldType } from '../../wire/types.js';
import { isStruct, newStruct, type Wire, WireDate, WireFloat, type WireStruct } from '../../wire/values.js';
import type { StoredCharge } from '../record-bounds.js';
import { CLASSES } from '../schema.js';

/**
 * Names of one-member objects; no field and no key of a map can have them, since control characters
 * are refused.
 */
const FLOAT = '\u0000f';
const DATE = '\u0000d';
/** Among the fields, where versions that do not know it pass over it. */
const CHARGE = '\u0000c';
const [FLOAT_NAME, DATE_NAME, CHARGE_NAME] = [JSON.stringify(FLOAT), JSON.stringify(DATE), JSON.stringify(CHARGE)];

export function recordText(record: WireStruct, charge: StoredCharge | null = null): string {
  if (charge === null || (charge.maker === null && charge.shares.size === 0)) return structText(record);
  const kept = { maker: charge.maker, shares: [...charge.shares] };
  return structText(record, `{${CHARGE_NAME}:${JSON.stringify(kept)}`);
}

/** By hand: JSON.stringify that asks a function about each value takes three times as long. */
function textOf(value: Wire): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof WireFloat) return `{${FLOAT_NAME}:${JSON.stringify(value.value)}}`;
  if (value instanceof WireDate) return `{${DATE_NAME}:${JSON.stringify(value.text)}}`;
  if (Array.isArray(value)) return `[${(value as readonly Wire[]).map(textOf).join(',')}]`;
  return structText(value as WireStruct);
}

/** @param begun the object's text with its first members, which is not copied */
function structText(struct: WireStruct, begun = ''): string {
  let text = begun;
  for (const name in struct) text += `${text === '' ? '{' : ','}${nameText(name)}:${textOf(struct[name]!)}`;
  return text === '' ? '{}' : `${text}}`;
}

/** Names of fields, of which there are few, as JSON. */
const fieldNames = new Map<string, string>();
for (const { fields } of CLASSES.values()) for (const name of Object.keys(fields)) fieldNames.set(name, JSON.stringify(name));

function nameText(name: string): string {
  return fieldNames.get(name) ?? JSON.stringify(name);
}

export interface RecordOfText {
  readonly record: WireStruct;
  readonly charge: StoredCharge;
}

/** @throws Error that says what is wrong with the text, or with a field of the record */
export function recordOf(type: string, text: string): RecordOfText {
  const fields = CLASSES.get(type)?.fields;
  if (fields === undefined) throw new Error('the class is unknown');
  const parsed = JSON.parse(text) as Record<string, unknown> | null;
  const kept = parsed?.[CHARGE];
  if (kept !== undefined) delete parsed![CHARGE];
  const record = revive(parsed);
  if (!isStruct(record)) throw new Error('the record is not an object');
  for (const [name, { type: fieldType }] of Object.entries(fields)) {
    const value = record[name];
    if (value !== undefined && !hasType(fieldType, value)) throw new Error(`field ${name} is of another type`);
  }
  if (typeof record.uuid !== 'string') throw new Error('the record has no uuid');
  return { record, charge: kept === undefined ? NOBODYS : chargeOf(kept) };
}

const NOBODYS: StoredCharge = { maker: null, shares: new Map() };

function chargeOf(kept: unknown): StoredCharge {
  const { maker, shares } = (kept ?? {}) as { readonly maker?: unknown; readonly shares?: unknown };
  const isShare = (one: unknown): one is [string, number] =>
    Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]) && (one[1] as number) > 0;
  const isMaker = maker === null || typeof maker === 'string';
  if (!isMaker || !Array.isArray(shares) || !shares.every(isShare)) throw new Error('whom it is charged to is of another type');
  return { maker, shares: new Map(shares) };
}

function revive(value: unknown): Wire {
  if (typeof value !== 'object' || value === null) return value as Wire;
  if (Array.isArray(value)) return value.map(revive);
  const entries = Object.entries(value);
  const [first] = entries;
  if (first !== undefined && entries.length === 1) {
    if (first[0] === FLOAT) return new WireFloat(first[1] as number);
    if (first[0] === DATE) return new WireDate(first[1] as string);
  }
  const struct = newStruct();
  for (const [name, member] of entries) struct[name] = revive(member);
  return Object.freeze(struct);
}

/** Its kind only: a later version may know other members of an enum. */
function hasType(type: FieldType, value: Wire): boolean {
  if (typeof type !== 'string') {
    if ('enum' in type || 'ref' in type) return typeof value === 'string';
    if ('set' in type) return Array.isArray(value) && (value as readonly Wire[]).every((member) => hasType(type.set, member));
    return isStruct(value) && Object.values(value).every((member) => hasType(type.map, member));
  }
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'int':
      return Number.isSafeInteger(value);
    case 'float':
      return value instanceof WireFloat || typeof value === 'number';
    case 'datetime':
      return value instanceof WireDate;
    case 'record':
      return isStruct(value);
  }
}
