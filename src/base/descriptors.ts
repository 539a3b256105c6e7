// File descriptors of this process: how many it may have, and how many it has.
import { readdirSync, readFileSync } from 'node:fs';

/** Where it cannot be found out. */
const USUAL_LIMIT = 1024;

export function descriptorLimit(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? USUAL_LIMIT);
  } catch {
    // Not Linux, or no /proc.
    return USUAL_LIMIT;
  }
}

export function descriptorsInUse(): number {
  try {
    // The folder itself is one of them.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}
