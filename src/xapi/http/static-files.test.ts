// The folder behind GET, and web pages of other origins, over HTTP as browsers speak it.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { testDaemon, testFront } from '../../../test/support/daemon.js';
import { parseOrigin } from './origins.js';
import { pagesOf } from './pages.js';
import { openStaticFiles } from './static-files.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

let folder: string;
let www: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-www-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  www = join(folder, 'www');
  mkdirSync(join(www, 'assets'), { recursive: true });
  mkdirSync(join(www, 'empty'));
  writeFileSync(join(www, 'index.html'), '<!doctype html><title>lite</title>');
  writeFileSync(join(www, 'assets', 'index.html'), 'inner');
  writeFileSync(join(www, 'assets', 'app-1.js'), 'export {}');
  writeFileSync(join(www, 'assets', 'ä b%.css'), 'a{}');
  writeFileSync(join(www, 'large.bin'), Buffer.alloc(300_000, 7));
  writeFileSync(join(www, '.hidden'), 'hidden');
  writeFileSync(join(folder, 'secret'), 'secret');
  symlinkSync(join(folder, 'secret'), join(www, 'link'));
  symlinkSync(folder, join(www, 'up'));
  symlinkSync('index.html', join(www, 'home.html'));
});

async function serving(options: { readonly origins?: readonly string[]; readonly bare?: true } = {}) {
  const daemon = await testDaemon();
  const files = options.bare === true ? {} : { files: await openStaticFiles(www) };
  const front = await testFront(daemon, { ...files, origins: options.origins ?? [], pages: pagesOf(daemon, null, true) });
  ends.push(async () => {
    await front.close();
    await daemon.close();
  });
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET', body = ''): Promise<Answer> =>
    new Promise((done, failed) => {
      const sent = request({ host: '127.0.0.1', port: front.port, path, headers, method, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => done({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }));
      });
      sent.on('error', failed);
      sent.end(body);
    });
  return { daemon, ask, port: front.port };
}

describe('a folder of files', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', '<!doctype html><title>lite</title>'],
    ['/?a=b', 'text/html; charset=utf-8', '<!doctype html><title>lite</title>'],
    ['/index.html', 'text/html; charset=utf-8', '<!doctype html><title>lite</title>'],
    ['/home.html', 'text/html; charset=utf-8', '<!doctype html><title>lite</title>'],
    ['/assets/', 'text/html; charset=utf-8', 'inner'],
    ['/assets/app-1.js', 'text/javascript; charset=utf-8', 'export {}'],
    ['/assets//app-1.js', 'text/javascript; charset=utf-8', 'export {}'],
    ['/assets/%C3%A4%20b%25.css', 'text/css; charset=utf-8', 'a{}'],
  ])('GET %s', async (path, type, body) => {
    const { ask } = await serving();
    const answer = await ask(path);
    expect([answer.status, answer.headers['content-type'], answer.body.toString()]).toEqual([200, type, body]);
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' });
    const head = await ask(path, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.headers.etag, head.body.length]).toEqual([
      200,
      String(Buffer.byteLength(body)),
      answer.headers.etag,
      0,
    ]);
  });

  it.each([
    ['/nothing', 404],
    ['/empty/', 404],
    ['/.hidden', 404],
    ['/index.html/', 404],
    ['/link', 403],
    ['/up/secret', 403],
    ['/up/', 403],
    ['/%2e%2e/secret', 404],
    ['/assets/..%2f..%2fsecret', 403],
    ['/..%5csecret', 403],
    ['/%00', 403],
    ['/%zz', 403],
  ])('GET %s is refused', async (path, status) => {
    const { ask } = await serving();
    const answer = await ask(path);
    expect([answer.status, answer.body.includes('secret')]).toEqual([status, false]);
  });

  it('a path that no URL parser has made plain does not leave the folder', async () => {
    const { port } = await serving();
    const text = await new Promise<string>((done, failed) => {
      let all = '';
      const socket = connect(port, '127.0.0.1', () =>
        socket.write('GET /../secret HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'),
      );
      socket.on('data', (chunk) => {
        all += chunk.toString();
      });
      socket.on('end', () => done(all));
      socket.on('error', failed);
    });
    expect(text).toMatch(/^HTTP\/1\.1 40[34] /);
    expect(text).not.toMatch(/^secret$/m);
  });

  it('a folder without its slash is asked again with it, on this server', async () => {
    const { ask } = await serving();
    const answer = await ask('/assets?x=1');
    expect([answer.status, answer.headers.location]).toEqual([301, '/assets/?x=1']);
    // With two slashes it would be another host's.
    expect((await ask('//assets')).headers.location).toBe('/assets/');
    expect((await ask('//[')).status).toBe(404);
  });

  it('is not sent again to a browser that has it, and is when it changed', async () => {
    const { ask } = await serving();
    const path = '/assets/app-1.js';
    const { etag, 'last-modified': modified } = (await ask(path)).headers as Record<string, string>;
    const known = await ask(path, { 'if-none-match': `"other", W/${etag}` });
    expect([known.status, known.body.length, known.headers.etag]).toEqual([304, 0, etag]);
    expect((await ask(path, { 'if-modified-since': modified! })).status).toBe(304);
    expect((await ask(path, { 'if-none-match': '"other"', 'if-modified-since': modified! })).status).toBe(200);
    writeFileSync(join(www, 'new.js'), 'export 1');
    utimesSync(join(www, 'new.js'), new Date(), new Date(Date.parse(modified!) + 5000));
    renameSync(join(www, 'new.js'), join(www, path));
    expect((await ask(path, { 'if-none-match': etag! })).body.toString()).toBe('export 1');
    expect((await ask(path, { 'if-modified-since': modified! })).status).toBe(200);
  });

  it('leaves calls and pages where they are, and takes no calls for files', async () => {
    const { ask, daemon } = await serving();
    expect((await ask('/large.bin')).body.length).toBe(300_000);
    expect((await ask('/host_rrd')).headers['content-type']).toBe('text/xml');
    expect((await ask('/jsonrpc')).status).toBe(405);
    expect((await ask('/index.html', {}, 'POST')).status).toBe(404);
    expect((await ask('/index.html', {}, 'DELETE')).status).toBe(404);
    // A client may have read an answer to its end before the daemon hears that it is sent.
    await vi.waitFor(() => expect(daemon.ledger.held('calls')).toBe(0));
  });

  it('that is none is an error at start', async () => {
    await expect(openStaticFiles(join(folder, 'secret'))).rejects.toThrow(/is no folder that can be read/);
    await expect(openStaticFiles(join(folder, 'nowhere'))).rejects.toThrow(/is no folder that can be read/);
  });

  it('that is not given leaves GET as it was', async () => {
    const { ask } = await serving({ bare: true });
    expect([(await ask('/')).status, (await ask('/index.html')).status]).toEqual([405, 404]);
  });
});

describe('/json', () => {
  it('is XML-RPC, as on a host', async () => {
    const { ask, daemon } = await serving();
    const call = `<methodCall><methodName>host.get_all</methodName><params><param><value>${daemon.session}</value></param></params></methodCall>`;
    const answer = await ask('/json', {}, 'POST', call);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/xml']);
    expect(answer.body.toString()).toContain(daemon.objects.host);
  });
});

describe('web pages of other origins', () => {
  const ORIGIN = 'https://admin.example:8443';
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.login_with_password', params: ['root', 'x'] });

  it('may not call', async () => {
    const { ask } = await serving();
    for (const method of ['OPTIONS', 'POST', 'GET']) {
      const answer = await ask('/jsonrpc', { origin: ORIGIN }, method, method === 'POST' ? call : '');
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([403, undefined]);
    }
  });

  it('may when their origin is allowed, and only then', async () => {
    const { ask } = await serving({ origins: [ORIGIN, 'http://other.example'] });
    const question = await ask('/jsonrpc', { origin: ORIGIN, 'access-control-request-headers': 'content-type' }, 'OPTIONS');
    expect(question.status).toBe(204);
    expect(question.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-headers': 'content-type, X-Requested-With',
      'access-control-allow-methods': 'POST, OPTIONS',
      vary: 'Origin',
    });
    const answer = await ask('/jsonrpc', { origin: ORIGIN }, 'POST', call);
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, ORIGIN]);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ result: expect.stringMatching(/^OpaqueRef:/) as unknown });
    expect((await ask('/rrd_updates?start=0&host=true', { origin: 'http://other.example' })).headers['access-control-allow-origin']).toBe(
      'http://other.example',
    );
    // Whoever asks without an origin is told nothing of them.
    expect((await ask('/jsonrpc', {}, 'OPTIONS')).headers).not.toHaveProperty('access-control-allow-origin');
    for (const near of ['https://admin.example', 'http://admin.example:8443', 'https://admin.example:8443.evil.example', 'null']) {
      expect((await ask('/jsonrpc', { origin: near }, 'POST', call)).status, near).toBe(403);
    }
    expect((await ask('/cli', { origin: ORIGIN }, 'POST', 'help')).status, 'no door for pages').toBe(404);
  });

  it('of the same origin need no permission, and OPTIONS says what a path takes', async () => {
    const { ask, port } = await serving();
    const own = await ask('/jsonrpc', { origin: `http://127.0.0.1:${port}` }, 'OPTIONS');
    expect([own.status, own.headers.allow]).toEqual([204, 'POST, OPTIONS']);
    expect((await ask('/', {}, 'OPTIONS')).headers.allow).toBe('GET, HEAD, POST, OPTIONS');
  });

  it.each(['admin.example', 'https://admin.example/app', 'ftp://admin.example', 'https://me@admin.example', 'null', '*'])(
    '%s is no origin',
    (text) => {
      expect(() => parseOrigin(text)).toThrow(/is not an origin/);
    },
  );

  it('an origin is compared in its plain form', () => {
    expect([parseOrigin('https://Admin.Example:443/'), parseOrigin('http://[::1]:80')]).toEqual(['https://admin.example', 'http://[::1]']);
  });
});
