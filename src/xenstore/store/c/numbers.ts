// Numbers as the C daemon reads them from requests. Sources: C's atoi and strtol, as
// tools/xenstore/xenstored_domain.c and xs_lib.c use them (Xen 4.17).

const LONG_MAX = (1n << 63n) - 1n;
const LONG_MIN = -(1n << 63n);
const SPACE = '[ \\t\\n\\v\\f\\r]*';
const DECIMAL = new RegExp(`^${SPACE}([+-]?)(\\d+)`);
const ANY_BASE = new RegExp(`^${SPACE}([+-]?)(0[xX][0-9a-fA-F]+|\\d+)`);

/** atoi, then stored as unsigned: "99999999999" is 1215752191, "abc" is 0, "-1" is 4294967295. */
export function unsignedOf(text: string): number {
  return intOf(text) >>> 0;
}

/** atoi: a leading number, else 0; wraps at 32 bits as the cast from long does. */
export function intOf(text: string): number {
  const match = DECIMAL.exec(text);
  if (match === null) return 0;
  return toInt(match[1] === '-' ? -BigInt(match[2]!) : BigInt(match[2]!));
}

/**
 * strtol with base 0 over the whole text, as an unsigned 32-bit domain id; undefined when anything
 * is left over or nothing is there. " 5", "+5", "0x1f" and "017" are numbers, "n0" is not.
 */
export function domidOf(text: string): number | undefined {
  const match = ANY_BASE.exec(text);
  if (match === null || match[0].length !== text.length) return undefined;
  const digits = match[2]!;
  let value: bigint;
  if (digits.length > 1 && digits.startsWith('0') && !/^0[xX]/.test(digits)) {
    if (/[89]/.test(digits)) return undefined;
    value = BigInt(`0o${digits}`);
  } else {
    value = BigInt(digits);
  }
  return toInt(match[1] === '-' ? -value : value) >>> 0;
}

function toInt(value: bigint): number {
  if (value > LONG_MAX) return Number(BigInt.asIntN(32, LONG_MAX));
  return Number(BigInt.asIntN(32, value < LONG_MIN ? LONG_MIN : value));
}
