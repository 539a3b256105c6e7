// The daemon as a user starts it: certificates given and generated, users who are added and removed
// while it runs, settings from a file and from the command line, and refused settings.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterEach, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../src/xapi/http/self-signed.js';
import { root, xennuma } from './xennuma.js';

const HOST = join(root, 'examples/hosts/four-nodes.yaml');
const folder = mkdtempSync(join(tmpdir(), 'xennuma-serve-'));
const nobody = join(folder, 'no-users');
writeFileSync(nobody, '', { mode: 0o600 });
const SEED = new TextDecoder().decode(nkeys.createUser().getSeed());
const [cutKey, typoKey, spoiltCa] = [join(folder, 'cut.nk'), join(folder, 'typo.nk'), join(folder, 'spoilt.pem')];
writeFileSync(cutKey, SEED.slice(0, -6));
writeFileSync(
  typoKey,
  SEED.replace(/.{9}$/, (end) => `${end.startsWith('A') ? 'B' : 'A'}${end.slice(1)}`),
);
writeFileSync(spoiltCa, '-----BEGIN CERTIFICATE-----\nc3BvaWx0\n-----END CERTIFICATE-----\n');
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
    child.once('close', (code) => failed(new Error(`serve ended with ${code}: ${text}`)));
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
    const certificateFiles = await makeSelfSigned(['127.0.0.1']);
    writeFileSync(join(folder, 'cert.pem'), certificateFiles.cert);
    writeFileSync(join(folder, 'key.pem'), certificateFiles.key);
    const config = join(folder, 'config.yaml');
    writeFileSync(config, `host: ${HOST}\nlisten: 127.0.0.1:1\ntls: { cert: cert.pem, key: key.pem }\n`);
    // Port 1 would be refused or taken: the command line goes first.
    const { url } = await serve('--config', config, '--listen', '127.0.0.1:0');
    expect(url.protocol).toBe('https:');
    expect((await login(url, certificateFiles.cert, 'root', 'any')).result).toMatch(/^OpaqueRef:/);
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
    ['a file of users without any', ['--host', HOST, '--users', nobody], /there are no users in it/],
    ['a device in the place of the file of users', ['--host', HOST, '--users', '/dev/null'], /is not a regular file/],
    ['an invalid port', ['--host', HOST, '--listen', '127.0.0.1:99999'], /expected an address and a port/],
  ] as [string, string[], RegExp][])('does not start with %s', (_what, words, message) => {
    const { code, out, err } = xennuma(['serve', ...words]);
    expect([code, out]).toEqual([2, '']);
    expect(err.replace(/\n/g, ' ')).toMatch(message);
  });

  it.each([
    ['a fleet URL of another scheme', ['--fleet', 'http://127.0.0.1:4222'], /--fleet: expected nats:\/\/host:port, got 'http:/],
    ['a fleet URL with a bad port', ['--fleet', 'nats://a:70000'], /--fleet: expected nats:\/\/host:port/],
    ['one bad fleet URL of several', ['--fleet', 'nats://a,b'], /--fleet: expected nats:\/\/host:port, got 'b'/],
    [
      'a fleet key that is missing',
      ['--fleet', 'nats://a', '--fleet-key', '/nonexistent/a.nk'],
      /\/nonexistent\/a\.nk: there is no such file/,
    ],
    ['a fleet key that is no seed', ['--fleet', 'nats://a', '--fleet-key', nobody], /no-users: expected the seed of an nkey.*fleet join/],
    ['a fleet key that was cut', ['--fleet', 'nats://a', '--fleet-key', cutKey], /cut\.nk: the seed of the nkey is incomplete or mistyped/],
    [
      'a fleet key with a wrong letter',
      ['--fleet', 'nats://a', '--fleet-key', typoKey],
      /typo\.nk: the seed of the nkey is incomplete or mistyped/,
    ],
    [
      'a fleet authority that is missing',
      ['--fleet', 'tls://a', '--fleet-ca', '/nonexistent/ca'],
      /\/nonexistent\/ca: there is no such file/,
    ],
    ['a fleet authority that is no certificate', ['--fleet', 'tls://a', '--fleet-ca', nobody], /no-users: expected a certificate in PEM/],
    ['a fleet authority that is spoilt', ['--fleet', 'tls://a', '--fleet-ca', spoiltCa], /spoilt\.pem: expected certificates in PEM/],
  ] as [string, string[], RegExp][])('does not start with %s', async (_what, words, message) => {
    const ending = await serve('--host', HOST, '--listen', '127.0.0.1:0', ...words).catch(String);
    expect(ending).toMatch(/serve ended with 2:/);
    expect(ending).toMatch(message);
  });

  it('checks the fleet of a file of settings too, whose paths are from its folder', async () => {
    const config = join(folder, 'fleet.yaml');
    writeFileSync(config, `host: ${HOST}\nlisten: 127.0.0.1:0\nfleet: { urls: 'nats://127.0.0.1:1', key: missing.nk }\n`);
    const message = `serve ended with 2: xennuma: ${join(folder, 'missing.nk')}: there is no such file`;
    await expect(serve('--config', config)).rejects.toThrow(message);
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
    // The built command is one file that requires its packages.
    const hook = `import Module from 'node:module';
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      if (name === 'better-sqlite3' || name === 'koffi') throw new Error(name + ' is not installed');
      return resolve.call(this, name, ...rest);
    };`;
    writeFileSync(join(folder, 'register.mjs'), hook);
    const without = ['--import', join(folder, 'register.mjs')];
    const { url } = await serveWith(without, '--host', HOST, '--listen', '127.0.0.1:0');
    const session = (await login(url, null, 'root', 'any')).result;
    expect((await call(url, null, 'VM.get_all', session)).result, 'Domain-0 and the templates').not.toHaveLength(0);
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

describe('a pool of several hosts', () => {
  const two = [
    '--host',
    HOST,
    '--host',
    join(root, 'examples/hosts/two-nodes.xl-info.txt'),
    join(root, 'examples/hosts/two-nodes.xenpm.txt'),
  ];

  it('is one daemon: xe, verify and /metrics know each host', async () => {
    const { url } = await serve(...two, '--listen', '127.0.0.1:0');
    const xe = (...words: string[]) => xennuma(['xe', '-s', '127.0.0.1', '-p', url.port, '--nossl', '-u', 'root', '-pw', 'x', ...words]);
    expect(xe('host-list', 'params=name-label', '--minimal').out).toBe('four-nodes,dom0\n');
    const vm = xe('vm-install', 'template-name-label=Other install media', 'new-name-label=web').out.trim();
    expect(xe('vm-start', 'vm=web', 'on=dom0').code).toBe(0);
    const home = () => {
      const uuid = xe('vm-param-get', `uuid=${vm}`, 'param-name=resident-on').out.trim();
      return xe('host-list', `uuid=${uuid}`, 'params=name-label', '--minimal').out.trim();
    };
    expect(home()).toBe('dom0');
    const verify = (host: string, ...files: string[]) =>
      xennuma(['verify', '--pool', url.origin, '-u', 'root', '--pool-host', host, '--host', ...files, '--json'], { input: 'x\n' });
    const judged = JSON.parse(verify('dom0', ...two.slice(3)).out) as { vms: { vm: string; state: string }[] };
    expect(judged.vms).toContainEqual(expect.objectContaining({ vm: 'web', state: 'ok' }));
    expect(xe('vm-migrate', 'vm=web', 'host=four-nodes').code).toBe(0);
    expect(home()).toBe('four-nodes');
    const metrics = await (await fetch(new URL('/metrics', url))).text();
    expect(metrics).toMatch(/^numa_nodes\{uuid="[^"]+",name="web",host="four-nodes"\} 4$/m);
    expect(metrics).not.toMatch(/name="web",host="dom0"/);
    const shown = (await (await fetch(new URL('/web/snapshot', url))).json()) as { hosts: { map: { name: string } }[] };
    expect(shown.hosts.map(({ map }) => map.name)).toEqual(['four-nodes', 'dom0']);
    const plan = await fetch(new URL('/web/workload?host=0', url));
    expect(((await plan.json()) as { vms: unknown[] }).vms).toHaveLength(1);
    expect((await fetch(new URL('/web/workload?host=2', url))).status).toBe(404);
    // Taken out of the pool.
    const uuid = xe('host-list', 'name-label=dom0', '--minimal').out.trim();
    expect(xe('pool-eject', `host-uuid=${uuid}`)).toMatchObject({ code: 1, err: expect.stringContaining('--force') });
    expect(xe('pool-eject', `host-uuid=${uuid}`, '--force').code).toBe(0);
    expect(xe('host-list', 'params=name-label', '--minimal').out).toBe('four-nodes\n');
  });

  it('is refused with a host that is given twice', () => {
    const { code, err } = xennuma(['serve', ...two, '--host', join(root, 'examples/hosts/four-nodes.yaml'), '--listen', '127.0.0.1:0']);
    expect([code, err]).toEqual([2, expect.stringContaining("the host 'four-nodes' is given twice")]);
  });

  it('is no member of a fleet', () => {
    const { code, err } = xennuma(['serve', ...two, '--fleet', 'nats://127.0.0.1:1', '--listen', '127.0.0.1:0']);
    expect([code, err]).toEqual([2, expect.stringContaining('a pool of several hosts cannot be a member of a fleet')]);
  });
});
