// Errors of the whole project: bad input (InputError), a host that cannot be reached
// (UnreachableError), and an errno of Xen or XenStore (XenError).

/** errno names as Xen gives them, with their Linux numbers (xen/include/public/errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EIO: 5,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  EDOM: 33,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  EOVERFLOW: 75,
  ERESTART: 85,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  EISCONN: 106,
} as const;

export type Errno = keyof typeof ERRNO;

const NAME_OF = new Map<number, Errno>(Object.entries(ERRNO).map(([name, code]) => [code, name as Errno]));

/** Name of an errno number; undefined when Xen has no such number. */
export function errnoName(code: number): Errno | undefined {
  return NAME_OF.get(Math.abs(code));
}

const WANTS_STACKS = process.env.XENNUMA_DEBUG === '1';

/** A failed call to Xen or XenStore: `xc_vcpu_setaffinity(domid 3): [22] Invalid argument`. */
export class XenError extends Error {
  readonly errno: Errno;
  readonly call: string;
  constructor(errno: Errno, call: string, detail?: string) {
    // An answer, not a fault: one in ten calls of a VM start gets one (keys that are absent), and a
    // stack costs seven times the rest.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = WANTS_STACKS ? stackTraceLimit : 0;
    super(`${call}: [${ERRNO[errno]}] ${errno}${detail === undefined ? '' : `: ${detail}`}`);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'XenError';
    this.errno = errno;
    this.call = call;
  }
}

/**
 * A host, daemon or pool that cannot be reached, or that refuses the user. The CLI prints it in one
 * line and exits with 3.
 */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  /** How to mend it, one sentence. */
  readonly mend: string;
  constructor(message: string, mend: string) {
    super(message);
    this.mend = mend;
  }
}

/** Where in the user's input something is wrong. */
export interface InputPlace {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** Path inside a structured file: `vms[3].memory`. */
  readonly path?: string;
}

/**
 * Bad input: says where, what was expected and how to mend it. The CLI prints it without a stack
 * and exits with 2.
 */
export class InputError extends Error {
  readonly place: InputPlace;
  /** How to mend it, one sentence; may be empty when `message` says it all. */
  readonly mend: string;
  constructor(message: string, place: InputPlace = {}, mend = '') {
    super(message);
    this.name = 'InputError';
    this.place = place;
    this.mend = mend;
  }
  /** One line: `hosts/a.yaml:12: vms[3].memory: expected ..., got ...; mend`. */
  override toString(): string {
    const { file, line, path } = this.place;
    const where = [file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}`, path ?? ''].filter((part) => part !== '');
    return `${where.map((part) => `${part}: `).join('')}${this.message}${this.mend === '' ? '' : `; ${this.mend}`}`;
  }
}

/** Whether a module or package is not there: the codes of import() and of require(). */
export function isMissingModule(error: unknown): boolean {
  return ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '');
}
