// Numbers as C's strtoul and strtol read them on a 64-bit machine: leading blanks, a sign, digits,
// and the end position.

const ULONG_MAX = 2n ** 64n - 1n;
const LONG_MAX = 2n ** 63n - 1n;

/** A number at the start of a text: its value, and the position behind its last digit. */
export interface CNumber {
  readonly value: bigint;
  readonly end: number;
}

/**
 * Base 10, unsigned: "-1" wraps to the largest number, and numbers too large become it. Null
 * without digits.
 */
export function strtoul(text: string): CNumber | null {
  const match = /^[ \t\n\v\f\r]*([-+]?)(\d+)/.exec(text);
  if (match === null) return null;
  const digits = BigInt(match[2]!);
  const end = match[0].length;
  if (digits > ULONG_MAX) return { value: ULONG_MAX, end };
  return { value: match[1] === '-' ? BigInt.asUintN(64, -digits) : digits, end };
}

/**
 * The whole text as strtol(text, &end, 0) reads it: 0x and octal 0 too. Undefined if other text
 * follows, or if it is out of range.
 */
export function wholeLong(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([-+]?)(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9]\d*))$/.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, octal, decimal] = match;
  const digits = BigInt(hex ?? decimal ?? (octal === '0' ? '0' : `0o${octal!.slice(1)}`));
  const value = sign === '-' ? -digits : digits;
  return value > LONG_MAX || value < -LONG_MAX - 1n ? undefined : value;
}
