// Payloads of requests as the C daemon parses them. Source: tools/xenstore/xenstored_core.c onearg,
// get_strings (Xen 4.17).

import type { Request } from '../../protocol/wire.js';
import { fail } from '../failure.js';

/** The payload, one character a byte. */
export function text({ bytes, start, end }: Request): string {
  return bytes.latin1Slice(start, end);
}

/**
 * The payload is exactly one string with its NUL at the end; the daemon answers a stale errno
 * otherwise, we EINVAL.
 */
export function oneString({ bytes, start, end }: Request): string {
  if (end === start || bytes[end - 1] !== 0) fail('EINVAL');
  const string = bytes.latin1Slice(start, end - 1);
  if (string.includes('\0')) fail('EINVAL');
  return string;
}
