// `xennuma serve` as a user starts it, with a state folder, and its JSON-RPC.
import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { root } from '../xennuma.js';

const HOST = join(root, 'examples/hosts/four-nodes.yaml');

export interface StartedServe {
  readonly child: ChildProcess;
  readonly port: number;
  readonly call: (method: string, ...params: unknown[]) => Promise<unknown>;
  readonly log: () => string;
}

export interface ServeSettings {
  /** What the daemon is started by: nsenter, ulimit ... */
  readonly command?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Descriptions of the hosts of the pool; one of four nodes by default. */
  readonly hosts?: readonly string[];
}

/** @throws Error with the log of a daemon that ended. The caller ends its process. */
export async function startServe(
  state: string,
  { command = [], env = process.env, hosts = [HOST] }: ServeSettings = {},
): Promise<StartedServe> {
  const words = [process.execPath, join(root, 'dist/xennuma.js'), 'serve', '--host', ...hosts, '--state', state, '--listen', '127.0.0.1:0'];
  const [program, ...args] = [...command, ...words];
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += String(chunk);
  });
  const port = await new Promise<number>((done, failed) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /:(\d+)\n/.exec(String(chunk));
      if (found !== null) done(Number(found[1]));
    });
    child.once('close', () => failed(new Error(`serve ended: ${log}`)));
  });
  const post = (method: string, params: unknown[]): Promise<unknown> =>
    new Promise((done, failed) => {
      const sent = request({ host: '127.0.0.1', port, path: '/jsonrpc', method: 'POST' }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += String(chunk);
        });
        response.on('end', () => {
          const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string; data: string[] } };
          if (error === undefined) done(result);
          else failed(new Error(`${error.message} ${error.data.join(' ')}`));
        });
      });
      sent.on('error', failed);
      sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
    });
  const session = await post('session.login_with_password', ['root', '']);
  return { child, port, log: () => log, call: (method, ...params) => post(method, [session, ...params]) };
}
