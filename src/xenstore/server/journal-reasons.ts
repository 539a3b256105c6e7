// Why the state file cannot be written, in words for the log.

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

export function reasonOf(code: string): string {
  const REASONS: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EIO: 'the disk fails',
    ESTALE: 'it was moved, removed or replaced: put it back, or let SIGUSR2 write it anew where nothing is',
  };
  return `${REASONS[code] ?? 'it cannot be written'} (${code})`;
}
