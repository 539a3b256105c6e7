// Hostile bytes at the listeners: the process lives, keeps no more than it may, and answers others.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentServer } from '../../src/live/agent/agent-server.js';
import type { PlaceAgent } from '../../src/live/agent/place-agent.js';
import { cases } from '../support/cases.js';
import { HostileBytes } from '../support/hostile-bytes.js';
import { type StartedServe, startServe } from '../support/serve-process.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SEED = Number(process.env.XENNUMA_SEED ?? 1);
const TOGETHER = 20;
/** A connection that the server keeps open is closed by the client. */
const OPEN_MS = 300;

type Address = { readonly port: number; readonly host: string } | { readonly path: string };

/** Some of the bytes come in pieces. */
function send(address: Address, bytes: string, pieces: number): Promise<void> {
  return new Promise((done) => {
    const socket = connect(address);
    const timer = setTimeout(() => socket.destroy(), OPEN_MS);
    socket.resume().on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timer);
      done();
    });
    socket.once('connect', () => {
      const step = Math.ceil(bytes.length / pieces) || 1;
      for (let at = 0; at < bytes.length; at += step) socket.write(bytes.slice(at, at + step), 'latin1');
      if (pieces === 1) socket.end();
    });
  });
}

async function attack(address: Address, paths: readonly string[], requests: number): Promise<void> {
  for (let at = 0; at < requests; at += TOGETHER) {
    const sent = Array.from({ length: TOGETHER }, (_, one) => {
      const hostile = new HostileBytes(SEED * 1_000_003 + at + one);
      return send(address, hostile.http(paths), hostile.random.chance(30) ? 50 : 1);
    });
    await Promise.all(sent);
  }
}

describe('serve', () => {
  let serve: StartedServe;
  const rssMib = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${serve.child.pid}/status`, 'latin1'))![1]) / 1024;
  beforeAll(async () => {
    serve = await startServe(join(folder, 'state'), { env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=192' } });
  });
  afterAll(async () => {
    const closed = new Promise((done) => serve.child.once('close', done));
    serve.child.kill('SIGTERM');
    await closed;
  });

  const PATHS = [
    '/',
    '/jsonrpc',
    '/RPC2',
    '/cli',
    '/events',
    '/rrd_updates?start=-1&cf=',
    '/host_rrd',
    '/vm_rrd?uuid=__proto__',
    '/metrics',
  ];
  const MORE = ['/export_metadata?uuid=%00', '/import_metadata', '/page/data', '/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '//', '*'];

  it('goes on after hostile requests, and answers a client in between', async () => {
    const total = cases(1000, 20_000);
    for (let part = 0; part < 5; part++) {
      await attack({ host: '127.0.0.1', port: serve.port }, [...PATHS, ...MORE], total / 5);
      expect(await serve.call('host.get_all')).toHaveLength(1);
    }
    expect(serve.child.exitCode).toBeNull();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(rssMib()).toBeLessThan(600);
    expect(serve.log()).not.toMatch(/TypeError|RangeError|ReferenceError|"level":[56]0|[^\P{Cc}\n]/u);
  }, 600_000);
});

it('the agent goes on after hostile requests, and places the next domain', async () => {
  const agent = { place: () => ({ verdict: 'placed', cpus: '0-7' }) } as unknown as PlaceAgent;
  const lines: string[] = [];
  const server = agentServer(agent, (line) => void lines.push(line));
  const path = join(folder, 'agent');
  await new Promise<void>((done) => server.listen(path, done));
  await attack({ path }, ['/place?domid=5&mib=1', '/place?domid=__proto__&mib=1e3', '/place', '/', '*'], cases(300, 5000));
  const answer = await fetchFrom(path, '/place?domid=77&mib=1');
  expect(answer).toContain('placed 0-7');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(400);
  server.closeAllConnections();
  server.close();
}, 120_000);

function fetchFrom(path: string, target: string): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect(path, () => socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`));
    let text = '';
    socket.on('data', (data: Buffer) => {
      text += String(data);
    });
    socket.once('close', () => done(text)).once('error', failed);
  });
}
