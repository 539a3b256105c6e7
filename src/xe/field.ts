// The fields of a class as xe shows and changes them: a name, how to read it from a record, and
// what may be done to it (the form of xapi-cli-server/records.ml of xen-api e2ee48d6).
import { asList, asMap, asNumber, asText, type Json, NULL_REF } from '../xapi-client/values.js';
import { XeFailure } from './failures.js';

/** What fields need of a host; XeContext has it, and so has the page. */
export interface FieldContext {
  readonly session: { call(method: string, params: readonly unknown[]): Promise<unknown> };
  uuidOf(apiClass: string, ref: string): Promise<string>;
  related(apiClass: string, ref: string): Promise<Json | null>;
}

/** An object on the host with its record. */
export interface XeObject {
  readonly context: FieldContext;
  readonly apiClass: string;
  readonly ref: string;
  readonly record: Json;
}

export type Entries = readonly (readonly [string, string])[];
type Awaitable<T> = T | Promise<T>;

/** What `set` takes. A reference is set by the uuid of an object of that class. */
export type Form =
  | { readonly kind: 'text' | 'int' | 'bytes' | 'bool' | 'float' }
  | { readonly kind: 'choice'; readonly words: readonly string[] }
  | { readonly kind: 'ref'; readonly target: string; readonly clearable: boolean };

export interface Field {
  readonly name: string;
  /** The record must have it; hosts of other versions do not have every field. */
  readonly key: string;
  /** Of a field that can be set as a whole. */
  readonly form?: Form;
  get(object: XeObject): Awaitable<string>;
  set?(object: XeObject, value: string): Promise<unknown>;
  getSet?(object: XeObject): Awaitable<readonly string[]>;
  addToSet?(object: XeObject, value: string): Promise<unknown>;
  removeFromSet?(object: XeObject, value: string): Promise<unknown>;
  getMap?(object: XeObject): Awaitable<Entries>;
  addToMap?(object: XeObject, key: string, value: string): Promise<unknown>;
  removeFromMap?(object: XeObject, key: string): Promise<unknown>;
  /** Where keys are set in one call, and never removed. */
  setInMap?(object: XeObject, key: string, value: string): Promise<unknown>;
  clearMap?(object: XeObject): Promise<unknown>;
  /** Takes another call; lists show it only as <expensive field>. */
  readonly expensive?: boolean;
  /** Shown only when requested by name. */
  readonly hidden?: boolean;
  readonly deprecated?: boolean;
}

export interface XeClass {
  /** The first part of its commands: vm. */
  readonly name: string;
  readonly apiClass: string;
  readonly fields: readonly Field[];
  /** Shown by the list command unless params= says otherwise. */
  readonly listed: readonly string[];
  readonly filters: Entries;
}

export const call = (object: XeObject, method: string, ...params: readonly unknown[]): Promise<unknown> =>
  object.context.session.call(`${object.apiClass}.${method}`, [object.ref, ...params]);

const setter = (key: string, parse: (text: string) => unknown) => (object: XeObject, value: string) =>
  call(object, `set_${key}`, parse(value));

/** Whether xe may set it. */
export type Access = 'ro' | 'rw';

interface Words {
  readonly form: Form;
  show(value: unknown): string;
  parse(text: string): unknown;
}

function plain(name: string, key: string, access: Access, { form, show, parse }: Words): Field {
  return { name, key, get: ({ record }) => show(record[key]), ...(access === 'ro' ? {} : { set: setter(key, parse), form }) };
}

const kind = (of: 'text' | 'int' | 'bytes' | 'bool' | 'float', show: Words['show'], parse: Words['parse']): Words => ({
  ...{ form: { kind: of }, show, parse },
});

export const text = (name: string, key: string, access: Access = 'ro'): Field => plain(name, key, access, kind('text', asText, same));

export const int = (name: string, key: string, access: Access = 'ro'): Field =>
  plain(
    name,
    key,
    access,
    kind('int', asText, (value) => parseInt64(name, value)),
  );

export const bytes = (name: string, key: string, access: Access = 'ro'): Field =>
  plain(
    name,
    key,
    access,
    kind('bytes', asText, (value) => parseBytes(name, value)),
  );

export const bool = (name: string, key: string, access: Access = 'ro'): Field =>
  plain(
    name,
    key,
    access,
    kind('bool', asText, (value) => parseStrictBool(name, value)),
  );

export const float = (name: string, key: string, access: Access = 'ro'): Field =>
  plain(
    name,
    key,
    access,
    kind('float', formatFloat, (value) => parseFloatOf(name, value)),
  );

export const date = (name: string, key: string): Field => plain(name, key, 'ro', kind('text', formatDate, same));

/** A closed list of words; `shown` where xe writes a word otherwise than the API. */
export function choice(name: string, key: string, words: readonly string[], access: Access, shown: (word: string) => string = same): Field {
  return plain(name, key, access, {
    form: { kind: 'choice', words },
    show: (value) => shown(asText(value)),
    parse: (value) => parseChoice(words, value),
  });
}

export function same(word: string): string {
  return word;
}
/**
 * "Core dump and destroy" for coredump_and_destroy: as xe writes what to do after a crash, a
 * shutdown, a reboot.
 */
export const asSentence = (word: string): string => {
  const spaced = word.replaceAll('_', ' ').replace('coredump', 'core dump');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
};
export const uncapitalised = (word: string): string => word.charAt(0).toLowerCase() + word.slice(1);

/** A reference, shown as a uuid. `clearable`: an empty value sets it to none. */
export function ref(name: string, key: string, target: string, access: Access = 'ro', clearable = false): Field {
  return {
    name,
    key,
    get: ({ context, record }) => context.uuidOf(target, asText(record[key])),
    ...(access === 'ro'
      ? {}
      : {
          form: { kind: 'ref', target, clearable } as const,
          set: async (object: XeObject, value: string) => {
            const none = clearable && value === '';
            return call(object, `set_${key}`, none ? NULL_REF : await object.context.session.call(`${target}.get_by_uuid`, [value]));
          },
        }),
  };
}

/** Several references, shown as uuids; `asSet` lets lists filter by :contains. */
export function refs(name: string, key: string, target: string, asSet = false): Field {
  const uuids = ({ context, record }: XeObject) => Promise.all(asList(record[key]).map((one) => context.uuidOf(target, one)));
  return { name, key, get: async (object) => (await uuids(object)).join('; '), ...(asSet ? { getSet: uuids } : {}) };
}

/** Words in a set that only the host changes. `visible` as a set, or only as text. */
export function words(name: string, key: string, separator: '; ' | ', ' = '; ', visible = true): Field {
  const items = ({ record }: XeObject) => setItems(record[key]);
  return { name, key, get: (object) => items(object).join(separator), ...(visible ? { getSet: items } : {}) };
}

/** Tags and their like: xe adds and removes members. */
export function ownWords(name: string, key: string): Field {
  return {
    ...words(name, key, ', '),
    addToSet: (object, value) => call(object, `add_${key}`, value),
    removeFromSet: (object, value) => call(object, `remove_${key}`, value),
  };
}

/** current_operations is a map from a task to an operation, of which xe shows the operations. */
function setItems(value: unknown): readonly string[] {
  return Array.isArray(value) ? asList(value) : asMap(value).map(([, item]) => item);
}

export const joinMap = (entries: Entries): string => entries.map(([key, value]) => `${key}: ${value}`).join('; ');

/** A map: `text` is shown only, `ro` can be filtered and read by key, `rw` can be changed. */
export function map(name: string, key: string, access: 'text' | Access, check: (key: string) => void = () => {}): Field {
  const entries = ({ record }: XeObject) => asMap(record[key]);
  const base: Field = { name, key, get: (object) => joinMap(entries(object)) };
  if (access === 'text') return base;
  if (access === 'ro') return { ...base, getMap: entries };
  return {
    ...base,
    getMap: entries,
    addToMap: async (object, item, value) => {
      check(item);
      return call(object, `add_to_${key}`, item, value);
    },
    removeFromMap: (object, item) => call(object, `remove_from_${key}`, item),
  };
}

/** From a record that belongs to the object; `none` where there is no such record. */
export function related(
  name: string,
  key: string,
  apiClass: string,
  none: string,
  show: (record: Json) => string,
  more: Partial<Field> = {},
): Field {
  return {
    name,
    key,
    get: async ({ context, record }) => {
      const found = await context.related(apiClass, asText(record[key]));
      return found === null ? none : show(found);
    },
    ...more,
  };
}

/** OCaml's Printf "%.3f". */
export function formatFloat(value: unknown): string {
  const number = asNumber(value);
  return Number.isNaN(number) ? asText(value) : number.toFixed(3);
}

/** The API's form of dates: 20261125T02:38:31Z. */
export function formatDate(value: unknown): string {
  return asText(value).replace(/^(\d{4})-(\d{2})-(\d{2})T/, '$1$2$3T');
}

function parseInt64(name: string, value: string): number {
  const number = Number(value);
  if (!/^[-+]?\d+$/.test(value) || !Number.isSafeInteger(number)) {
    throw new XeFailure(`Failed to parse parameter '${name}': expecting an integer`);
  }
  return number;
}

/** "true" or "false" only, as xe wants it of most fields. */
function parseStrictBool(name: string, value: string): boolean {
  if (value !== 'true' && value !== 'false') {
    throw new XeFailure(`Failed to parse parameter '${name}': expecting a boolean (true or false)`);
  }
  return value === 'true';
}

/** Switches such as force take more words than fields do. */
export function parseBool(name: string, value: string): boolean {
  const word = value.toLowerCase();
  if (['true', 't', 'yes', 'y', '1'].includes(word)) return true;
  if (['false', 'f', 'no', 'n', '0'].includes(word)) return false;
  throw new XeFailure(`Failed to parse parameter '${name}': Expected 'true','t','yes','y','1','false','f','no','n','0' got ${value}`);
}

function parseFloatOf(name: string, value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) throw new XeFailure(`Parameter ${name} must be a floating-point number`);
  return number;
}

function parseChoice(known: readonly string[], value: string): string {
  const found = known.find((one) => one.toLowerCase() === value.toLowerCase());
  if (found !== undefined) return found;
  throw new XeFailure(`Expected one of ${known.map((one) => `'${one}'`).join(', ')}, got ${value.toLowerCase()}`);
}

const UNITS = ['', 'k', 'm', 'g', 't'];

/** "512MiB", "2 GB", "1073741824": every unit is a power of 1024. */
export function parseBytes(name: string, value: string): number {
  const match = /^\s*(\d+)\s*(?:(bytes|b)?|([kmgt])(?:ib|b)?)$/i.exec(value.trimEnd());
  const power = match === null ? -1 : UNITS.indexOf(match[3]?.toLowerCase() ?? '');
  const size = match === null ? Number.NaN : Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(size)) {
    throw new XeFailure(`Failed to parse field '${name}': expecting an integer (possibly with suffix KiB, MiB, GiB, TiB), got '${value}'`);
  }
  return size;
}
