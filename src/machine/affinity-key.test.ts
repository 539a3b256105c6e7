import { expect, it } from 'vitest';
import { affinityKey, decodeAffinity, encodeAffinity, platformPath } from './affinity-key.js';

it('lies below the platform folder of the domain, by the number of the vCPU', () => {
  expect(`${platformPath(7)}/${affinityKey(3)}`).toBe('/local/domain/7/platform/vcpu/3/affinity');
});

it('has one character for each pCPU, starting with pCPU 0', () => {
  expect(encodeAffinity([], 4)).toBe('0000');
  expect(encodeAffinity([0, 3], 4)).toBe('1001');
  expect(encodeAffinity([3, 0], 4)).toBe('1001');
});

it("is read as in C: only '1' counts, and characters past the host's CPUs are ignored", () => {
  expect(decodeAffinity('1001')).toStrictEqual([0, 3]);
  expect(decodeAffinity('1001', 3)).toStrictEqual([0]);
  expect(decodeAffinity('1001', 8)).toStrictEqual([0, 3]);
  expect(decodeAffinity('2x 1-')).toStrictEqual([3]);
  expect(decodeAffinity('')).toStrictEqual([]);
});
