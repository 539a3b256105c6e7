// What test/fleet/faults.test.ts and its processes agree on.
export const HOST_NODES = 2;
export const NODE_MIB = 10_000;
export const LEASE_MS = 3000;
export const MARGIN_MS = 1000;
