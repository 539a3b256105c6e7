// An integer as OCaml's int_of_string reads it, on a 64-bit machine: xapi reads every number of
// VCPUs_params with it. Part of the box is_xe_vCPUparams_mask_set?.

const DIGITS = '0123456789abcdef';
/** Longer literals are zeros or too large; so that a huge text costs nothing. */
const MAX_LENGTH = 4096;

export type OcamlInt =
  | { readonly ok: true; readonly value: bigint }
  | { readonly ok: false; readonly reason: 'not a number' | 'too large' };

/**
 * Sign, then 0x, 0o, 0b or 0u, then digits with '_' anywhere but first. Decimal literals must fit
 * 63 signed bits; those with a prefix may take all 63 bits and wrap (runtime/ints.c, parse_intnat,
 * of OCaml 4.13; every row of the test was read off its toplevel). With 64 bits it reads as
 * Nativeint.of_string does.
 */
export function ocamlIntOfString(text: string, bits: 63 | 64 = 63): OcamlInt {
  const match = text.length > MAX_LENGTH ? null : /^([+-]?)(?:0([xXoObBuU]))?([0-9a-fA-F][0-9a-fA-F_]*)$/.exec(text);
  if (match === null) return { ok: false, reason: 'not a number' };
  const [, sign, prefix, digits] = match;
  const base = baseOf(prefix);
  let value = 0n;
  for (const character of digits!.toLowerCase()) {
    if (character === '_') continue;
    const digit = DIGITS.indexOf(character);
    if (digit >= base) return { ok: false, reason: 'not a number' };
    value = value * BigInt(base) + BigInt(digit);
  }
  const negative = sign === '-';
  const maxSigned = 1n << BigInt(bits - 1);
  const maxUnsigned = 1n << BigInt(bits);
  if (prefix === undefined ? value > maxSigned || (!negative && value === maxSigned) : value >= maxUnsigned) {
    return { ok: false, reason: 'too large' };
  }
  return { ok: true, value: BigInt.asIntN(bits, negative ? -value : value) };
}

function baseOf(prefix: string | undefined): number {
  switch (prefix?.toLowerCase()) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 10;
  }
}
