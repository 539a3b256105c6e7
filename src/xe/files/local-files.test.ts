// Files that a command of xe makes of what the host sends: whole, or not there.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Endpoint } from '../../xapi-client/endpoint.js';
import { localFiles } from './local-files.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-xe-files-'));
let answer: (response: ServerResponse) => void = () => {};
const server: Server = createServer((_, response) => answer(response));
beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const files = localFiles(
  () => ({ secure: false, host: '127.0.0.1', port: (server.address() as AddressInfo).port, insecure: false }) as Endpoint,
  () => {},
);

it('a download that the host breaks off leaves no file, and one that ends leaves it', async () => {
  const name = join(folder, 'export');
  answer = (response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half');
    setImmediate(() => response.destroy());
  };
  expect(await files.download(name, '/export')).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
  answer = (response) => response.end('whole');
  expect(await files.download(name, '/export')).toBe(true);
  expect(readFileSync(name, 'utf8')).toBe('whole');
  rmSync(name);
});

it('a file that is there stays as it was', async () => {
  const name = join(folder, 'there');
  writeFileSync(name, 'earlier');
  answer = (response) => response.end('new');
  await expect(files.download(name, '/export')).rejects.toThrow('Operation failed. Error: EEXIST');
  expect(readFileSync(name, 'utf8')).toBe('earlier');
  rmSync(name);
});

it('a file that may not grow is named as the reason, and is removed', async () => {
  answer = (response) => response.end('x'.repeat(100_000));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const module = new URL('./local-files.ts', import.meta.url).pathname;
  const script = join(folder, 'script.mts');
  writeFileSync(
    script,
    `import { localFiles } from ${JSON.stringify(module)};
const { hostname: host, port } = new URL(${JSON.stringify(url)});
const files = localFiles(() => ({ secure: false, host, port: Number(port), insecure: false }), () => {});
await files.download(${JSON.stringify(join(folder, 'large'))}, '/export').catch((error) => console.log(error.message));
`,
  );
  const bundle = join(folder, 'script.mjs');
  const { build } = await import('esbuild');
  await build({ entryPoints: [script], bundle: true, platform: 'node', format: 'esm', outfile: bundle, logLevel: 'error' });
  const child = spawn('sh', ['-c', 'ulimit -f 8; exec "$@"', 'sh', process.execPath, bundle], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += String(data);
  });
  await new Promise((done) => child.once('close', done));
  expect(said).toBe('Operation failed. Error: EFBIG: file too large, write\n');
  for (const name of ['script.mts', 'script.mjs']) rmSync(join(folder, name));
  expect(readdirSync(folder)).toEqual([]);
});
