// The daemon's settings: precedence, and paths in a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { isLoopback, parseListen } from '../answers/serve-run.js';
import { readSettings, type ServeCommandLine } from './serve-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const config = join(folder, 'config.yaml');
const written = (value: unknown): string => {
  writeFileSync(config, JSON.stringify(value));
  return config;
};

const DEFAULTS = {
  host: null,
  on: null,
  xen: null,
  scheduler: null,
  profile: 'xapi-25.6',
  seed: 1,
  state: null,
  listen: '127.0.0.1:8080',
  unix: null,
  www: null,
  origins: [],
  tls: null,
  users: null,
  limits: {},
  fleet: null,
};

describe('settings', () => {
  it('nothing given: the defaults', () => {
    expect(readSettings({})).toEqual(DEFAULTS);
    expect(readSettings({ config: written({}) })).toEqual(DEFAULTS);
  });

  it('paths in the file are relative to its folder; those on the command line stay unchanged', () => {
    const file = written({
      host: 'h.yaml',
      state: 'state',
      unix: 'xapi',
      www: 'w',
      origins: ['http://a'],
      users: '/etc/users',
      tls: { cert: 'c.pem', key: 'sub/k.pem' },
    });
    expect(readSettings({ config: file })).toEqual({
      ...DEFAULTS,
      host: [join(folder, 'h.yaml')],
      state: join(folder, 'state'),
      unix: join(folder, 'xapi'),
      www: join(folder, 'w'),
      origins: ['http://a'],
      users: '/etc/users',
      tls: { cert: join(folder, 'c.pem'), key: join(folder, 'sub/k.pem') },
    });
    const commandLine = {
      config: file,
      host: ['a.yaml', 'b.yaml'],
      state: 's',
      unix: 'x',
      www: 'v',
      origin: ['http://b'],
      users: 'u',
      tlsGenerate: true,
    };
    const changed = { unix: 'x', www: 'v', origins: ['http://b'], users: 'u' };
    expect(readSettings(commandLine)).toEqual({ ...DEFAULTS, ...changed, host: ['a.yaml', 'b.yaml'], state: 's', tls: 'generate' });
    expect(readSettings({ config: file, tlsCert: 'x', tlsKey: 'y' }).tls).toEqual({ cert: 'x', key: 'y' });
  });

  it("the host of the command line is not mixed with the file's", () => {
    expect(readSettings({ config: written({ on: 'xen' }), host: ['h.yaml'] })).toMatchObject({ host: ['h.yaml'], on: null });
    expect(readSettings({ config: written({ host: 'h.yaml' }), on: 'xen' })).toMatchObject({ host: null, on: 'xen' });
    expect(readSettings({ config: written({ on: 'xen' }) })).toMatchObject({ host: null, on: 'xen' });
  });

  it('precedence of each setting: the command line, then the file, then the default', () => {
    const settings = fc.record(
      {
        xen: fc.constantFrom('4.17', '4.19'),
        scheduler: fc.constantFrom('credit' as const, 'credit2' as const),
        profile: fc.constantFrom('xapi-25.6' as const, 'xapi-26.3' as const),
        seed: fc.nat(1000),
        listen: fc.constantFrom('127.0.0.1:1', '[::1]:2'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(settings, settings, (commandLine: ServeCommandLine, file) => {
        expect(readSettings({ ...commandLine, config: written(file) })).toEqual({ ...DEFAULTS, ...file, ...commandLine });
      }),
      { seed: 20261125, numRuns: 200 },
    );
  });

  it('a fleet: from the file, and each part from the command line before it', () => {
    const file = written({ fleet: { urls: 'nats://a', key: 'k', name: 'xen-1', tags: ['ssd'] } });
    const fromFile = { urls: 'nats://a', access: { fleetKey: join(folder, 'k') }, name: 'xen-1', tags: ['ssd'] };
    expect(readSettings({ config: file }).fleet).toEqual(fromFile);
    expect(readSettings({ config: file, fleet: 'nats://b', fleetKey: 'o', fleetCa: 'c', fleetName: 'n', fleetTag: ['t'] }).fleet).toEqual({
      urls: 'nats://b',
      access: { fleetKey: 'o', fleetCa: 'c' },
      name: 'n',
      tags: ['t'],
    });
  });

  it('limits come only from the file, tested on both sides of their bounds', () => {
    const limits = { requestsPerSecond: 1, burst: 10_000_000, connections: 65_535, callsAtOnce: 1, sessionIdleSeconds: 31_536_000 };
    expect(readSettings({ config: written({ limits }) }).limits).toEqual(limits);
    for (const [name, value] of Object.entries({ requestsPerSecond: 0, connections: 65_536, sessionIdleSeconds: 31_536_001, burst: 1.5 })) {
      expect(() => readSettings({ config: written({ limits: { [name]: value } }) })).toThrow(
        expect.objectContaining({ name: 'InputError' }),
      );
    }
  });

  it.each([
    ['an unknown setting', { colour: 'red' }],
    ['another host', { on: 'kvm' }],
    ['more than 256 host files', { host: Array.from({ length: 257 }, () => 'a') }],
    ['a certificate without its key', { tls: { cert: 'a' } }],
    ['a malformed version', { xen: '4' }],
  ])('%s is refused, and the file is named', (_what, value) => {
    expect(() => readSettings({ config: written(value) })).toThrow(
      expect.objectContaining({ name: 'InputError', place: expect.objectContaining({ file: config }) }),
    );
  });
});

describe('where to listen', () => {
  it.each([
    ['127.0.0.1:0', '127.0.0.1', 0, true],
    ['[::1]:65535', '::1', 65_535, true],
    ['localhost:8080', 'localhost', 8080, true],
    ['127.9.9.9:80', '127.9.9.9', 80, true],
    ['0.0.0.0:443', '0.0.0.0', 443, false],
    ['[::]:443', '::', 443, false],
    ['xcp-1:443', 'xcp-1', 443, false],
  ])('%s', (text, address, port, loopback) => {
    expect(parseListen(text)).toEqual({ address, port });
    expect(isLoopback(address)).toBe(loopback);
  });

  it.each(['8080', '127.0.0.1', '127.0.0.1:65536', '::1:80', '127.0.0.1:', ':80', 'a b:80'])('%s is refused', (text) => {
    expect(() => parseListen(text)).toThrow(/expected an address and a port/);
  });
});
