// Jobs while workers and servers are killed with -9: none lost, and each result stored once.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { tryFor } from '../../src/fleet/store/retry.js';
import { Jobs } from '../../src/fleet/work/jobs.js';
import { Seal } from '../../src/fleet/work/seal.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root, xennumaProcess } from '../xennuma.js';

const JOBS = Number(process.env.XENNUMA_JOBS ?? 200);
const SEED = Number(process.env.XENNUMA_SEED ?? 20_261_129);
const WORKERS = 3;
const missing = natsMissing();
const cluster = new NatsCluster({ servers: 3, port: portOf('jobs') });
const folder = mkdtempSync(join(tmpdir(), 'xennuma-jobs-'));
const bundle = join(root, `.dist-job-worker-${process.pid}.mjs`);
const started = join(folder, 'started');
const workers: ChildProcess[] = [];
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** How many jobs the workers have begun. */
const starts = () => readFileSync(started, 'utf8').split('\n').length - 1;

function begin(at: number, words: readonly string[] = [bundle, cluster.url, started]): void {
  workers[at] = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}

beforeAll(async () => {
  if (missing !== null) return;
  await build({
    ...{ entryPoints: [join(root, 'test/fleet/job-worker.ts')], outfile: bundle, bundle: true, platform: 'node', format: 'esm' },
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  writeFileSync(started, '');
  await cluster.start();
}, 120_000);

// The workers of a test that failed would take the jobs of those after it.
afterEach(() => {
  for (const worker of workers) worker.kill('SIGKILL');
});

afterAll(async () => {
  await cluster.close();
  rmSync(bundle, { force: true });
  rmSync(folder, { recursive: true });
}, 60_000);

describe.skipIf(missing !== null)('jobs of the fleet', () => {
  it('none is lost, and each has one result, while workers and servers die', async () => {
    const random = new Random(SEED);
    const connection = await connectFleet({ url: cluster.url }, 'test', true);
    const jobs = await Jobs.open(connection, 3, new Seal(null));
    for (let at = 0; at < WORKERS; at++) begin(at);
    const ids = Array.from({ length: JOBS }, (_, at) => `t-${at}`);
    let ended = false;
    const kills = { workers: 0, servers: 0 };
    const killing = (async () => {
      while (!ended) {
        // By what was done and not by the clock: on a busy machine, workers that are killed so many
        // times a second would never come to a job.
        const next = starts() + random.between(1, 8);
        while (!ended && starts() < next) await pause(20);
        await pause(random.below(100));
        const at = random.below(WORKERS);
        workers[at]!.kill('SIGKILL');
        kills.workers++;
        begin(at);
        if (!random.chance(12)) continue;
        const server = random.below(3);
        await cluster.kill(server);
        kills.servers++;
        await pause(random.between(200, 800));
        cluster.startServer(server);
      }
    })();
    // Some are submitted twice: the same id is the same job.
    await Promise.all(
      ids.map((id, at) => jobs.submit(id, { ms: random.below(40) }).then(() => (at % 7 === 0 ? jobs.submit(id, { ms: 0 }) : undefined))),
    );
    const results = new Map<string, unknown>();
    await jobs.results(ids, (id, result) => results.set(id, result));
    ended = true;
    await killing;
    await cluster.ready();
    // Whatever was started twice comes to its end.
    await pause(7000);
    for (const id of ids) expect((await jobs.result(id))?.value).toEqual(results.get(id));
    const { state } = await (await jetstreamManager(connection, { timeout: 10_000 })).streams.info('FLEETDONE');
    console.log(JSON.stringify({ seed: SEED, jobs: JOBS, ...kills, starts: starts(), results: state.messages, stored: state.last_seq }));
    expect(results.size).toBe(JOBS);
    // As many entries as jobs, since the stream was made: no result was replaced.
    expect(state).toMatchObject({ messages: JOBS, last_seq: JOBS });
    // The server takes messages of 1 MiB.
    await jobs.submit('large', { ms: 0, characters: 2 ** 20 });
    await jobs.results(['large'], (id, result) => results.set(id, result));
    expect(results.get('large')).toEqual({ error: expect.stringMatching(/^the result has \d+ bytes/) });
    // What stands in its place is the result of a job, though no worker wrote it.
    await jetstream(connection).publish('done.odd', 'no JSON');
    await jobs.submit('odd', { ms: 0 });
    await jobs.results(['odd'], (id, result) => results.set(id, result));
    expect(results.get('odd')).toEqual({ error: 'the stored result is no JSON; no worker wrote it' });
    // Nothing stays in the queue: it would, if the replicas had different messages.
    const { streams } = await jetstreamManager(connection, { timeout: 10_000 });
    while ((await streams.info('FLEETJOBS')).state.messages > 0) await pause(100);
    await connection.close();
  }, 600_000);

  it('jobs that are submitted again after a server came back leave nothing in the queue', async () => {
    const connection = await connectFleet({ url: cluster.url }, 'test', true);
    const jobs = await Jobs.open(connection, 3, new Seal(null));
    const { streams } = await jetstreamManager(connection, { timeout: 10_000 });
    const stop = new AbortController();
    const working = jobs.work(async () => ({}), stop.signal);
    const ids = Array.from({ length: 20 }, (_, at) => `again-${at}`);
    try {
      for (let round = 0; round <= cluster.size; round++) {
        for (const id of ids) await jobs.submit(id, {});
        const fresh = `new-${round}`;
        await jobs.submit(fresh, {});
        await jobs.results([...ids, fresh], () => {});
        // Undelivered where the replicas count differently, and then there for ever.
        while ((await tryFor(30_000, 200, () => streams.info('FLEETJOBS'))).state.messages > 0) await pause(100);
        if (round === cluster.size) break;
        await cluster.kill(round);
        cluster.startServer(round);
        await cluster.ready();
      }
    } finally {
      // It would take the jobs of the tests after this one.
      stop.abort();
      await working;
      await connection.close();
    }
  }, 300_000);

  it('without a worker the command says so; a replay that takes too long fails, and the worker goes on', async () => {
    const fleetAnswer = (words: readonly string[]) =>
      spawn(process.execPath, [join(root, 'dist/xennuma.js'), 'fleet', 'replay', '--fleet', cluster.url, '--policy', 'xl', '--', ...words]);
    const long = fleetAnswer(['--generate', '3000000', '--hosts', '4', '--nodes', '2']);
    let text = '';
    long.stderr.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    while (!text.includes('no worker takes the jobs yet; start one: xennuma fleet work')) await pause(100);
    begin(0, [join(root, 'dist/xennuma.js'), 'fleet', 'work', '--job-seconds', '5', '--fleet', cluster.url]);
    expect(await new Promise((done) => long.once('exit', done))).toBe(1);
    expect(text).toContain("xl, seed 1: not done in 5 seconds; the worker's --job-seconds sets that time");
    const short = fleetAnswer(['--generate', '10', '--hosts', '4', '--nodes', '2']);
    expect(await new Promise((done) => short.once('exit', done))).toBe(0);
  }, 120_000);

  it('replays by two workers are those of one machine', async () => {
    const words = ['--generate', '300', '--hosts', '4', '--nodes', '2'];
    for (const at of [0, 1]) begin(at, [join(root, 'dist/xennuma.js'), 'fleet', 'work', '--fleet', cluster.url]);
    const spread = xennumaProcess([
      'fleet',
      'replay',
      '--fleet',
      cluster.url,
      '--policy',
      'tight,xl',
      '--seed',
      '1,2',
      '--json',
      '--',
      ...words,
    ]);
    expect(spread.err).not.toContain('error');
    const { runs } = JSON.parse(spread.out) as { runs: { policy: string; seed: number }[] };
    expect(runs.map(({ policy, seed }) => `${policy} ${seed}`)).toEqual(['tight 1', 'tight 2', 'xl 1', 'xl 2']);
    const alone = xennumaProcess(['replay', ...words, '--policy', 'xl', '--seed', '2', '--moments', '0', '--json']);
    expect(runs.at(-1)).toEqual((JSON.parse(alone.out) as { runs: unknown[] }).runs[0]);
  }, 300_000);
});
