// `npm run bench:xapi [-- --vms N] [--clients N] [--watchers N] [--calls N] [--against FOLDER]
// [--json]`: the daemon under load, over JSON-RPC on loopback, with its state on disk. Calls a
// second and latency percentiles with 1,000 VMs and 50 clients; event.from with 100 watchers;
// memory over many calls. `--against` runs the built daemon of another checkout in turns with this
// one, and compares calls by second of processor time, which other work on the machine disturbs
// least.
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDaemon } from './xapi-daemon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    vms: { type: 'string', default: '1000' },
    clients: { type: 'string', default: '50' },
    watchers: { type: 'string', default: '100' },
    calls: { type: 'string', default: '50000' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [VMS, CLIENTS, WATCHERS, CALLS] = [values.vms, values.clients, values.watchers, values.calls].map(Number);
const GIB = 2 ** 30;
/** Parts of a measurement, in which two daemons take turns. */
const PARTS = 10;

/**
 * Calls `from` to `to` of `work` by all clients; each call gets its number.
 * @returns their times in ms
 */
async function load(from, to, work) {
  const times = new Float64Array(to - from);
  let next = from;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let index = next++; index < to; index = next++) {
        const start = performance.now();
        await work(index);
        times[index - from] = performance.now() - start;
      }
    }),
  );
  return times;
}

/**
 * @returns for each daemon a row {name, calls, perSecond, perCpuSecond, p50Ms, p95Ms, p99Ms, maxMs}
 */
async function measure(sides, name, count, work) {
  const sums = sides.map(() => ({ seconds: 0, cpu: 0, times: [] }));
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [Math.floor((count * part) / PARTS), Math.floor((count * (part + 1)) / PARTS)];
    for (const [index, side] of sides.entries()) {
      const [begun, cpu] = [performance.now(), side.daemon.cpuSeconds()];
      sums[index].times.push(...(await load(from, to, (number) => work(side, number))));
      sums[index].seconds += (performance.now() - begun) / 1000;
      sums[index].cpu += side.daemon.cpuSeconds() - cpu;
    }
  }
  return sums.map(({ seconds, cpu, times }) => {
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.min(count - 1, Math.floor(count * share))];
    const rates = { perSecond: count / seconds, perCpuSecond: count / cpu };
    return { name, calls: count, ...rates, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: times[count - 1] };
  });
}

const memory = { memory_static_min: 0, memory_dynamic_min: GIB, memory_dynamic_max: GIB, memory_static_max: GIB };
const record = (index) => ({ name_label: `vm-${index}`, domain_type: 'hvm', VCPUs_max: 2, VCPUs_at_startup: 2, ...memory });
/** A few calls first, so that no daemon is measured while its code is compiled. */
const WARM_CALLS = 200;
const MEASUREMENTS = [
  [
    'VM.create (durable)',
    VMS,
    async ({ call, refs }, index) => {
      refs[index] = await call('VM.create', record(index));
    },
  ],
  ['VM.start (durable)', VMS, ({ call, refs }, index) => call('VM.start', refs[index], false, false)],
  ['VM.get_power_state', 20_000, ({ call, refs }, index) => call('VM.get_power_state', refs[index % VMS])],
  ['VM.get_record', 10_000, ({ call, refs }, index) => call('VM.get_record', refs[index % VMS])],
  ['VM.set_name_description (durable)', 5000, ({ call, refs }, index) => call('VM.set_name_description', refs[index % VMS], `d${index}`)],
  ['VM.get_all_records', 50, ({ call }) => call('VM.get_all_records')],
  ['VM.hard_reboot (durable)', 500, ({ call, refs }, index) => call('VM.hard_reboot', refs[index % VMS])],
];

/** `changes` of a VM, seen by all watchers. */
async function watchers({ call, refs }) {
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
  return { changes, watchers: WATCHERS, seconds: (performance.now() - begun) / 1000, told };
}

/** Resident memory of the daemon over many calls, in MiB. */
async function residentMib({ daemon, call, refs }) {
  const samples = [daemon.residentMib()];
  for (let part = 0; part < 10; part++) {
    await load(0, Math.ceil(CALLS / 10), (index) =>
      index % 10 === 0 ? call('VM.set_name_description', refs[index % VMS], `m${index}`) : call('VM.get_name_label', refs[index % VMS]),
    );
    samples.push(daemon.residentMib());
  }
  return samples;
}

function print(name, { calls, perSecond, perCpuSecond, p50Ms, p95Ms, p99Ms, maxMs }, ratio) {
  const ms = (value) => value.toFixed(2).padStart(9);
  const figures = `${String(calls).padStart(7)} ${perSecond.toFixed(0).padStart(8)} ${perCpuSecond.toFixed(0).padStart(12)}`;
  console.log(`${name.padEnd(34)} ${figures} ${ms(p50Ms)} ${ms(p95Ms)} ${ms(p99Ms)} ${ms(maxMs)}${ratio}`);
}

/** @returns the rows of all daemons, of this checkout first */
async function measureAll(sides) {
  const all = [];
  for (const [name, count, work] of MEASUREMENTS) {
    const rows = await measure(sides, name, count, work);
    all.push(rows);
    if (values.json) continue;
    const ratio = rows[1] === undefined ? '' : `   ${(rows[0].perCpuSecond / rows[1].perCpuSecond).toFixed(2)} times`;
    print(name, rows[0], ratio);
    if (rows[1] !== undefined) print('  the other', rows[1], '');
  }
  return all;
}

const roots = [root, ...(values.against === undefined ? [] : [resolve(values.against)])];
const sides = [];
try {
  for (const one of roots) {
    const daemon = await openDaemon(one);
    sides.push({ daemon, call: daemon.call, refs: [] });
  }
  if (!values.json) {
    console.log(
      `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${VMS} VMs, ${CLIENTS} clients, ${WATCHERS} watchers`,
    );
    console.log(`${''.padEnd(34)}   calls  calls/s  calls/CPU s    p50 ms    p95 ms    p99 ms    max ms`);
  }
  for (const { call } of sides) await load(0, WARM_CALLS, () => call('VM.get_all'));
  const rows = await measureAll(sides);
  const watched = [];
  for (const side of sides) watched.push(await watchers(side));
  const resident = [];
  for (const side of sides) resident.push(await residentMib(side));
  if (values.json) console.log(JSON.stringify({ rows, watchers: watched, residentMib: resident }));
  else {
    for (const { changes, seconds, told } of watched)
      console.log(`event.from: ${changes} changes seen by ${WATCHERS} watchers in ${seconds.toFixed(2)} s (${told} events told)`);
    for (const samples of resident)
      console.log(`resident memory over ${CALLS} calls, MiB: ${samples.map((mib) => mib.toFixed(0)).join(' ')}`);
  }
} finally {
  for (const { daemon } of sides) await daemon.close();
}
