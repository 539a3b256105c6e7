// Compares JSON answers, with a sentence for each difference.
import type { JsonObject, JsonValue } from './player.js';

/**
 * Where two JSON values differ; a key whose value is null on one side may be absent on the other.
 */
export function differences(recorded: JsonValue | undefined, ours: JsonValue | undefined, path: string): string[] {
  if (Array.isArray(recorded) && Array.isArray(ours) && recorded.length === ours.length) {
    return recorded.flatMap((value, index) => differences(value as JsonValue, ours[index] as JsonValue, `${path}[${index}]`));
  }
  if (isObject(recorded) && isObject(ours)) {
    return [...new Set([...Object.keys(recorded), ...Object.keys(ours)])].flatMap((key) =>
      differences(recorded[key], ours[key], path === '' ? key : `${path}.${key}`),
    );
  }
  if ((recorded ?? null) === (ours ?? null)) return [];
  return [`${path}: recorded ${JSON.stringify(recorded ?? null)}, here ${JSON.stringify(ours ?? null)}`];
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
