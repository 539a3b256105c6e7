// Payloads of requests as oxenstored parses them, and the rights to send them. Source:
// tools/ocaml/xenstored/process.ml split, split_one_path (Xen 4.17).
import type { Identity } from '../../protocol/permissions.js';
import { fail } from '../failure.js';
import { isDom0 } from './permits.js';

/** A payload is split into at most this many strings; the last one keeps the rest. */
const MOST_STRINGS = 8;

/**
 * The strings of a payload; the last one holds what follows the last NUL, or everything from the
 * eighth on.
 */
export function strings(payload: string): string[] {
  const parts = payload.split('\0');
  return parts.length <= MOST_STRINGS ? parts : [...parts.slice(0, MOST_STRINGS - 1), parts.slice(MOST_STRINGS - 1).join('\0')];
}

/** Exactly two strings, each with its NUL. @throws StoreFailure EINVAL */
export function twoStrings(payload: string): [string, string] {
  const [first, second, end, more] = strings(payload);
  if (second === undefined || end !== '' || more !== undefined) fail('EINVAL');
  return [first!, second];
}

/** @throws StoreFailure EACCES */
export function dom0Only(client: Identity): void {
  if (!isDom0(client)) fail('EACCES');
}
