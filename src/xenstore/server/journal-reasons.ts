// Why the state file cannot be written, in words for the log.
import { withErrnoName } from '../../base/files/errno-names.js';

export function codeOf(error: unknown): string {
  return (withErrnoName(error) as NodeJS.ErrnoException).code ?? String(error);
}

export function reasonOf(code: string): string {
  const REASONS: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota of the disk is used up',
    EFBIG: 'the file may not grow further',
    EROFS: 'the file system is read-only',
    EIO: 'the disk fails',
    ESTALE: 'it was moved, removed or replaced: put it back, or let SIGUSR2 write it anew where nothing is',
  };
  return `${REASONS[code] ?? 'it cannot be written'} (${code})`;
}
