// A VM's uuid: the domain's handle in Xen, and its place below /vm in XenStore.
import { createHash } from 'node:crypto';

/**
 * The same for the same name and seed, so that runs can be compared. Version 8: made by our own
 * rule.
 */
export function uuidOf(seed: number, name: string): string {
  const bytes = createHash('sha256').update(`${seed}\0${name}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function uuidBytes(uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
