// How many file descriptors of this process guests may have.
import { descriptorLimit } from '../../base/descriptors.js';

/** Kept back from guests: for domain 0's connections, the journal's rewrite, and Node itself. */
const RESERVE = 64;

/** @returns how many connections guests may hold together */
export function guestDescriptors(): number {
  const limit = descriptorLimit();
  // With few descriptors the half of them.
  return Math.max(limit - RESERVE, limit >> 1);
}
