// Values of XAPI's calls, independent of the protocol.

/**
 * Integers are numbers, references and enums strings, sets arrays, maps and records plain objects.
 * Only what the protocols write in a way of its own has a class: floats (`<double>`), integers of
 * 32 bits (`<i4>`, the others are digits) and dates (`<dateTime.iso8601>`).
 */
export type Wire = string | number | boolean | null | WireFloat | WireInt32 | WireDate | readonly Wire[] | WireStruct;

export interface WireStruct {
  readonly [name: string]: Wire;
}

export class WireFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** In XML-RPC a typed integer, which few answers have. */
export class WireInt32 {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** "20261125T02:38:31Z", as xapi writes dates. */
export class WireDate {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  static at(ms: number): WireDate {
    return new WireDate(`${new Date(ms).toISOString().slice(0, 19).replaceAll('-', '')}Z`);
  }
}

export const EPOCH = new WireDate('19700101T00:00:00Z');

/** Bounds of one call, the same for both protocols. Past them the call is refused as a whole. */
export const WIRE_LIMITS = {
  depth: 16,
  /** Values in one call, containers included. */
  values: 20_000,
  stringChars: 65_536,
} as const;

export interface RpcCall {
  readonly method: string;
  readonly params: readonly Wire[];
}

/** A request that is no call: answered with HTTP 500 and its reason, as xapi does. */
export class MalformedCall extends Error {
  override readonly name = 'MalformedCall';
}

export function isStruct(value: Wire): value is WireStruct {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof WireFloat) &&
    !(value instanceof WireInt32) &&
    !(value instanceof WireDate)
  );
}

/** A container without a prototype: names such as `__proto__` are names like others. */
export function newStruct(): { [name: string]: Wire } {
  return Object.create(null) as { [name: string]: Wire };
}

/** A map or record that nobody changes. */
export function structOf(fields: Readonly<Record<string, Wire>>): WireStruct {
  return Object.freeze(Object.assign(newStruct(), fields));
}
