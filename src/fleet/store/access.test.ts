// What a fleet is reached with: servers, keys as NATS makes them, and certificate authorities.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { makeSelfSigned } from '../../xapi/http/self-signed.js';
import { checkAccess, seedOfAccess, serversOf } from './access.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-access-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const file = join(folder, 'file');
  writeFileSync(file, text);
  return file;
}

describe('servers', () => {
  it.each([
    ['nats://a', [['nats', 'a:4222']]],
    ['tls://a.b:1/', [['tls', 'a.b:1']]],
    [
      'nats://[::1]:5, nats://10.0.0.1',
      [
        ['nats', '[::1]:5'],
        ['nats', '10.0.0.1:4222'],
      ],
    ],
  ])('%s', (url, expected) => {
    expect(serversOf({ url }).map(({ scheme, server }) => [scheme, server])).toEqual(expected);
  });

  it.each(['', 'a', 'nats://', 'nats://a,', 'nats://a/b', 'nats://user@a', 'nats://a:65536', 'ws://a'])("refuses '%s'", (url) => {
    expect(() => checkAccess({ url })).toThrow(InputError);
  });
});

describe('keys', () => {
  const seeds = Array.from({ length: 20 }, () => new TextDecoder().decode(nkeys.createUser().getSeed()));
  const read = (text: string) => new TextDecoder().decode(seedOfAccess({ url: '', keyFile: fileOf(text) })!);

  it('is none in a fleet without keys', () => {
    expect(seedOfAccess({ url: '' })).toBeNull();
  });

  it.each(seeds)('takes a seed of NATS: %s', (seed) => {
    expect(read(`${seed}\n`)).toBe(seed);
    expect(read(`-----BEGIN USER NKEY SEED-----\r\n${seed}\r\n------END USER NKEY SEED------\r\n`)).toBe(seed);
  });

  it('notices each other letter and each letter too few or too many', () => {
    const seed = seeds[0]!;
    // The last letter is half padding.
    for (let at = 2; at < seed.length - 1; at++) {
      const other = seed[at] === 'A' ? 'B' : 'A';
      expect(() => read(`${seed.slice(0, at)}${other}${seed.slice(at + 1)}`), `at ${at}`).toThrow(/checksum is wrong/);
      expect(() => read(`${seed.slice(0, at)}${seed.slice(at + 1)}`), `without ${at}`).toThrow(/checksum is wrong/);
    }
    expect(() => read(`${seed}A`)).toThrow(/checksum is wrong/);
    expect(() => read(seed.toLowerCase())).toThrow(/expected the seed of an nkey/);
  });

  it('takes no public key, and no seed of another kind', () => {
    expect(() => read(nkeys.createUser().getPublicKey())).toThrow(/expected the seed of an nkey/);
    expect(() => read(new TextDecoder().decode(nkeys.createAccount().getSeed()))).toThrow(/expected the seed of an nkey/);
  });
});

describe('authorities', () => {
  const check = (text: string) => checkAccess({ url: 'tls://a', caFile: fileOf(text) });

  it('takes one certificate and several, and refuses a file in which one is spoilt', async () => {
    const [one, other] = [(await makeSelfSigned(['a'])).cert, (await makeSelfSigned(['b'])).cert];
    expect(() => check(one)).not.toThrow();
    expect(() => check(`# ours\n${one}\n${other}`)).not.toThrow();
    expect(() => check(`${one}\n${other.replace(/\n[^-].*\n/, '\n')}`)).toThrow(/expected certificates in PEM/);
    expect(() => check((one + other).slice(0, -40))).toThrow(/expected certificates in PEM/);
  });

  it('refuses a private key alone; TLS passes over one beside a certificate', async () => {
    const { cert, key } = await makeSelfSigned(['a']);
    expect(() => check(key)).toThrow(/expected a certificate in PEM/);
    expect(() => check(key + cert)).not.toThrow();
  });
});
