// `fleet work` while two of three servers are dead: it waits for them, however long that takes.
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';
import { root } from '../xennuma.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 3, port: portOf('work-waits') });
const workers: ChildProcess[] = [];

interface Worker {
  readonly child: ChildProcess;
  text(): string;
  says(what: RegExp): Promise<void>;
  ended: Promise<number | null>;
}

function work(): Worker {
  const child = spawn(process.execPath, [`${root}/dist/xennuma.js`, 'fleet', 'work', '--fleet', cluster.url], { cwd: root });
  workers.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      text += data.toString();
    });
  }
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const says = async (what: RegExp) => {
    while (!what.test(text)) {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${text}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  return { child, text: () => text, says, ended };
}

beforeAll(async () => {
  if (missing === null) await cluster.start();
}, 120_000);

afterAll(async () => {
  for (const child of workers) child.kill('SIGKILL');
  await cluster.close();
}, 60_000);

describe.skipIf(missing !== null)('workers without a leader of the log', () => {
  it('say so and wait: the half minute of other commands does not end them', async () => {
    await cluster.kill(1);
    await cluster.kill(2);
    const [waiting, stopped] = [work(), work()];
    await Promise.all([waiting, stopped].map(({ says }) => says(/have had no leader for 30 s; waiting\./)));
    stopped.child.kill('SIGTERM');
    expect(await stopped.ended).toBe(0);
    expect(waiting.child.exitCode).toBeNull();
    cluster.startServer(1);
    cluster.startServer(2);
    await waiting.says(/working for nats:/);
    waiting.child.kill('SIGTERM');
    expect(await waiting.ended).toBe(0);
    expect(waiting.text().match(/waiting\./g)).toHaveLength(1);
  }, 180_000);

  it('wait for servers of which none is there', async () => {
    for (let at = 0; at < 3; at++) await cluster.kill(at);
    const worker = work();
    await worker.says(/no NATS server answers at .*; waiting\./);
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
  }, 60_000);
});
