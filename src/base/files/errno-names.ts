// Errors of the file system that libuv, and so Node, has no names for: their code is
// "Unknown system error -122".

/** By number (Linux, include/uapi/asm-generic/errno.h); those that a disk or a share gives. */
const UNNAMED: Readonly<Record<number, readonly [code: string, text: string]>> = {
  116: ['ESTALE', 'stale file handle'],
  117: ['EUCLEAN', 'the file system is damaged'],
  121: ['EREMOTEIO', 'remote input/output error'],
  122: ['EDQUOT', 'disk quota exceeded'],
  123: ['ENOMEDIUM', 'no medium found'],
};
const UNKNOWN = /^Unknown system error -\d+$/;

/** Gives the error its name, as Node gives it to others: "EDQUOT: disk quota exceeded, write". */
export function withErrnoName<T>(error: T): T {
  const { code, errno, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== 'string' || !UNKNOWN.test(code)) return error;
  const [name, text] = UNNAMED[Math.abs(errno ?? 0)] ?? [];
  if (name === undefined) return error;
  const where = `${syscall === undefined ? '' : `, ${syscall}`}${path === undefined ? '' : ` '${path}'`}`;
  return Object.assign(error, { code: name, message: `${name}: ${text}${where}` });
}

/** Whether a file could not grow: the disk, the quota or the limit of the process is reached. */
export function isFull(error: unknown): boolean {
  const { code } = (withErrnoName(error) ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/** The same calls, whose errors have names. */
export function withErrnoNames<T extends { readonly [name in keyof T]: (...args: never[]) => unknown }>(calls: T): T {
  const named =
    <A extends never[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      try {
        return call(...args);
      } catch (error) {
        throw withErrnoName(error);
      }
    };
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, named(call as (...args: never[]) => unknown)])) as T;
}
