// The API's values in JSON, narrowed: ints come as numbers or, from older encodings, as strings;
// references are strings.

export type Json = Readonly<Record<string, unknown>>;

export const NULL_REF = 'OpaqueRef:NULL';

export function asRecord(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** NaN for anything but a number. */
export function asNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
}

export function asList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(asText) : [];
}

/** A map of strings, in the order in which the host sent it. */
export function asMap(value: unknown): readonly (readonly [string, string])[] {
  return Object.entries(asRecord(value)).map(([key, item]) => [key, asText(item)] as const);
}

export function isNull(ref: string): boolean {
  return ref === '' || ref === NULL_REF;
}
