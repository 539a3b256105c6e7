// How many file descriptors this process may have, and how many of them guests must leave.
import { readFileSync } from 'node:fs';

/** Kept back from guests: for domain 0's connections, the journal's rewrite, and Node itself. */
const RESERVE = 64;

/** @returns how many connections guests may hold together */
export function guestDescriptors(): number {
  let limit = 1024;
  try {
    limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? limit);
  } catch {
    // Not Linux, or no /proc: the usual limit.
  }
  // With few descriptors the half of them.
  return Math.max(limit - RESERVE, limit >> 1);
}
