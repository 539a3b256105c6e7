// xenguest's message for a failed call: "xenguest: xc_vcpu_setaffinity: [22] Invalid argument".
import { ERRNO, type Errno, XenError } from '../base/errors.js';
import { XenguestError } from './xenguest.js';

/** strerror of the C library, for every errno that Xen gives. */
const STRERROR: Readonly<Record<Errno, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EIO: 'Input/output error',
  E2BIG: 'Argument list too long',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EXDEV: 'Invalid cross-device link',
  ENODEV: 'No such device',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EINVAL: 'Invalid argument',
  ENOSPC: 'No space left on device',
  EROFS: 'Read-only file system',
  EDOM: 'Numerical argument out of domain',
  ENOSYS: 'Function not implemented',
  ENOTEMPTY: 'Directory not empty',
  EOVERFLOW: 'Value too large for defined data type',
  ERESTART: 'Interrupted system call should be restarted',
  EOPNOTSUPP: 'Operation not supported',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENOBUFS: 'No buffer space available',
  EISCONN: 'Transport endpoint is already connected',
};

export function strerror(errno: Errno): string {
  return STRERROR[errno];
}

/**
 * The builder's error for a call that failed with `error`. An error that is not Xen's answer is
 * rethrown.
 */
export function failwithOssXc(call: string, error: unknown): XenguestError {
  if (!(error instanceof XenError)) throw error;
  return new XenguestError(`xenguest: ${call}: [${ERRNO[error.errno]}] ${strerror(error.errno)}`, error.errno);
}
