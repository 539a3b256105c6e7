// Numbers as oxenstored reads and prints them. Sources: OCaml's int_of_string and %u;
// tools/ocaml/xenstored/process.ml c_int_of_string (Xen 4.17).
import { ocamlIntOfString } from '../../../base/ocaml-int.js';

/** Most numbers in requests are ids of domains, in decimal digits alone. */
const SHORT_DECIMAL = /^\d{1,9}$/;

/**
 * int_of_string as a number. Beyond 2^53 it is rounded, which is enough for an id that no domain
 * has; `intOfString` is exact.
 * @returns undefined where OCaml raises Failure
 */
export function numberOfString(text: string): number | undefined {
  if (SHORT_DECIMAL.test(text)) return Number(text);
  const value = intOfString(text);
  return value === undefined ? undefined : Number(value);
}

/** int_of_string, of 63 bits. @returns undefined where OCaml raises Failure */
export function intOfString(text: string): bigint | undefined {
  const read = ocamlIntOfString(text);
  return read.ok ? read.value : undefined;
}

/** Nativeint.of_string, of 64 bits, as text that is equal for equal numbers. */
export function nativeintOfString(text: string): string | undefined {
  const read = ocamlIntOfString(text, 64);
  return read.ok ? String(read.value) : undefined;
}

/** The first run of digits, whatever precedes it; 0 without one. Wraps at 63 bits. */
export function firstDigits(text: string): bigint {
  return BigInt.asIntN(63, BigInt(/\d+/.exec(text)?.[0] ?? '0'));
}

/** %u of an OCaml integer: of 63 bits. */
export function unsignedText(value: bigint | number): string {
  return value >= 0 ? String(value) : String(BigInt.asUintN(63, BigInt(value)));
}
