// `npm run bench:xapi [-- --vms N] [--clients N] [--watchers N] [--calls N] [--json]`: the daemon
// under load, over JSON-RPC on loopback, with its state on disk. Calls a second and latency
// percentiles with 1,000 VMs and 50 clients; event.from with 100 watchers; memory over many calls.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    vms: { type: 'string', default: '1000' },
    clients: { type: 'string', default: '50' },
    watchers: { type: 'string', default: '100' },
    calls: { type: 'string', default: '50000' },
    json: { type: 'boolean', default: false },
  },
});
const [VMS, CLIENTS, WATCHERS, CALLS] = [values.vms, values.clients, values.watchers, values.calls].map(Number);
const GIB = 2 ** 30;

const folder = mkdtempSync(join(tmpdir(), 'xennuma-bench-xapi-'));
const host = join(folder, 'host.yaml');
const node = (id) => `  - { memory: 1024GiB, free: 1020GiB, cpus: ${id * 32}-${id * 32 + 31} }`;
writeFileSync(host, `name: bench\nnodes:\n${[0, 1, 2, 3, 4, 5, 6, 7].map(node).join('\n')}\n`);
writeFileSync(join(folder, 'serve.yaml'), 'limits: { requestsPerSecond: 1000000, burst: 10000000 }\n');
const args = ['serve', '--host', host, '--state', join(folder, 'state'), '--config', join(folder, 'serve.yaml'), '--listen', '127.0.0.1:0'];
const daemon = spawn(process.execPath, [join(root, 'dist/xennuma.js'), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
const port = await new Promise((done, failed) => {
  daemon.stdout.on('data', (chunk) => {
    const found = /:(\d+)\n/.exec(chunk.toString());
    if (found !== null) done(Number(found[1]));
  });
  daemon.once('close', () => failed(new Error('the daemon ended before it listened')));
});

const agent = new Agent({ keepAlive: true, maxSockets: 1000 });
function call(method, ...params) {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port, path: '/jsonrpc', method: 'POST', agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const { result, error } = JSON.parse(Buffer.concat(chunks).toString());
        if (error === undefined) done(result);
        else failed(new Error(`${method}: ${error.message} ${error.data.join(' ')}`));
      });
    });
    sent.on('error', failed);
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: session === null ? params : [session, ...params] }));
  });
}
let session = null;
session = await call('session.login_with_password', 'root', '');

/** `count` calls by all clients; each call gets its number. */
async function measure(name, count, work) {
  const times = new Float64Array(count);
  let next = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let index = next++; index < count; index = next++) {
        const start = performance.now();
        await work(index);
        times[index] = performance.now() - start;
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  times.sort();
  const at = (share) => times[Math.min(count - 1, Math.floor(count * share))];
  return { name, calls: count, perSecond: count / seconds, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: times[count - 1] };
}

/** Resident memory of the daemon, in MiB. */
const residentMib = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))[1]) / 1024;

const rows = [];
const add = (row) => {
  rows.push(row);
  if (values.json) return;
  const { name, calls, perSecond, p50Ms, p95Ms, p99Ms, maxMs } = row;
  const ms = (value) => value.toFixed(2).padStart(9);
  console.log(
    `${name.padEnd(34)} ${String(calls).padStart(7)} ${perSecond.toFixed(0).padStart(8)} ${ms(p50Ms)} ${ms(p95Ms)} ${ms(p99Ms)} ${ms(maxMs)}`,
  );
};
try {
  if (!values.json) {
    console.log(
      `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${VMS} VMs, ${CLIENTS} clients, ${WATCHERS} watchers`,
    );
    console.log(`${''.padEnd(34)}   calls  calls/s    p50 ms    p95 ms    p99 ms    max ms`);
  }
  const refs = [];
  const memory = { memory_static_min: 0, memory_dynamic_min: GIB, memory_dynamic_max: GIB, memory_static_max: GIB };
  const record = (index) => ({ name_label: `vm-${index}`, domain_type: 'hvm', VCPUs_max: 2, VCPUs_at_startup: 2, ...memory });
  add(
    await measure('VM.create (durable)', VMS, async (index) => {
      refs[index] = await call('VM.create', record(index));
    }),
  );
  add(await measure('VM.start (durable)', VMS, (index) => call('VM.start', refs[index], false, false)));
  add(await measure('VM.get_power_state', 20_000, (index) => call('VM.get_power_state', refs[index % VMS])));
  add(await measure('VM.get_record', 10_000, (index) => call('VM.get_record', refs[index % VMS])));
  add(await measure('VM.set_name_description (durable)', 5000, (index) => call('VM.set_name_description', refs[index % VMS], `d${index}`)));
  add(await measure('VM.get_all_records', 50, () => call('VM.get_all_records')));
  add(await measure('VM.hard_reboot (durable)', 500, (index) => call('VM.hard_reboot', refs[index % VMS])));

  const { token } = await call('event.from', ['VM'], '', 0);
  let told = 0;
  const changes = 50;
  const watch = async () => {
    let mine = token;
    for (let seen = 0; seen < changes; ) {
      const answer = await call('event.from', ['VM'], mine, 30);
      mine = answer.token;
      for (const { snapshot } of answer.events) if (Number(snapshot.name_description) === changes) seen = changes;
      told += answer.events.length;
    }
  };
  const watching = Array.from({ length: WATCHERS }, watch);
  const begun = performance.now();
  for (let index = 1; index <= changes; index++) await call('VM.set_name_description', refs[0], String(index));
  await Promise.all(watching);
  const seconds = (performance.now() - begun) / 1000;
  if (!values.json)
    console.log(`\nevent.from: ${changes} changes seen by ${WATCHERS} watchers in ${seconds.toFixed(2)} s (${told} events told)`);

  const samples = [residentMib()];
  for (let part = 0; part < 10; part++) {
    await measure('', Math.ceil(CALLS / 10), (index) =>
      index % 10 === 0 ? call('VM.set_name_description', refs[index % VMS], `m${index}`) : call('VM.get_name_label', refs[index % VMS]),
    );
    samples.push(residentMib());
  }
  if (values.json) console.log(JSON.stringify({ rows, watchers: { changes, watchers: WATCHERS, seconds, told }, residentMib: samples }));
  else console.log(`resident memory over ${CALLS} calls, MiB: ${samples.map((mib) => mib.toFixed(0)).join(' ')}`);
} finally {
  agent.destroy();
  daemon.kill('SIGTERM');
  await new Promise((done) => daemon.once('close', done));
  rmSync(folder, { recursive: true });
}
