// Exit codes of every command, as docs/exit-codes.md says.

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

/** The host that was asked for cannot be reached; exit code 3. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  /** How to mend it, one sentence. */
  readonly mend: string;
  constructor(message: string, mend: string) {
    super(message);
    this.mend = mend;
  }
}
