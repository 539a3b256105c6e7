// The daemon as a user starts it: certificates given and generated, users who are added and removed
// while it runs, settings from a file and from the command line, and refused settings.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../src/xapi/http/self-signed.js';
import { root, xennuma } from './xennuma.js';

const HOST = join(root, 'examples/hosts/four-nodes.yaml');
const folder = mkdtempSync(join(tmpdir(), 'xennuma-serve-'));
const running: ChildProcess[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) await ended(child);
});
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const gone = new Promise<number | null>((done) => child.once('exit', done));
  child.kill('SIGTERM');
  return gone;
}

interface Started {
  readonly child: ChildProcess;
  readonly url: URL;
}

function serve(...words: string[]): Promise<Started> {
  return serveWith([], ...words);
}

async function serveWith(nodeWords: readonly string[], ...words: string[]): Promise<Started> {
  const child = spawn(process.execPath, [...nodeWords, 'dist/xennuma.js', 'serve', ...words], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  const url = await new Promise<string>((done, failed) => {
    let text = '';
    const look = (chunk: Buffer): void => {
      text += String(chunk);
      const found = /listening at (\S+)/.exec(text)?.[1];
      if (found !== undefined) done(found);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', () => failed(new Error(`serve ended: ${text}`)));
  });
  return { child, url: new URL(url) };
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly data: unknown };
}

/** @param ca a certificate that must be the server's; null = plain HTTP */
function call(url: URL, ca: string | null, method: string, ...params: unknown[]): Promise<Answer> {
  return new Promise((done, failed) => {
    const options = { host: '127.0.0.1', port: url.port, path: '/jsonrpc', method: 'POST' };
    const read = (response: NodeJS.ReadableStream): void => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      response.on('end', () => done(JSON.parse(text) as Answer));
    };
    const sent = ca === null ? request(options, read) : secureRequest({ ...options, ca }, read);
    sent.on('error', failed);
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  });
}

const login = (url: URL, ca: string | null, user: string, password: string) => call(url, ca, 'session.login_with_password', user, password);

function passwd(file: string, user: string, password: string, ...words: string[]): void {
  const { code, err } = xennuma(['serve', 'passwd', user, '--file', file, ...words], { input: `${password}\n` });
  expect([code, err]).toEqual([0, expect.stringMatching(new RegExp(`^${user} may `))]);
}

// A busy machine starts each process slowly.
describe('xennuma serve', { timeout: 240_000 }, () => {
  it('--tls-generate makes a certificate once and keeps it; its key is for this user alone', async () => {
    const state = join(folder, 'generated');
    const users = join(folder, 'generated-users');
    passwd(users, 'root', 'secret');
    const words = ['--host', HOST, '--state', state, '--users', users, '--tls-generate', '--listen', '127.0.0.1:0'];
    const first = await serve(...words);
    expect(first.url.protocol).toBe('https:');
    const certificate = readFileSync(join(state, 'tls-cert.pem'), 'utf8');
    expect((await login(first.url, certificate, 'root', 'secret')).result).toMatch(/^OpaqueRef:/);
    await expect(login(first.url, (await makeSelfSigned(['127.0.0.1'])).cert, 'root', 'secret')).rejects.toThrow(/self-signed|certificate/);
    expect(statSync(join(state, 'tls-key.pem')).mode & 0o077).toBe(0);
    expect(await ended(first.child)).toBe(0);
    const second = await serve(...words);
    expect(readFileSync(join(state, 'tls-cert.pem'), 'utf8')).toBe(certificate);
    expect((await login(second.url, certificate, 'root', 'secret')).result).toMatch(/^OpaqueRef:/);
  });

  it('a certificate that is given is used, also from a file of settings, whose paths are from its folder', async () => {
    const given = await makeSelfSigned(['127.0.0.1']);
    writeFileSync(join(folder, 'cert.pem'), given.cert);
    writeFileSync(join(folder, 'key.pem'), given.key);
    const config = join(folder, 'config.yaml');
    writeFileSync(config, `host: ${HOST}\nlisten: 127.0.0.1:1\ntls: { cert: cert.pem, key: key.pem }\n`);
    // Port 1 would be refused or taken: the command line goes first.
    const { url } = await serve('--config', config, '--listen', '127.0.0.1:0');
    expect(url.protocol).toBe('https:');
    expect((await login(url, given.cert, 'root', 'any')).result).toMatch(/^OpaqueRef:/);
  });

  it('users who are added while it runs may log in, and removed ones may not', async () => {
    const users = join(folder, 'users');
    passwd(users, 'root', 'secret');
    const { url } = await serve('--host', HOST, '--users', users, '--listen', '127.0.0.1:0');
    const refused = expect.objectContaining({ error: expect.objectContaining({ message: 'SESSION_AUTHENTICATION_FAILED' }) });
    expect(await login(url, null, 'eye', 'look')).toEqual(refused);
    passwd(users, 'eye', 'look', '--role', 'read-only');
    const session = (await login(url, null, 'eye', 'look')).result;
    expect((await call(url, null, 'session.get_is_local_superuser', session, session)).result).toBe(false);
    expect((await call(url, null, 'VM.create', session, {})).error?.message).toBe('RBAC_PERMISSION_DENIED');
    passwd(users, 'eye', '', '--remove');
    expect(await login(url, null, 'eye', 'look')).toEqual(refused);
    expect((await call(url, null, 'VM.get_all', session)).error?.message).toBe('SESSION_INVALID');
    expect((await login(url, null, 'root', 'secret')).result).toMatch(/^OpaqueRef:/);
  });

  it.each([
    ['no host', [], /which host\?.*--host FILE.*--on xen/],
    ['a real host without users', ['--on', 'xen'], /a real host needs users.*serve passwd/],
    [
      'an open address without users and TLS',
      ['--host', HOST, '--listen', '0.0.0.0:0'],
      /can be reached from other machines.*--users.*--tls/,
    ],
    ['an open address with TLS alone', ['--host', HOST, '--listen', '[::]:0', '--tls-generate'], /give --users FILE, or listen/],
    ['a certificate without its key', ['--host', HOST, '--tls-cert', 'a.pem'], /give both --tls-cert and --tls-key/],
    ['a file of users that is not there', ['--host', HOST, '--users', '/nonexistent/users'], /\/nonexistent\/users/],
    ['a file of users without any', ['--host', HOST, '--users', '/dev/null'], /there are no users in it/],
    ['an invalid port', ['--host', HOST, '--listen', '127.0.0.1:99999'], /expected an address and a port/],
  ] as [string, string[], RegExp][])('does not start with %s', (_what, words, message) => {
    const { code, out, err } = xennuma(['serve', ...words]);
    expect([code, out]).toEqual([2, '']);
    expect(err.replace(/\n/g, ' ')).toMatch(message);
  });

  it.each([
    ['an empty certificate', 'empty', 'key', /empty\.pem: expected a certificate in PEM/],
    ['an empty key', 'cert', 'empty', /empty\.pem: expected a private key in PEM/],
    ['the key of another certificate', 'cert', 'other', /other\.pem: the key does not belong to the certificate/],
  ] as const)('does not start with %s', async (_what, cert, key, message) => {
    const pair = await makeSelfSigned(['127.0.0.1']);
    const texts = { empty: '', cert: pair.cert, key: pair.key, other: (await makeSelfSigned(['127.0.0.1'])).key };
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, `${name}.pem`), text);
    const words = ['--tls-cert', join(folder, `${cert}.pem`), '--tls-key', join(folder, `${key}.pem`), '--listen', '127.0.0.1:0'];
    const { code, out, err } = xennuma(['serve', '--host', HOST, ...words]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('needs no native module while its state is in memory, and otherwise names the missing module', async () => {
    const hook = `export async function resolve(name, context, next) {
      if (name === 'better-sqlite3' || name === 'koffi') throw new Error(name + ' is not installed');
      return next(name, context);
    }`;
    writeFileSync(join(folder, 'hook.mjs'), hook);
    writeFileSync(join(folder, 'register.mjs'), "import { register } from 'node:module'; register('./hook.mjs', import.meta.url);");
    const without = ['--import', join(folder, 'register.mjs')];
    const { url } = await serveWith(without, '--host', HOST, '--listen', '127.0.0.1:0');
    const session = (await login(url, null, 'root', 'any')).result;
    expect((await call(url, null, 'VM.get_all', session)).result, 'Domain-0').toHaveLength(1);
    const words = ['--host', HOST, '--listen', '127.0.0.1:0', '--state', join(folder, 'no-driver')];
    await expect(serveWith(without, ...words)).rejects.toThrow(/better-sqlite3 .*leave out --state to keep the state in memory/s);
  });

  it('names the port in use, and the owner of a state folder', async () => {
    const state = join(folder, 'owned');
    const { url } = await serve('--host', HOST, '--state', state, '--listen', '127.0.0.1:0');
    const taken = xennuma(['serve', '--host', HOST, '--listen', `127.0.0.1:${url.port}`]);
    expect([taken.code, taken.err]).toEqual([2, expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${url.port} is in use`))]);
    const owned = xennuma(['serve', '--host', HOST, '--state', state, '--listen', '127.0.0.1:0']);
    expect([owned.code, owned.err]).toEqual([2, expect.stringMatching(/state/)]);
  });
});

describe('--unix', () => {
  const login = (path: string) =>
    new Promise<Answer>((done, failed) => {
      const asking = request({ socketPath: path, path: '/jsonrpc', method: 'POST' }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += String(chunk);
        });
        response.on('end', () => done(JSON.parse(text) as Answer));
      });
      asking.on('error', failed);
      asking.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.login_with_password', params: ['root', ''] }));
    });

  it('listens there for root, takes what a killed daemon left, and leaves nothing behind', async () => {
    const path = join(folder, 'xapi');
    const words = ['--host', HOST, '--listen', '127.0.0.1:0', '--unix', path] as const;
    const first = await serve(...words);
    expect(statSync(path).mode & 0o077, 'nobody else may open it').toBe(0);
    expect((await login(path)).result).toMatch(/^OpaqueRef:/);
    expect(xennuma(['serve', ...words])).toMatchObject({ code: 2, err: expect.stringContaining(path) as unknown });
    expect((await login(path)).result, 'the first still serves it').toMatch(/^OpaqueRef:/);
    const gone = new Promise((done) => first.child.once('exit', done));
    first.child.kill('SIGKILL');
    await gone;
    const second = await serve(...words);
    expect((await login(path)).result).toMatch(/^OpaqueRef:/);
    expect(await ended(second.child)).toBe(0);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('is refused at a path that is longer than a socket can have, rather than cut', () => {
    const path = join(folder, 'x'.repeat(107 - folder.length));
    const words = ['serve', '--host', HOST, '--listen', '127.0.0.1:0', '--unix'];
    expect(xennuma([...words, path])).toMatchObject({ code: 2, err: expect.stringContaining('at most 107 bytes') as unknown });
    expect(statSync(path.slice(0, 107), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('never replaces a file that is not a socket', () => {
    const path = join(folder, 'precious');
    writeFileSync(path, 'data');
    const refused = xennuma(['serve', '--host', HOST, '--listen', '127.0.0.1:0', '--unix', path]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('not a socket') as unknown });
    expect(readFileSync(path, 'utf8')).toBe('data');
  });
});
