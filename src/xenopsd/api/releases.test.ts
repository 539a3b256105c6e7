import { describe, expect, it } from 'vitest';
import { PROFILES } from './profiles.js';
import { profileOfHost } from './releases.js';

const of = (software: Record<string, string>) => profileOfHost(software, PROFILES);

// The boundaries are those of xen-api's tags: see the sources in releases.ts.
describe('the profile of a host', () => {
  it.each([
    ['1.249.41', 'xapi-25.6', false],
    ['24.19.2', 'xapi-25.6', false],
    ['25.5.9', 'xapi-25.6', false],
    ['25.6.0', 'xapi-25.6', true],
    ['25.19.0', 'xapi-25.6', true],
    ['25.20.0', 'xapi-25.21', false],
    ['25.21.0', 'xapi-25.21', true],
    ['25.23.0', 'xapi-25.21', true],
    ['25.24.0', 'xapi-25.33', true],
    ['25.33.1', 'xapi-25.33', true],
    ['25.38.0', 'xapi-25.33', true],
    ['25.39.0', 'xapi-25.39', true],
    ['26.0.0', 'xapi-26.2', false],
    ['26.1.3', 'xapi-26.2', true],
    ['26.1.4', 'xapi-26.1', true],
    ['26.1.19', 'xapi-26.1', true],
    ['26.2.0', 'xapi-26.2', true],
    ['26.3.0', 'xapi-26.3', true],
    ['26.17.0', 'xapi-26.3', true],
    ['100.0.0', 'xapi-26.3', true],
  ])('xapi %s is %s (exactly: %s)', (xapi_build, profile, exact) => {
    expect(of({ xapi_build })).toEqual({ profile, exact, source: `xapi ${xapi_build}` });
  });

  it('reads versions as tags and packages write them, and the short form of old hosts', () => {
    expect(of({ xapi_build: 'v25.33.1-2.xs8' }).profile).toBe('xapi-25.33');
    expect(of({ xapi: '1.20' }).profile).toBe('xapi-25.6');
    // The exact version wins over the short one.
    expect(of({ xapi: '1.20', xapi_build: '26.4.0' }).profile).toBe('xapi-26.3');
    expect(of({ xapi: '25.60000' }).source).toBe('no known version');
  });

  it('falls back to the release, by brand and version', () => {
    expect(of({ product_brand: 'XCP-ng', product_version: '8.3.0' })).toEqual({
      profile: 'xapi-25.6',
      exact: false,
      source: 'XCP-ng 8.3.0',
    });
    expect(of({ product_brand: 'XCP-ng', product_version: '8.30.0' }).source).toBe('no known version');
    expect(of({ product_brand: 'XenServer', product_version: '8.3.0' }).source).toBe('no known version');
  });

  it('takes the profile that xennuma serve reports, if there is one of that name', () => {
    expect(of({ xennuma_profile: 'xapi-26.3', xapi_build: '25.6.0' })).toEqual({
      profile: 'xapi-26.3',
      exact: true,
      source: 'xennuma serve',
    });
    expect(of({ xennuma_profile: 'toString', xapi_build: '25.6.0' }).source).toBe('xapi 25.6.0');
  });
});
