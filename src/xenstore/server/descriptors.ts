// The number of this process's file descriptors that guests may use.
import { descriptorLimit } from '../../base/descriptors.js';

/** Kept back from guests: for domain 0's connections, the journal's rewrite, and Node itself. */
export const DESCRIPTORS_FOR_DOMAIN_0 = 64;

/** @returns how many connections guests may hold together */
export function guestDescriptors(): number {
  const limit = descriptorLimit();
  // With few descriptors the half of them.
  return Math.max(limit - DESCRIPTORS_FOR_DOMAIN_0, limit >> 1);
}
