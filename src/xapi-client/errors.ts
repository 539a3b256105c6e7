// Errors of a XAPI host that refuses a call, and of a host that does not answer.

/**
 * An error of the API: a code of xen-api's datamodel and its parameters, such as HANDLE_INVALID,
 * VM, OpaqueRef:...
 */
export class XapiError extends Error {
  override readonly name = 'XapiError';
  readonly code: string;
  readonly params: readonly string[];
  constructor(code: string, params: readonly string[]) {
    super(params.length === 0 ? code : `${code}: ${params.join(', ')}`);
    this.code = code;
    this.params = params;
  }
}

/** Why there was no answer that could be used. */
export type UnreachableReason = 'unknown-host' | 'refused' | 'timeout' | 'tls' | 'lost' | 'no-api';

/**
 * No answer of the API came: the host cannot be reached, is no XAPI host, or its certificate is not
 * trusted.
 */
export class XapiUnreachable extends Error {
  override readonly name = 'XapiUnreachable';
  readonly reason: UnreachableReason;
  /** How to mend it, one sentence. */
  readonly mend: string;
  constructor(reason: UnreachableReason, message: string, mend: string) {
    super(message);
    this.reason = reason;
    this.mend = mend;
  }
}
