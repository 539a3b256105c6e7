import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { checkExposure, isLoopback, parseListen, readDaemonConfig } from './config.js';
import { DEFAULT_PORT } from './default-port.js';

const read = (text: string) => readDaemonConfig({ file: '/etc/xennuma/config.yaml', text });
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof InputError) return error.toString();
    throw error;
  }
  throw new Error('it was accepted');
};

describe('the configuration of the daemon', () => {
  it('fills in defaults, and takes paths from the folder of the file', () => {
    const config = read('host: host.xml\nstate: /var/lib/xennuma\n');
    expect(config).toMatchObject({
      host: '/etc/xennuma/host.xml',
      state: '/var/lib/xennuma',
      listen: `127.0.0.1:${DEFAULT_PORT}`,
      policy: 'default_policy',
      metrics: true,
    });
    expect(config.limits.requestBytes).toBe(1_048_576);
  });

  it('takes a real host with users and TLS', () => {
    const config = read('on: xen\nlisten: "0.0.0.0:443"\nusers: users\ntls: {cert: c.pem, key: k.pem}\nlimits: {sessions: 5}\n');
    expect(config).toMatchObject({
      on: 'xen',
      users: '/etc/xennuma/users',
      tls: { cert: '/etc/xennuma/c.pem', key: '/etc/xennuma/k.pem' },
      limits: { sessions: 5 },
    });
  });

  it.each([
    ['{}', /expected host or on/],
    ['host: a\non: xen', /either host or on/],
    ['on: kvm', /:1: on: expected xen/],
    ['on: xen\nxen: "4.17"', /:2: xen: the version of a real Xen/],
    ['host: a\nlisten: 127.0.0.1', /:2: listen: expected ADDRESS:PORT/],
    ['host: a\nlisten: "127.0.0.1:65536"', /expected ADDRESS:PORT/],
    ['host: a\nlisten: "0.0.0.0:80"', /no users/],
    ['host: a\nlisten: "0.0.0.0:80"\nusers: u', /no TLS/],
    ['host: a\ntls: generate', /needs a folder/],
    ['host: a\ntls: {cert: c}', /cert and key/],
    ['host: a\nlimits: {requestBytes: 1023}', /requestBytes/],
    ['host: a\nlimits: {sessions: 100001}', /sessions/],
    ['host: a\nport: 80', /port/],
  ])('refuses %j', (text, why) => {
    expect(refusal(text)).toMatch(why);
  });

  it('knows addresses and which of them only this machine reaches', () => {
    expect(parseListen('[::1]:0')).toEqual({ address: '::1', port: 0 });
    expect(parseListen('localhost:65535')).toEqual({ address: 'localhost', port: 65_535 });
    for (const bad of ['', ':80', '::1:80', 'a b:80', '1.2.3.4:', 'http://a:80']) expect(parseListen(bad), bad).toBeNull();
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example'].map(isLoopback)).toEqual([false, false, false, false]);
    expect(() => checkExposure({ listen: '[::]:80' })).toThrow(InputError);
  });

  it('reads the example that is shipped', () => {
    const file = join(fileURLToPath(new URL('../../packaging', import.meta.url)), 'config.yaml');
    expect(readDaemonConfig({ file, text: readFileSync(file, 'utf8') }).state).toBe('/var/lib/xennuma');
  });
});
