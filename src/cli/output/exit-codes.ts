// Exit codes of every command (docs/exit-codes.md).

export const EXIT = {
  ok: 0,
  /** The answer is no: a VM cannot start, an expectation does not hold, a difference was found. */
  no: 1,
  /** Bad input or usage. */
  input: 2,
  /** The host, daemon or pool cannot be reached, or refuses the user. */
  unreachable: 3,
  /** A fault of xennuma itself. */
  fault: 70,
} as const;
