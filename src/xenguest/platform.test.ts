import { beforeEach, describe, expect, it } from 'vitest';
import { decodeAffinity } from '../machine/affinity-key.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { createXenstore } from '../xenstore/in-process.js';
import { getFlags, xenstoreNumber } from './platform.js';

describe('numbers in XenStore, as xenguest reads them', () => {
  it.each<[string | null, bigint]>([
    [null, 0n],
    ['', 0n],
    ['true', 1n],
    ['TRUE', 1n],
    ['False', 0n],
    ['8', 8n],
    ['010', 8n],
    ['0x1f', 31n],
    ['0X1F', 31n],
    ['  7', 7n],
    ['+7', 7n],
    ['-1', (1n << 64n) - 1n],
    ['12abc', 12n],
    ['09', 0n],
    ['0x', 0n],
    ['yes', 0n],
    ['18446744073709551615', (1n << 64n) - 1n],
    ['18446744073709551616', 0n],
  ])('%j is %d', (text, value) => expect(xenstoreNumber(text)).toBe(value));
});

describe('get_flags', () => {
  let xs: XenstoreConnection;
  beforeEach(() => {
    xs = createXenstore({ personality: 'xenstored' }).connect(0);
  });
  const write = (keys: Record<string, string>) =>
    Promise.all(Object.entries(keys).map(([key, value]) => xs.write(`/local/domain/3/platform/${key}`, value)));

  it('reads the existing keys, and leaves a vCPU without a key alone', async () => {
    await write({ 'vcpu/number': '3', 'vcpu/current': '2', 'vcpu/0/affinity': '1100', 'vcpu/2/affinity': '', 'vcpu/weight': '65792' });
    const flags = await getFlags(xs, 3, true);
    expect(flags).toMatchObject({ vcpus: 3, vcpusCurrent: 2, affinity: ['1100', null, ''], cap: 0, hpet: true });
    expect(flags.weight, 'a uint16_t').toBe(65792 % 65536);
  });

  it('gives an empty domain no vCPUs', async () => {
    expect(await getFlags(xs, 3, false)).toMatchObject({ vcpus: 0, affinity: [], nomigrate: false, timeoffsetS: 0n });
  });

  it('rewrites the flags of hvmloader', async () => {
    await write({ acpi: 'true', acpi_s3: '0x2' });
    expect((await getFlags(xs, 3, true)).acpi).toBe(true);
    expect(await xs.read('/local/domain/3/platform/acpi')).toBe('1');
    expect(await xs.read('/local/domain/3/platform/acpi_s3')).toBe('1');
    expect(await xs.read('/local/domain/3/platform/acpi_s4')).toBe('0');
  });

  it('cannot migrate with nested virtualisation, by either name of the key', async () => {
    await write({ 'exp-nested-hvm': 'true' });
    expect(await getFlags(xs, 3, true)).toMatchObject({ nestedVirt: true, nomigrate: true });
    await write({ 'nested-virt': '0' });
    expect(await getFlags(xs, 3, true)).toMatchObject({ nestedVirt: false, nomigrate: false });
  });

  it('refuses cores-per-socket that does not divide the vCPUs, in an HVM container only', async () => {
    await write({ 'vcpu/number': '3', 'cores-per-socket': '2' });
    await expect(getFlags(xs, 3, true)).rejects.toThrow('Bad cores/socket setting: 2 (nr vcpus 3)');
    expect((await getFlags(xs, 3, false)).coresPerSocket).toBe(0);
    await write({ 'vcpu/number': '4' });
    expect((await getFlags(xs, 3, true)).coresPerSocket).toBe(2);
  });

  it('takes 8192 vCPUs and no more', async () => {
    await write({ 'vcpu/number': '8192' });
    expect((await getFlags(xs, 3, true)).affinity).toHaveLength(8192);
    await write({ 'vcpu/number': '8193' });
    await expect(getFlags(xs, 3, true)).rejects.toThrow('8193');
    await write({ 'vcpu/number': '-1' });
    await expect(getFlags(xs, 3, true)).rejects.toThrow('-1');
  });
});

describe('affinity strings', () => {
  it('sets the CPUs with the character 1, and no others', () => {
    expect(decodeAffinity('0110', 4)).toEqual([1, 2]);
    expect(decodeAffinity('1x2 1', 8)).toEqual([0, 4]);
    expect(decodeAffinity('', 8)).toEqual([]);
  });
  it('covers the CPUs that the host numbers', () => {
    expect(decodeAffinity('1'.repeat(40), 4)).toEqual([0, 1, 2, 3]);
    expect(decodeAffinity('1'.repeat(9), 9)).toHaveLength(9);
  });
});
