// The protocol of the thin `xe`, with bytes written down from its description
// (xapi-cli-protocol/cli_protocol.ml of xen-api e2ee48d6): integers of 32 bits, lowest byte first;
// strings and messages with their length before them.
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { guestRefs, type TestDaemon, testDaemon, testFront, vmRecord } from '../../../test/support/daemon.js';
import { GREETING, int } from '../../../test/support/thin-cli.js';
import { parseUsers, userLine } from '../../xapi/calls/users.js';
import type { HttpOptions } from '../../xapi/http/http-server.js';
import { makeSelfSigned } from '../../xapi/http/self-signed.js';
import { thinCliOf } from './serve-thin-cli.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serving(options: Partial<HttpOptions> = {}, daemonOptions: Parameters<typeof testDaemon>[0] = {}) {
  const daemon = await testDaemon(daemonOptions);
  const front = await testFront(daemon, { thinCli: thinCliOf(daemon), ...options });
  ends.push(async () => {
    await front.close();
    await daemon.close();
  });
  return { daemon, port: front.port };
}

/** What a client of the protocol sees: the server's version, then a list of messages. */
interface Seen {
  readonly greeting: Buffer;
  readonly out: string;
  readonly error: string;
  readonly codes: readonly (readonly [code: string, ...params: string[]])[];
  readonly exit: number | null;
}

const requestOf = (words: readonly string[], head: readonly string[] = []): string => {
  const body = words.join('\n');
  return [
    'POST /cli HTTP/1.0',
    'User-agent: xe-cli/Unix/0.2',
    'originator: cli',
    ...head,
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
};

/** All that the server sends to a request and the client's greeting, until it closes. */
function exchange(socket: Socket, request: string, greeting: Buffer = GREETING): Promise<Buffer> {
  return new Promise((done, failed) => {
    const chunks: Buffer[] = [];
    let greeted = false;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // As xe does: it answers the server's greeting with its own.
      if (!greeted && greeting.length > 0) socket.write(greeting);
      greeted = true;
    });
    socket.on('error', failed);
    socket.on('end', () => socket.end());
    socket.on('close', () => done(Buffer.concat(chunks)));
    socket.write(request);
  });
}

function decode(bytes: Buffer): Seen {
  let at = GREETING.length;
  const number = (): number => {
    at += 4;
    return bytes.readInt32LE(at - 4);
  };
  const text = (): string => {
    const length = number();
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const seen = { out: '', error: '', codes: [] as [string, ...string[]][], exit: null as number | null };
  while (at < bytes.length) {
    const end = number() + at;
    expect(number(), 'a command').toBe(9);
    const tag = number();
    if (tag === 0) seen.out += `${text()}\n`;
    else if (tag === 16) seen.error += text();
    else if (tag === 4) seen.exit = number();
    else if (tag === 14) {
      const code = text();
      seen.codes.push([code, ...Array.from({ length: number() }, text)]);
    } else throw new Error(`tag ${tag}`);
    expect(at, 'the message ends where its length says').toBe(end);
  }
  return { greeting: bytes.subarray(0, GREETING.length), ...seen };
}

const LOGIN = ['username=root', 'password=null'];

async function xe(port: number, ...words: readonly string[]): Promise<Seen> {
  return decode(await exchange(connect(port, '127.0.0.1'), requestOf([...words, ...LOGIN])));
}

describe('POST /cli', () => {
  it('runs a command: no HTTP header comes back, but the protocol, its version, output and exit code', async () => {
    const { port, daemon } = await serving();
    const ref = (await daemon.call('VM.create', vmRecord('web'))) as string;
    const uuid = (await daemon.call('VM.get_uuid', ref)) as string;
    const bytes = await exchange(
      connect(port, '127.0.0.1'),
      requestOf(['vm-list', 'is-control-domain=false', 'params=uuid', '--minimal', ...LOGIN]),
    );
    const line = Buffer.from(uuid);
    expect(bytes).toEqual(
      Buffer.concat([...[GREETING, int(12 + line.length), int(9), int(0), int(line.length), line], ...[int(12), int(9), int(4), int(0)]]),
    );
  });

  it('has no more listeners at the connection for a long output than for a short one', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error) => void warnings.push(warning);
    process.on('warning', warned);
    ends.push(() => process.off('warning', warned));
    const { port, daemon } = await serving();
    for (let index = 0; index < 20; index++) await daemon.call('VM.create', vmRecord(`vm${index}`));
    const { out } = await xe(port, 'vm-list');
    expect(out.match(/^uuid/gm)!.length).toBeGreaterThan(20);
    expect(warnings).toEqual([]);
  });

  it("carries out the chart's flow: a mask, a start, and where the VM runs", async () => {
    const { port } = await serving();
    const uuid = (await xe(port, 'vm-create', 'name-label=db')).out.trim();
    expect((await xe(port, 'vm-param-set', `uuid=${uuid}`, 'VCPUs-params:mask=5,6')).exit).toBe(0);
    expect(await xe(port, 'vm-start', 'vm=db')).toMatchObject({ out: '', error: '', exit: 0 });
    expect((await xe(port, 'vm-param-get', `uuid=${uuid}`, 'param-name=power-state')).out).toBe('running\n');
  });

  it('tells failures on stderr, a code that xe has no sentence for as code and parameters, and exits with 1', async () => {
    const { port } = await serving();
    expect(await xe(port, 'vm-strat')).toMatchObject({ error: "Unknown command: vm-strat\nFor usage run: 'xe help'\n", exit: 1 });
    const uuid = (await xe(port, 'vm-create', 'name-label=db')).out.trim();
    expect(await xe(port, 'vm-param-get', `uuid=${uuid}`, 'param-name=nothing')).toMatchObject({
      codes: [['Missing parameter', 'nothing']],
      exit: 1,
    });
    expect((await xe(port, 'vm-shutdown', 'vm=db')).error).toMatch(/appropriate power state/);
  });

  it('lets nobody in without a password where users are kept, and says so as the host does', async () => {
    const users = parseUsers(await userLine('root', 'admin', 'secret'), 'users');
    const { port } = await serving({ loopbackNamesOnly: false }, { users: () => users });
    const of = async (...words: readonly string[]) => decode(await exchange(connect(port, '127.0.0.1'), requestOf(words)));
    expect(await of('vm-list')).toMatchObject({ error: "Username/password must be specified\nFor usage run: 'xe help'\n", exit: 1 });
    expect(await of('vm-list', ...LOGIN)).toMatchObject({ error: "Authentication failed\nFor usage run: 'xe help'\n", exit: 1 });
    expect(await of('vm-list', 'username=root', 'password=secret')).toMatchObject({ error: '', exit: 0 });
  });

  it('takes a session of the caller as its first line, and leaves it alive', async () => {
    const { port, daemon } = await serving();
    const of = async () =>
      decode(await exchange(connect(port, '127.0.0.1'), requestOf([`session_id=${daemon.session}`, 'host-list', '--minimal'])));
    expect((await of()).out).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await of()).exit).toBe(0);
  });

  it('goes over TLS as well', async () => {
    const { port } = await serving({ tls: await makeSelfSigned(['localhost']) });
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    expect(decode(await exchange(socket, requestOf(['host-list', '--minimal', ...LOGIN])))).toMatchObject({ exit: 0, error: '' });
  });

  it('reads a request that comes byte by byte, and bytes of the client that come too early', async () => {
    const { port } = await serving();
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    const all = exchange(socket, '', Buffer.alloc(0));
    for (const byte of Buffer.concat([Buffer.from(requestOf(['host-list', '--minimal', ...LOGIN])), GREETING])) {
      await new Promise<void>((done) => socket.write(Buffer.of(byte), () => setImmediate(done)));
    }
    expect(decode(await all)).toMatchObject({ exit: 0 });
  });
});

describe('commands of the real xe', () => {
  it('set memory in every form that xe has', async () => {
    const { port, daemon } = await serving();
    const uuid = (await xe(port, 'vm-create', 'name-label=db')).out.trim();
    const ref = (await daemon.call('VM.get_by_uuid', uuid)) as string;
    const limits = async () => {
      const record = (await daemon.call('VM.get_record', ref)) as Record<string, unknown>;
      return ['static_min', 'dynamic_min', 'dynamic_max', 'static_max'].map((name) => Number(record[`memory_${name}`]) / 2 ** 20);
    };
    const words = ['static-min=1GiB', 'dynamic-min=2GiB', 'dynamic-max=3GiB', 'static-max=4GiB'];
    expect(await xe(port, 'vm-memory-limits-set', `uuid=${uuid}`, ...words)).toMatchObject({ error: '', exit: 0 });
    expect(await limits()).toEqual([1024, 2048, 3072, 4096]);
    await xe(port, 'vm-memory-dynamic-range-set', 'vm=db', 'min=1536MiB', 'max=2048MiB');
    expect(await limits()).toEqual([1024, 1536, 2048, 4096]);
    await xe(port, 'vm-memory-static-range-set', 'vm=db', 'min=512MiB', 'max=8GiB');
    expect(await limits()).toEqual([512, 1536, 2048, 8192]);
    await xe(port, 'vm-memory-target-set', 'vm=db', 'target=1GiB');
    expect(await limits()).toEqual([512, 1024, 1024, 8192]);
    await xe(port, 'vm-memory-set', 'vm=db', 'memory=2GiB');
    expect(await limits()).toEqual([512, 2048, 2048, 2048]);
    expect((await xe(port, 'vm-memory-set', 'vm=db', 'memory=much')).error).toMatch(/^Error: Failed to parse field 'memory'/);
    expect((await xe(port, 'vm-memory-set', 'vm=db')).error).toBe("Required parameter not found: memory\nFor usage run: 'xe help'\n");
  });

  it('tell of data sources', async () => {
    const { port, daemon } = await serving();
    await xe(port, 'vm-create', 'name-label=db');
    await xe(port, 'vm-start', 'vm=db');
    daemon.rrds.read();
    const { out } = await xe(port, 'vm-data-source-list', 'vm=db');
    expect(out).toMatch(/^name_label {8,}: memory_numa_node_0\n/m);
    expect(out).toMatch(/^ +max: inf\n/m);
    expect(Number((await xe(port, 'vm-data-source-query', 'vm=db', 'data-source=memory')).out)).toBeGreaterThan(2 ** 27);
    expect(await xe(port, 'vm-data-source-forget', 'vm=db', 'data-source=memory')).toMatchObject({ exit: 0 });
    expect((await xe(port, 'vm-data-source-query', 'vm=db', 'data-source=memory')).exit).toBe(1);
    expect((await xe(port, 'host-data-source-query', 'data-source=running_domains')).out, 'with Domain-0').toBe('2.000000\n');
    expect(Number((await xe(port, 'host-compute-free-memory')).out)).toBeGreaterThan(2 ** 30);
  });

  it('of classes without objects: nothing is listed, and no uuid is known', async () => {
    const { port } = await serving();
    for (const name of ['vbd', 'vif', 'vlan', 'bond', 'pgpu', 'secret', 'message', 'certificate']) {
      expect(await xe(port, `${name}-list`), name).toMatchObject({ out: '', error: '', exit: 0 });
      expect(await xe(port, `${name}-list`, '--minimal'), name).toMatchObject({ out: '\n', exit: 0 });
    }
    expect(await xe(port, 'sr-param-get', 'uuid=none', 'param-name=type')).toMatchObject({
      error: expect.stringMatching(/^The uuid you supplied was invalid\.\ntype: SR\nuuid: none\n/) as unknown,
      exit: 1,
    });
  });
});

describe('POST /cli, refused', () => {
  const status = async (port: number, request: string): Promise<string> =>
    (await exchange(connect(port, '127.0.0.1'), request, Buffer.alloc(0))).toString('latin1').split('\r\n')[0]!;

  it('pages of browsers, other names of this machine, and requests past the bounds', async () => {
    const { port } = await serving();
    expect(await status(port, requestOf(['host-list'], ['Origin: http://evil.example']))).toMatch(/ 403 /);
    expect(await status(port, requestOf(['host-list'], ['Host: evil.example']))).toMatch(/ 403 /);
    expect(await status(port, 'POST /cli HTTP/1.0\r\n\r\n')).toMatch(/ 411 /);
    expect(await status(port, `POST /cli HTTP/1.0\r\ncontent-length: ${200 * 1024 + 1}\r\n\r\n`)).toMatch(/ 413 /);
    expect(await status(port, `POST /cli HTTP/1.0\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/ 431 /);
    expect((await xe(port, 'help', `x=${'y'.repeat(199 * 1024)}`)).exit).not.toBeNull();
  });

  it('a client of another version gets no command run', async () => {
    const { port, daemon } = await serving();
    const other = Buffer.concat([Buffer.from('XenSource thin CLI protocol'), int(1), int(0)]);
    const bytes = await exchange(connect(port, '127.0.0.1'), requestOf(['vm-create', 'name-label=x', ...LOGIN]), other);
    expect(bytes).toEqual(GREETING);
    expect(await guestRefs(daemon.call)).toEqual([]);
  });

  it('a client that has said all it will say still gets its answer', async () => {
    const { port } = await serving();
    const socket = connect(port, '127.0.0.1');
    const all = exchange(socket, '', Buffer.alloc(0));
    socket.end(Buffer.concat([Buffer.from(requestOf(['host-list', '--minimal', ...LOGIN])), GREETING]));
    expect(decode(await all)).toMatchObject({ exit: 0 });
  });

  it('a client that goes while its command waits leaves nothing waiting', async () => {
    const { port, daemon } = await serving();
    const socket = connect(port, '127.0.0.1');
    const gone = exchange(socket, requestOf(['event-wait', 'class=vm', 'name-label=never', ...LOGIN]));
    const waits = async (most: number) => {
      while (daemon.events.watchers !== most) await new Promise((done) => setTimeout(done, 10));
    };
    await waits(1);
    socket.destroy();
    await gone;
    await waits(0);
    expect(daemon.events.watchers).toBe(0);
  });
});

describe('a unix socket', () => {
  const onSocket = async (daemonOptions: Parameters<typeof testDaemon>[0] = {}): Promise<{ daemon: TestDaemon; path: string }> => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-unix-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    chmodSync(folder, 0o700);
    const path = join(folder, 'xapi');
    const { daemon } = await serving({ path, loopbackNamesOnly: false }, daemonOptions);
    expect(statSync(path).isSocket()).toBe(true);
    return { daemon, path };
  };

  it('is for root: any password fits, whatever users are kept', async () => {
    const users = parseUsers(await userLine('root', 'admin', 'secret'), 'users');
    const { path } = await onSocket({ users: () => users });
    expect(decode(await exchange(connect(path), requestOf(['vm-create', 'name-label=x', ...LOGIN])))).toMatchObject({ error: '', exit: 0 });
    expect(
      decode(
        await exchange(
          connect(path),
          requestOf(['vm-list', 'is-control-domain=false', 'params=name-label', '--minimal', 'username=', 'password=']),
        ),
      ),
    ).toMatchObject({
      out: 'x\n',
    });
  });

  it('carries the API too, as XenAPI.xapi_local() asks for it', async () => {
    const { path } = await onSocket({ users: () => new Map() });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.login_with_password', params: ['root', ''] });
    const text = await new Promise<string>((done, failed) => {
      const request = httpRequest({ socketPath: path, path: '/jsonrpc', method: 'POST' }, (response) => {
        response.setEncoding('utf8');
        let all = '';
        response.on('data', (chunk: string) => {
          all += chunk;
        });
        response.on('end', () => done(all));
      });
      request.on('error', failed);
      request.end(body);
    });
    expect(JSON.parse(text)).toMatchObject({ result: expect.stringMatching(/^OpaqueRef:/) as unknown });
  });
});
