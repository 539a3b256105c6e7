// `npm run bench:fleet [-- --hosts N] [--replicas 1|3] [--placers N] [--seconds N] [--workers N]
// [--alone] [--cycle]`:
// the fleet's protocol with simulated hosts of four nodes and 20 VMs each: owners in one process,
// placers in their own, real NATS servers on loopback. Prints promises (or, with --cycle, VMs from
// the claim to its deletion) a second, their latency, refused claims, how long a new reader needs
// for the picture, and bytes a host and second at the servers' sockets.
import { fork, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '10000' },
    replicas: { type: 'string', default: '1' },
    placers: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '6' },
    // VMs that a placer has under way at the same time.
    workers: { type: 'string', default: '24' },
    // Each claim in an entry of its own.
    alone: { type: 'boolean', default: false },
    cycle: { type: 'boolean', default: false },
  },
});
const [HOSTS, REPLICAS, PLACERS, SECONDS] = [values.hosts, values.replicas, values.placers, values.seconds].map(Number);
const PORT = 24_800;
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

if (spawnSync('nats-server', ['--version'], { env }).status !== 0) {
  console.error('nats-server is missing: apt-get install nats-server');
  process.exit(77);
}
const folder = mkdtempSync(join(tmpdir(), 'xennuma-bench-fleet-'));
const worker = join(root, 'node_modules', `.bench-fleet-${process.pid}.mjs`);
await build({
  ...{ absWorkingDir: root, entryPoints: ['bench/fleet-worker.ts'], outfile: worker, bundle: true, platform: 'node', format: 'esm' },
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  logLevel: 'error',
});

const servers = Array.from({ length: REPLICAS }, (_, at) => {
  const own = join(folder, `s${at}`);
  mkdirSync(own);
  const routes = Array.from({ length: REPLICAS }, (_, to) => `"nats://127.0.0.1:${PORT + 100 + to}"`).filter((_, to) => to !== at);
  const cluster = REPLICAS > 1 ? `cluster { name: c, listen: "127.0.0.1:${PORT + 100 + at}", routes: [${routes}] }` : '';
  const lines = [`server_name: s${at}`, `listen: "127.0.0.1:${PORT + at}"`, `http: "127.0.0.1:${PORT + 200 + at}"`, cluster];
  writeFileSync(join(own, 'conf'), [...lines, `jetstream { store_dir: "${own}/js", max_file: 10G }`].join('\n'));
  return spawn('nats-server', ['-c', join(own, 'conf')], { stdio: 'ignore', env });
});
const url = servers.map((_, at) => `nats://127.0.0.1:${PORT + at}`).join(',');
const children = [];

/** Sends one message, and waits for one. */
const talk = (child, message) =>
  new Promise((done, failed) => {
    child.once('message', done);
    child.once('exit', (code) => failed(new Error(`a process of the benchmark ended with ${code}`)));
    if (message !== undefined) child.send(message);
  });
const begin = (...words) => {
  const child = fork(worker, words.map(String), { stdio: 'inherit' });
  children.push(child);
  return child;
};
async function bytes() {
  const all = await Promise.all(servers.map((_, at) => fetch(`http://127.0.0.1:${PORT + 200 + at}/varz`).then((answer) => answer.json())));
  return all.reduce((sum, { in_bytes, out_bytes }) => sum + in_bytes + out_bytes, 0);
}

const memoryOf = (pid) => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);

try {
  const owners = begin('owners', url, HOSTS, REPLICAS);
  const { publishedMs } = await talk(owners);
  const idle = await bytes();
  await new Promise((done) => setTimeout(done, 5000));
  const idleBytes = (await bytes()) - idle;
  const placers = Array.from({ length: PLACERS }, (_, at) =>
    begin('placer', url, HOSTS, REPLICAS, at, values.cycle, SECONDS, values.workers, values.alone),
  );
  const pictures = await Promise.all(placers.map((placer) => talk(placer)));
  const results = await Promise.all(placers.map((placer) => talk(placer, 'go')));
  const all = results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
  const at = (share) => Math.round(all[Math.min(all.length - 1, Math.floor(all.length * share))] * 100) / 100;
  const refused = results.reduce((sum, one) => sum + one.refused, 0);
  console.log(
    JSON.stringify({
      what: values.cycle ? 'whole cycles' : 'promises',
      ...{ hosts: HOSTS, replicas: REPLICAS, placers: PLACERS, seconds: SECONDS },
      ...{ workers: Number(values.workers), alone: values.alone },
      perSecond: Math.round(all.length / SECONDS),
      // Where other processes have the cores, this is what can be compared.
      perPlacerCpuSecond: Math.round(all.length / results.reduce((sum, one) => sum + one.cpuSeconds, 0)),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      refusedPercent: Math.round((refused / (all.length + refused)) * 1000) / 10,
      ...(values.cycle
        ? { withPromisePercent: Math.round((results.reduce((sum, one) => sum + one.promised, 0) / Math.max(1, all.length)) * 100) }
        : {}),
      pictureMs: pictures.map(({ pictureMs }) => pictureMs),
      placerMib: results.map(({ mib }) => mib),
      serverMib: servers.map(({ pid }) => memoryOf(pid)),
      publishedMs,
      idleBytesAHostAndSecond: Math.round((idleBytes / 5 / HOSTS) * 10) / 10,
      load: loadavg()[0],
    }),
  );
} finally {
  for (const child of [...children, ...servers]) child.kill('SIGKILL');
  rmSync(worker, { force: true });
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(0);
