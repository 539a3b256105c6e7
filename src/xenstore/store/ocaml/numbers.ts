// Numbers as oxenstored reads and prints them.
// Sources: OCaml's int_of_string and %u; tools/ocaml/xenstored/process.ml c_int_of_string (Xen 4.17).

const LITERAL = /^([+-]?)(?:0([xX][0-9a-fA-F][0-9a-fA-F_]*|[oO][0-7][0-7_]*|[bB][01][01_]*|[uU]\d[\d_]*)|(\d[\d_]*))$/;
const MAX = (1n << 62n) - 1n;
const MIN = -(1n << 62n);

/**
 * int_of_string: decimal, 0x, 0o, 0b or 0u, with underscores between digits. A domain id that no domain has stays distinct from all others.
 * @returns undefined where OCaml raises Failure
 */
export function intOfString(text: string): number | undefined {
  const value = literal(text, 63);
  return value === undefined ? undefined : Number(value);
}

/** Nativeint.of_string, as text that is equal for equal numbers. */
export function nativeintOfString(text: string): string | undefined {
  return literal(text, 64)?.toString();
}

function literal(text: string, bits: 63 | 64): bigint | undefined {
  const match = LITERAL.exec(text);
  if (match === null) return undefined;
  const prefixed = match[2]?.replaceAll('_', '');
  const digits = match[3]?.replaceAll('_', '');
  const plain = digits ?? (/^[uU]/.test(prefixed!) ? prefixed!.slice(1) : undefined);
  const magnitude = plain === undefined ? BigInt(`0${prefixed!.toLowerCase()}`) : BigInt(plain);
  const value = match[1] === '-' ? -magnitude : magnitude;
  if (digits === undefined) {
    // Written with a base, the whole width may be used: 0x7fffffffffffffff is -1.
    if (magnitude >= 1n << BigInt(bits)) return undefined;
    return BigInt.asIntN(bits, value);
  }
  const [least, most] = bits === 63 ? [MIN, MAX] : [MIN * 2n, MAX * 2n + 1n];
  return value < least || value > most ? undefined : value;
}

/** The first run of digits, whatever stands before it; 0 without one. Wraps at 63 bits. */
export function firstDigits(text: string): number {
  const digits = /\d+/.exec(text)?.[0] ?? '0';
  return digits.length < 16 ? Number(digits) : Number(BigInt.asIntN(63, BigInt(digits)));
}

/** %u of an OCaml integer: of 63 bits. */
export function unsignedText(value: number): string {
  return value >= 0 ? String(value) : BigInt.asUintN(63, BigInt(value)).toString();
}
