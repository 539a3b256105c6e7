// A daemon on an embedded host of 8 nodes with its state on disk, and a client of it, for
// bench/xapi.mjs.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Linux counts processor time in hundredths of a second. */
const TICKS_A_SECOND = 100;

function configure(folder) {
  const host = join(folder, 'host.yaml');
  const node = (id) => `  - { memory: 1024GiB, free: 1020GiB, cpus: ${id * 32}-${id * 32 + 31} }`;
  writeFileSync(host, `name: bench\nnodes:\n${[0, 1, 2, 3, 4, 5, 6, 7].map(node).join('\n')}\n`);
  writeFileSync(join(folder, 'serve.yaml'), 'limits: { requestsPerSecond: 1000000, burst: 10000000 }\n');
  return ['serve', '--host', host, '--state', join(folder, 'state'), '--config', join(folder, 'serve.yaml'), '--listen', '127.0.0.1:0'];
}

async function listen(daemon, root) {
  return new Promise((done, failed) => {
    daemon.stdout.on('data', (chunk) => {
      const found = /:(\d+)\n/.exec(chunk.toString());
      if (found !== null) done(Number(found[1]));
    });
    daemon.once('close', () => failed(new Error(`the daemon of ${root} ended before it listened`)));
  });
}

/** @param root a checkout whose dist/ is built */
export async function openDaemon(root) {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-bench-xapi-'));
  const args = [join(root, 'dist/xennuma.js'), ...configure(folder)];
  const daemon = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const port = await listen(daemon, root);
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 });
  const post = (body) =>
    new Promise((done, failed) => {
      const sent = request({ host: '127.0.0.1', port, path: '/jsonrpc', method: 'POST', agent }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => done(Buffer.concat(chunks).toString()));
      });
      sent.on('error', failed);
      sent.end(body);
    });
  let session = null;
  const call = async (method, ...params) => {
    const given = session === null ? params : [session, ...params];
    const { result, error } = JSON.parse(await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: given })));
    if (error !== undefined) throw new Error(`${method}: ${error.message} ${error.data.join(' ')}`);
    return result;
  };
  session = await call('session.login_with_password', 'root', '');
  return {
    call,
    /** Processor time of all its threads. */
    cpuSeconds: () => {
      const fields = readFileSync(`/proc/${daemon.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
    },
    residentMib: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))[1]) / 1024,
    close: async () => {
      agent.destroy();
      daemon.kill('SIGTERM');
      await new Promise((done) => daemon.once('close', done));
      rmSync(folder, { recursive: true });
    },
  };
}
