// What each release of Xen has: xen/include/public/domctl.h and sysctl.h of 4.13 to 4.22.
import { describe, expect, test } from 'vitest';
import {
  DOMCTL_VERSIONS,
  interfaceOf,
  interfaceVersion,
  nearestVersion,
  packVersion,
  SYSCTL_VERSIONS,
  unpackVersion,
} from './interface-version.js';

/** XEN_DOMCTL_INTERFACE_VERSION, XEN_SYSCTL_INTERFACE_VERSION. */
const NUMBERS = [
  ['4.13', 0x12, 0x12],
  ['4.14', 0x12, 0x13],
  ['4.15', 0x13, 0x13],
  ['4.16', 0x14, 0x14],
  ['4.17', 0x15, 0x15],
  ['4.18', 0x16, 0x15],
  ['4.19', 0x17, 0x15],
  ['4.20', 0x17, 0x15],
  ['4.21', 0x17, 0x16],
  ['4.22', 0x18, 0x16],
] as const;

test.each(NUMBERS)('Xen %s has domctl %i and sysctl %i', (version, domctl, sysctl) => {
  expect(interfaceVersion(version)).toMatchObject({ major: 4, minor: Number(version.slice(2)), domctl, sysctl });
});

/**
 * Offsets in xen_domctl_createdomain: emulation_flags, cpupool_id, grant_opts; XEN_DOMCTL_CDF_MASK.
 */
const CREATE_DOMAIN = [
  ['4.13', 44, -1, -1, 0x3f],
  ['4.14', 44, -1, -1, 0x3f],
  ['4.15', 48, -1, -1, 0x7f],
  ['4.16', 52, -1, 44, 0xff],
  ['4.17', 56, 52, 44, 0xff],
  ['4.18', 56, 52, 44, 0xff],
  ['4.19', 60, 56, 44, 0xff],
  ['4.20', 60, 56, 44, 0xff],
  ['4.21', 60, 56, 44, 0x1ff],
  ['4.22', 60, 56, 44, 0x1ff],
] as const;

test.each(CREATE_DOMAIN)('createdomain of Xen %s', (version, emulationFlagsAt, cpupoolAt, grantOptsAt, createFlags) => {
  expect(interfaceVersion(version)).toMatchObject({ emulationFlagsAt, cpupoolAt, grantOptsAt, createFlags });
});

/** sizeof(xen_domctl_getdomaininfo), and the offset of total_pages in xen_sysctl_physinfo. */
const SIZES = [
  ['4.15', 104, 32],
  ['4.16', 112, 32],
  ['4.17', 112, 40],
  ['4.22', 112, 40],
] as const;

test.each(SIZES)('getdomaininfo and physinfo of Xen %s', (version, domainInfoBytes, physinfoPagesAt) => {
  expect(interfaceVersion(version)).toMatchObject({ domainInfoBytes, physinfoPagesAt, gpaddrBits: domainInfoBytes === 112 });
});

test('what changed in behaviour with 4.17 and 4.18', () => {
  expect(interfaceVersion('4.16')).toMatchObject({ limitedPools: false, nextDomain: true, shortDomainNames: false });
  expect(interfaceVersion('4.17')).toMatchObject({ limitedPools: true, nextDomain: true, shortDomainNames: false });
  expect(interfaceVersion('4.18')).toMatchObject({ limitedPools: true, nextDomain: false, shortDomainNames: true });
});

describe('names of versions', () => {
  test.each(['4.17.7', '4.17.7-pre', '4.17-rc1', '4.17.2.1'])('%s is 4.17', (name) => {
    expect(interfaceVersion(name).minor).toBe(17);
  });
  test.each(['4.12', '4.23', '5.17', '4', '4.17x', 'v4.17', '4.017 '])('%s is not known', (name) => {
    expect(() => interfaceVersion(name)).toThrowError(`Xen version '${name}' is not known here`);
  });
});

test('the version query: 4.17 is 0x40011', () => {
  expect(packVersion({ major: 4, minor: 17 })).toBe(0x4_0011);
  expect(unpackVersion(0x4_0011)).toEqual({ major: 4, minor: 17 });
});

test('every number once, newest first', () => {
  expect(DOMCTL_VERSIONS).toEqual([0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12]);
  expect(SYSCTL_VERSIONS).toEqual([0x16, 0x15, 0x14, 0x13, 0x12]);
});

describe('structures by interface numbers', () => {
  test("of its own release, when the numbers are the release's", () => {
    expect(interfaceOf(19, 0x17, 0x15)).toEqual(interfaceVersion('4.19'));
    expect(interfaceOf(14, 0x12, 0x13)).toEqual(interfaceVersion('4.14'));
  });
  test('of the newest release with the numbers, for a release that is not known or that was patched', () => {
    expect(interfaceOf(30, 0x17, 0x16)).toMatchObject({ minor: 30, createFlags: 0x1ff, cpupoolAt: 56 });
    expect(interfaceOf(17, 0x14, 0x13)).toMatchObject({ minor: 17, domctl: 0x14, sysctl: 0x13, cpupoolAt: -1, physinfoPagesAt: 32 });
    expect(interfaceOf(13, 0x16, 0x15)).toMatchObject({ minor: 13, domctl: 0x16, nextDomain: false, physinfoPagesAt: 40 });
  });
});

test.each<readonly [string, string]>([
  ['3.4', '4.13'],
  ['4.4', '4.13'],
  ['4.12', '4.13'],
  ...NUMBERS.map(([version]) => [version, version] as const),
  ['4.23', '4.22'],
  ['5.0', '4.22'],
])('the version nearest to Xen %s is %s', (version, nearest) => {
  expect(nearestVersion(version)).toBe(nearest);
  expect(interfaceVersion(nearest).minor).toBe(Number(nearest.slice(2)));
});
