// File descriptors of this process: how many it may have, and how many it has.
import { readdirSync, readFileSync } from 'node:fs';
import { InputError } from './errors.js';

/** Where it cannot be found out. */
const USUAL_LIMIT = 1024;

export function descriptorLimit(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? USUAL_LIMIT);
  } catch {
    // Not Linux, no /proc, or no descriptor left to read it with.
    return limitOfReport();
  }
}

/** Takes some milliseconds, and no descriptor. */
function limitOfReport(): number {
  // Newer than the types of Node 20.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return Number(userLimits?.open_files?.soft) || USUAL_LIMIT;
}

export function descriptorsInUse(): number {
  try {
    // The folder itself is one of them.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}

/** For a limit under which nothing can be done. */
export function tooFewDescriptors(): InputError {
  return new InputError(
    `${descriptorLimit()} file descriptors are too few`,
    {},
    'allow 1024: ulimit -n 1024, or LimitNOFILE of the service',
  );
}
