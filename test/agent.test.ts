// The shim of `xennuma agent` with a stand-in for the domain builder: what the builder gets, and
// that no state of the agent keeps a start from going on.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocketServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, xennuma } from './xennuma.js';

/** As xenopsd calls the builder of an HVM guest. */
const CONTROL = ['-controloutfd', '3', '-controlinfd', '4', '-debuglog', 'a b', '-mode', 'hvm_build', '-image', '/x/hvmloader'];
const BUILD = [...CONTROL, '-domid', '7', '-store_port', '1', '-mem_max_mib', '2048', '-mem_start_mib', '1024', '-fork', 'true'];

let folder: string;
let shim: string;
let socket: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-agent-'));
  [shim, socket] = [join(folder, 'lib/xenguest/xennuma'), join(folder, 'agent.sock')];
  const builder = join(folder, 'builder');
  // Says on the control file what it was given, one word a line, and repeats what comes in.
  writeFileSync(builder, '#!/bin/sh\nprintf "%s\\n" "$@" >&3\nread line <&4\necho "result:$line" >&3\nexit 5\n');
  chmodSync(builder, 0o755);
  const { code, out } = xennuma(['agent', '--install', '--shim', shim, '--builder', builder, '--socket', socket]);
  expect(code).toBe(0);
  expect(out).toContain('platform:xenguest=xennuma');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the shim with control files; its environment has only a PATH. */
function build(words: readonly string[], path = process.env.PATH ?? ''): Promise<{ code: number | null; said: string; ms: number }> {
  return new Promise((resolve) => {
    const began = performance.now();
    const child = spawn(shim, words, { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'], env: { PATH: path } });
    let said = '';
    (child.stdio[3] as NodeJS.ReadableStream).on('data', (data: Buffer) => {
      said += data.toString();
    });
    (child.stdio[4] as NodeJS.WritableStream).write('continue\n');
    child.once('close', (code) => resolve({ code, said, ms: performance.now() - began }));
  });
}

const listening = (server: Server | ReturnType<typeof createServer>) =>
  new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
const closed = (server: Server | ReturnType<typeof createServer>) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
  });

describe('the shim', () => {
  it('is a POSIX script that can be run', () => {
    expect(statSync(shim).mode & 0o777).toBe(0o755);
    expect(spawnSync('sh', ['-n', shim]).status).toBe(0);
    expect(readFileSync(shim, 'utf8')).not.toMatch(/@[A-Z]+@/);
  });

  it('asks the agent, and becomes the builder with its words, control files and exit code', async () => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url!);
      response.end('placed 0-3\n');
    });
    await listening(server);
    const { code, said } = await build(BUILD);
    await closed(server);
    expect(requests).toEqual(['/place?domid=7&mib=1024']);
    expect(said).toBe(`${BUILD.join('\n')}\nresult:continue\n`);
    expect(code).toBe(5);
  });

  it.each([
    ['-supports', ['-supports', 'migration-v2']],
    ['restore', [...CONTROL.slice(0, 6), '-mode', 'hvm_restore', '-domid', '7', '-mem_start_mib', '1024']],
    ['save', [...CONTROL.slice(0, 6), '-mode', 'hvm_save', '-domid', '7']],
    ['a build without a size', [...CONTROL, '-domid', '7']],
    ...['', '7#', '../place?domid=7', '7&domid=8', '-7', '7 ', '7\n', '{1,2}', '٧', '0x7', '%37'].flatMap((odd): [string, string[]][] => [
      [`the domain ${JSON.stringify(odd)}`, [...CONTROL, '-domid', odd, '-mem_start_mib', '1024']],
      [`the size ${JSON.stringify(odd)}`, [...CONTROL, '-domid', '7', '-mem_start_mib', odd]],
    ]),
  ])('%s passes through without a question', async (_, words) => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end();
    });
    await listening(server);
    const { code, said } = await build(words);
    await closed(server);
    expect([requests, code, said]).toEqual([0, 5, `${words.join('\n')}\nresult:continue\n`]);
  });

  it('goes on without an agent, without curl, and with a socket that nobody listens to', async () => {
    expect(await build(BUILD)).toMatchObject({ code: 5 });
    const server = createSocketServer();
    await listening(server);
    expect(await build(BUILD, '/nowhere:/bin/../nowhere')).toMatchObject({ code: 5 });
    await closed(server);
    expect(await build(BUILD)).toMatchObject({ code: 5 });
  });

  it.each([
    ['says nothing', () => {}],
    ['ends the connection', (client: { destroy: () => void }) => client.destroy()],
    [
      'sends garbage for ever',
      (client: { write: (text: string) => void; on: (name: string, then: () => void) => void }) => {
        client.on('error', () => {});
        const timer = setInterval(() => client.write('x\n'), 20);
        client.on('close', () => clearInterval(timer));
      },
    ],
  ])(
    'goes on when the agent %s',
    async (_, then) => {
      const server = createSocketServer((client) => {
        client.on('error', () => {});
        then(client);
      });
      await listening(server);
      const { code, said, ms } = await build(BUILD);
      expect([code, said]).toEqual([5, `${BUILD.join('\n')}\nresult:continue\n`]);
      if (process.env.XENNUMA_TIMES !== undefined) console.log(`${_}: ${Math.round(ms)} ms`);
      server.close();
    },
    60_000,
  );
});

describe('the agent as a member of a fleet', () => {
  it.each([
    ['a URL of another scheme', ['--fleet', 'http://a'], "--fleet: expected nats://host:port, got 'http://a'"],
    ['a key file that is missing', ['--fleet', 'nats://a', '--fleet-key', '/nonexistent/a.nk'], '/nonexistent/a.nk: there is no such file'],
    ['a key that is no seed', ['--fleet', 'nats://a', '--fleet-key', '/dev/null'], '/dev/null: expected the seed of an nkey'],
    ['an authority that is no certificate', ['--fleet', 'tls://a', '--fleet-ca', '/dev/null'], '/dev/null: expected a certificate'],
  ] as [string, string[], string][])('refuses %s before it opens Xen', (_what, words, message) => {
    const { code, out, err } = xennuma(['agent', '--socket', join(folder, 'member.sock'), ...words]);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(message)]);
    expect(existsSync(join(folder, 'member.sock'))).toBe(false);
  });
});

describe('its installation', () => {
  it.each([
    ['7.29.0', 2, /with curl 7\.40 or newer \(--unix-socket\), and here is 7\.29\.0; install a newer curl/],
    ['7.39.0', 2, /here is 7\.39\.0/],
    ['7.40.0', 0, /^$/],
    ['8.5.0-DEV', 0, /^$/],
    ['', 2, /and here is none/],
  ])('asks for a curl that can reach the agent: %s', (version, code, message) => {
    const bin = join(folder, `bin-${version}`);
    mkdirSync(bin);
    if (version !== '') writeFileSync(join(bin, 'curl'), `#!/bin/sh\necho 'curl ${version} (x86_64-redhat-linux-gnu)'\n`, { mode: 0o755 });
    const to = join(folder, `shim-${version}`);
    const ended = xennuma(['agent', '--install', '--shim', to, '--builder', '/bin/sh'], { env: { PATH: bin } });
    expect({ code: ended.code, there: existsSync(to) }).toEqual({ code, there: code === 0 });
    expect(ended.err).toMatch(message);
  });

  it('is undone by one command, which may run twice', () => {
    const other = join(folder, 'other/xennuma');
    expect(xennuma(['agent', '--install', '--shim', other, '--builder', '/bin/sh']).code).toBe(0);
    expect(existsSync(other)).toBe(true);
    expect(xennuma(['agent', '--uninstall', '--shim', other]).code).toBe(0);
    expect(existsSync(other)).toBe(false);
    expect(xennuma(['agent', '--uninstall', '--shim', other]).code).toBe(0);
  });

  it('writes no shim for a builder that is not there', () => {
    const none = join(folder, 'no-builder');
    const { code, err } = xennuma(['agent', '--install', '--shim', join(folder, 'y'), '--builder', none]);
    expect(code).toBe(2);
    expect(err).toContain(`there is no domain builder ${none}; run it on a host with xapi, or name its builder with --builder`);
    expect(existsSync(join(folder, 'y'))).toBe(false);
  });

  describe('never touches a file that it did not write', () => {
    const foreign = (name: string, content = '#!/bin/sh\nexit 0\n', mode = 0o755) => {
      const file = join(folder, name);
      writeFileSync(file, content, { mode });
      return file;
    };
    const install = (to: string, builder = '/bin/sh', more: readonly string[] = []) =>
      xennuma(['agent', '--install', '--shim', to, '--builder', builder, ...more]);
    const uninstall = (to: string) => xennuma(['agent', '--uninstall', '--shim', to]);

    it.each([
      ['a program', '#!/bin/sh\nexit 0\n'],
      ['an empty file', ''],
      ['a text that names the agent without being its shim', 'agent --install\n'],
    ])('%s stays, with both options', (name, content) => {
      const file = foreign(`foreign-${name}`, content);
      for (const ended of [install(file), uninstall(file)]) {
        expect(ended.code).toBe(2);
        expect(ended.err).toContain(`${file}: it is not a shim that \`xennuma agent --install\` wrote`);
      }
      expect(readFileSync(file, 'utf8')).toBe(content);
    });

    it('a folder, and a symbolic link to a shim', () => {
      const dir = join(folder, 'a-folder');
      mkdirSync(dir);
      const link = join(folder, 'a-link');
      symlinkSync(shim, link);
      for (const there of [dir, link]) {
        for (const ended of [install(there), uninstall(there)]) {
          expect(ended.code).toBe(2);
          expect(ended.err).toContain(`${there}: it is not a shim`);
        }
        expect(existsSync(there)).toBe(true);
      }
    });

    it('the builder itself, under its own name, another one, or as a shim in its place', () => {
      const builder = foreign('real-builder');
      const link = join(folder, 'link-to-builder');
      symlinkSync(builder, link);
      expect(install(builder, builder).err).toContain('--shim and --builder name the same file');
      expect(install(builder, link).err).toContain('--shim and --builder name the same file');
      expect(install(join(folder, 'second-shim'), shim).err).toContain('it is a shim itself');
      expect(readFileSync(builder, 'utf8')).toBe('#!/bin/sh\nexit 0\n');
      expect(existsSync(join(folder, 'second-shim'))).toBe(false);
    });

    it('a shim of its own is written anew, and can be run', () => {
      const own = join(folder, 'own/xennuma');
      expect(install(own).code).toBe(0);
      chmodSync(own, 0o600);
      expect(install(own, '/bin/true').code).toBe(0);
      expect(readFileSync(own, 'utf8')).toContain(':-/bin/true}');
      expect(statSync(own).mode & 0o777).toBe(0o755);
    });
  });

  it.each([
    ['a folder as the builder', ['--builder', '/tmp'], "'/tmp' is not a program"],
    ['a builder that cannot be run', ['--builder', '/etc/passwd'], "'/etc/passwd' is not a program"],
    ['a socket beyond the kernel', ['--socket', `/${'s'.repeat(107)}`], 'the path of a socket has at most 107 bytes'],
    ['an empty socket', ['--socket', ''], '--socket: expected a path from / on'],
    ['a relative shim', ['--shim', 'shim-here'], '--shim: expected a path from / on'],
    ['an empty shim', ['--shim', ''], '--shim: expected a path from / on'],
    ['a shim that is only a folder', ['--shim', `${tmpdir()}/`], '--shim: expected a path from / on'],
  ])('refuses %s', (_, words, message) => {
    const ended = xennuma(['agent', '--install', '--shim', join(folder, 'refused'), '--builder', '/bin/sh', ...words], { cwd: folder });
    expect(ended.code).toBe(2);
    expect(ended.err).toContain(message);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
    expect(existsSync(join(folder, 'shim-here'))).toBe(false);
  });

  it('takes the longest socket that there can be', () => {
    const to = join(folder, 'long-socket');
    const ended = xennuma(['agent', '--install', '--shim', to, '--builder', '/bin/sh', '--socket', `/${'s'.repeat(106)}`]);
    expect([ended.code, ended.err]).toEqual([0, '']);
  });

  it('several at once leave one whole shim and nothing else', async () => {
    const to = join(folder, 'race/xennuma');
    const one = () =>
      new Promise<number | null>((resolve) => {
        const words = [join(root, 'dist/xennuma.js'), 'agent', '--install', '--shim', to, '--builder', '/bin/sh'];
        spawn(process.execPath, words, { stdio: 'ignore' }).once('close', resolve);
      });
    // One that was killed has left its unfinished file, and a process goes on with it.
    mkdirSync(join(folder, 'race'));
    writeFileSync(`${to}.new`, 'of somebody else');
    expect(await Promise.all(Array.from({ length: 6 }, one))).toEqual([0, 0, 0, 0, 0, 0]);
    expect(readFileSync(`${to}.new`, 'utf8')).toBe('of somebody else');
    expect(readdirSync(join(folder, 'race')).sort()).toEqual(['xennuma', 'xennuma.new']);
    expect(spawnSync('sh', ['-n', to]).status).toBe(0);
  });

  it('advises root only where root helps', () => {
    const file = join(folder, 'not-a-folder');
    writeFileSync(file, '');
    for (const words of [['--install', '--builder', '/bin/sh'], ['--uninstall']]) {
      const ended = xennuma(['agent', ...words, '--shim', join(file, 'xennuma')]);
      expect(ended.err).not.toContain('root');
    }
    expect(xennuma(['agent', '--install', '--builder', '/bin/sh', '--shim', '/proc/xennuma']).err).not.toContain('root');
  });

  it('refuses paths that the shell would read otherwise, and both at once', () => {
    expect(xennuma(['agent', '--install', '--shim', join(folder, 'x'), '--builder', '/a b'])).toMatchObject({ code: 2 });
    expect(xennuma(['agent', '--install', '--uninstall']).code).toBe(2);
  });
});
