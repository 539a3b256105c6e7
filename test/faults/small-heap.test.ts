// Many users at once on a daemon with 64 descriptors and 128 MiB of heap: each has sessions, asks
// for large answers on all connections it gets, and reads none of them. The daemon lives, and the
// owner's calls go through.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { cheapUser } from '../support/cheap-user.js';
import { vmRecord } from '../support/daemon.js';
import { root } from '../xennuma.js';

const program = join(root, 'dist/xennuma.js');
const OWNER = '127.0.0.1';
const READERS = Array.from({ length: 20 }, (_, index) => ({ name: `reader-${index}`, address: `127.0.2.${index + 1}` }));
/** One answer of about 9 MB: as many as there are connections do not fit into the heap. */
const VMS = 150;
const DESCRIPTION = 'x'.repeat(60_000);

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function served(): Promise<{ port: number; fate: () => string }> {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-heap-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const lines = [cheapUser('root', 'admin', 'x'), ...READERS.map(({ name }) => cheapUser(name, 'read-only', 'x'))];
  writeFileSync(join(folder, 'users'), `${lines.join('\n')}\n`, { mode: 0o600 });
  const limited = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--max-old-space-size=128', program];
  const words = ['serve', '--host', join(root, 'examples/hosts/two-sockets.xml'), '--state', join(folder, 'state')];
  const child = spawn('sh', [...limited, ...words, '--users', join(folder, 'users'), '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  ends.push(() => child.kill('SIGKILL'));
  let log = '';
  let fate = 'lives';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + String(chunk)).slice(-2000);
  });
  child.once('close', (code, signal) => {
    fate = `ended with ${code ?? signal}: ${log}`;
  });
  const port = await new Promise<number>((done, failed) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /:(\d+)\n/.exec(String(chunk));
      if (found !== null) done(Number(found[1]));
    });
    child.once('close', () => failed(new Error(fate)));
  });
  return { port, fate: () => fate };
}

function post(port: number, localAddress: string, method: string, params: readonly unknown[]): Promise<unknown> {
  return new Promise((done, failed) => {
    const options = { host: '127.0.0.1', localAddress, port, path: '/jsonrpc', method: 'POST', agent: false };
    const sent = request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      response.on('end', () => {
        const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string } };
        if (error === undefined) done(result);
        else failed(new Error(error.message));
      });
    });
    sent.on('error', failed);
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  });
}

/** Four ways to ask for everything. */
function requestsOf(session: unknown): string[] {
  const call = (method: string, ...params: unknown[]): string => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [session, ...params] });
    return `POST /jsonrpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  };
  const xml = `<methodCall><methodName>VM.get_all_records</methodName><params><param><value>${String(session)}</value></param></params></methodCall>`;
  return [
    call('VM.get_all_records'),
    call('event.from', ['*'], '', 1),
    `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${xml.length}\r\n\r\n${xml}`,
    `GET /web/snapshot HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${String(session)}\r\n\r\n`,
  ];
}

it.skipIf(!existsSync(program))('many users who read nothing of large answers do not end the daemon', { timeout: 240_000 }, async () => {
  const { port, fate } = await served();
  const owner = await post(port, OWNER, 'session.login_with_password', ['root', 'x']);
  for (let index = 0; index < VMS; index++) {
    await post(port, OWNER, 'VM.create', [owner, vmRecord(`vm-${index}`, { name_description: DESCRIPTION })]);
  }
  const sessions: unknown[] = [];
  for (const { name, address } of READERS) sessions.push(await post(port, address, 'session.login_with_password', [name, 'x']));
  for (const [index, { address }] of READERS.entries()) {
    for (const text of requestsOf(sessions[index])) {
      const socket = connect({ host: '127.0.0.1', port, localAddress: address });
      ends.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.pause();
      socket.write(text);
    }
  }
  for (let call = 0; call < 20; call++) {
    expect(await post(port, OWNER, 'pool.get_all', [owner]).catch(() => fate())).toHaveLength(1);
    await new Promise((done) => setTimeout(done, 100));
  }
  const records = (await post(port, OWNER, 'VM.get_all_records', [owner])) as Record<string, { name_description: string }>;
  expect(Object.values(records).filter((vm) => vm.name_description === DESCRIPTION)).toHaveLength(VMS);
  expect(fate()).toBe('lives');
});
