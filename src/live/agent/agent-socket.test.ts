// The agent's socket: what an agent that was killed left is taken, what belongs to others is not.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentSocket } from './agent-socket.js';

let folder: string;
let path: string;
const servers: Server[] = [];
const umask = process.umask();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-socket-'));
  path = join(folder, 'run', 'agent.sock');
});
afterEach(() => {
  process.umask(umask);
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

function newServer(): Server {
  const server = createServer((client) => client.end('answer'));
  servers.push(server);
  return server;
}

const answer = (): Promise<string> =>
  new Promise((done) => {
    const client = connect(path);
    let text = '';
    client.on('data', (data) => {
      text += String(data);
    });
    client.once('error', (error) => done((error as NodeJS.ErrnoException).code ?? ''));
    client.once('end', () => done(text));
  });

/** A process that listens at the path, until it is killed. */
async function otherProcess(): Promise<{ readonly kill: () => Promise<unknown> }> {
  const script =
    'require("node:net").createServer((c) => c.on("error", () => {}).end("other")).listen(process.argv[1], () => console.log("ready"))';
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((done) => child.once('exit', done));
  await new Promise((done) => child.stdout.once('data', done));
  return {
    kill: () => {
      child.kill('SIGKILL');
      return gone;
    },
  };
}

describe('the path of the agent', () => {
  it('is private, answers, and is free again afterwards', async () => {
    const server = newServer();
    const remove = await openAgentSocket(server, path);
    expect([lstatSync(path).mode & 0o777, await answer()]).toEqual([0o700, 'answer']);
    server.close();
    remove();
    expect(existsSync(path)).toBe(false);
    expect(remove).not.toThrow();
  });

  it('is taken from an agent that was killed', async () => {
    await openAgentSocket(newServer(), join(folder, 'run', 'first'));
    const other = await otherProcess();
    await other.kill();
    expect([lstatSync(path).isSocket(), await answer()]).toEqual([true, 'ECONNREFUSED']);
    await openAgentSocket(newServer(), path);
    expect(await answer()).toBe('answer');
  });

  it('is left to a process that answers there', async () => {
    await openAgentSocket(newServer(), join(folder, 'run', 'first'));
    const other = await otherProcess();
    try {
      const before = lstatSync(path).ino;
      await expect(openAgentSocket(newServer(), path)).rejects.toMatchObject({
        message: 'a server answers at this socket',
        mend: 'end that one first, or name another path',
      });
      expect([lstatSync(path).ino, await answer()]).toEqual([before, 'other']);
    } finally {
      await other.kill();
    }
  });

  it.each([
    ['a file', (at: string) => writeFileSync(at, 'kept')],
    [
      'a link to a file',
      (at: string) => {
        writeFileSync(`${at}.target`, 'kept');
        symlinkSync(`${at}.target`, at);
      },
    ],
  ])('that names %s is refused, and the file stays', async (_, make) => {
    await openAgentSocket(newServer(), join(folder, 'run', 'first'));
    make(path);
    await expect(openAgentSocket(newServer(), path)).rejects.toThrow('there is a file that is not a socket');
    expect(readFileSync(path, 'utf8')).toBe('kept');
  });
});

describe('at its end the agent leaves', () => {
  it('the socket of another process that has taken its place', async () => {
    const server = newServer();
    const remove = await openAgentSocket(server, path);
    renameSync(path, `${path}.before`);
    const other = await otherProcess();
    server.close();
    remove();
    expect(await answer()).toBe('other');
    await other.kill();
  });

  it('a file that has taken its place', async () => {
    const server = newServer();
    const remove = await openAgentSocket(server, path);
    rmSync(path);
    writeFileSync(path, 'kept');
    server.close();
    remove();
    expect(readFileSync(path, 'utf8')).toBe('kept');
  });
});
